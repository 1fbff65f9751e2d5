//! System calls that no command in a sandbox needs, and that lead out of one.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

mod numbers;

use numbers::Numbers;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const SOCK_DGRAM: u64 = 2;
/// The low bits of a socket's type; the rest are flags.
const SOCK_TYPE_MASK: u64 = 0xF;

/// `CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}`
const NEW_NAMESPACES: [u64; 7] =
    [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
/// Terminal requests that type for the user: `TIOCSTI`, `TIOCLINUX`.
const TYPING: [u64; 2] = [0x5412, 0x541C];

/// Which sockets a command may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sockets {
    /// none but connected pairs: there is no network namespace to keep others in
    PairsOnly,
    /// internet sockets; local ones would reach services of this machine
    InternetOnly,
    /// local and internet sockets, which a network namespace keeps in; not the virtual machine's
    Namespaced,
}

/// The filters, to be installed in this order.
///
/// # Errors
/// The processor's architecture has no table here.
pub(super) fn programs(sockets: Sockets, pid_namespace: bool) -> io::Result<Vec<BpfProgram>> {
    let (arch, numbers) = numbers::native().ok_or_else(|| {
        io::Error::new(io::ErrorKind::Unsupported, "no system call table for this processor")
    })?;
    let refused = compile(refused(&numbers, sockets, pid_namespace)?, EPERM, arch)?;
    // Its flags lie in memory where a filter cannot look; libraries fall back to `clone`.
    let absent = numbers.variants(numbers.clone3).map(|number| (number, Vec::new())).collect();
    let absent = compile(absent, ENOSYS, arch)?;
    Ok(vec![refused, absent])
}

/// As the kernel's `struct sock_filter` array.
pub(super) fn bytes(program: &BpfProgram) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for step in program {
        bytes.extend_from_slice(&step.code.to_ne_bytes());
        bytes.extend_from_slice(&[step.jt, step.jf]);
        bytes.extend_from_slice(&step.k.to_ne_bytes());
    }
    bytes
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn compile(rules: Rules, errno: u32, arch: TargetArch) -> io::Result<BpfProgram> {
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

fn refused(numbers: &Numbers, sockets: Sockets, pid_namespace: bool) -> io::Result<Rules> {
    let mut rules = Rules::new();
    let mut refuse = |number: i64, conditions: Vec<SeccompRule>| {
        for variant in numbers.variants(number) {
            rules.insert(variant, conditions.clone());
        }
    };
    // An empty list of conditions refuses every use.
    numbers.never.iter().for_each(|number| refuse(*number, Vec::new()));
    if !pid_namespace {
        // With a PID namespace, debuggers reach nothing outside; without one they would.
        numbers.debugging.iter().for_each(|number| refuse(*number, Vec::new()));
        // Nor is there a namespace for these; a process may still limit itself (0).
        numbers.shared.iter().for_each(|number| refuse(*number, Vec::new()));
        refuse(numbers.prlimit, rules_any([vec![(0, Test::IsNot(0))]])?);
        for scheduling in numbers.scheduling {
            refuse(*scheduling, rules_any([vec![(0, Test::IsNot(0))]])?);
        }
        for (priority, all_of_the_user) in numbers.priority {
            let others = [vec![(1, Test::IsNot(0))], vec![(0, Test::Is(*all_of_the_user))]];
            refuse(*priority, rules_any(others)?);
        }
    }
    refuse(numbers.clone, rules_any(NEW_NAMESPACES.map(|flag| vec![(0, Test::HasBits(flag))]))?);
    refuse(numbers.ioctl, rules_any(TYPING.map(|request| vec![(1, Test::Is(request))]))?);
    match sockets {
        Sockets::PairsOnly => refuse(numbers.socket, Vec::new()),
        Sockets::InternetOnly => refuse(numbers.socket, none_of(&[AF_INET, AF_INET6, AF_NETLINK])?),
        Sockets::Namespaced => {
            refuse(numbers.socket, none_of(&[AF_UNIX, AF_INET, AF_INET6, AF_NETLINK])?)
        }
    }
    if sockets != Sockets::Namespaced {
        // A datagram socket of a pair can still be told another address for each message.
        let datagram = vec![(1, Test::Masked(SOCK_TYPE_MASK, SOCK_DGRAM))];
        refuse(numbers.socketpair, rules_any([datagram, vec![(0, Test::IsNot(AF_UNIX))]])?);
    }
    Ok(rules)
}

enum Test {
    Is(u64),
    IsNot(u64),
    HasBits(u64),
    Masked(u64, u64),
}

/// One rule of all tests: the first argument is none of these.
fn none_of(domains: &[u64]) -> io::Result<Vec<SeccompRule>> {
    rules_any([domains.iter().map(|domain| (0, Test::IsNot(*domain))).collect::<Vec<_>>()])
}

/// Matches when all tests of one of the lists do. Numbers name arguments.
fn rules_any(lists: impl IntoIterator<Item = Vec<(u8, Test)>>) -> io::Result<Vec<SeccompRule>> {
    lists
        .into_iter()
        .map(|tests| {
            let conditions = tests.into_iter().map(|(argument, test)| condition(argument, &test));
            SeccompRule::new(conditions.collect::<io::Result<Vec<_>>>()?).map_err(io::Error::other)
        })
        .collect()
}

fn condition(argument: u8, test: &Test) -> io::Result<SeccompCondition> {
    let (operator, value) = match *test {
        Test::Is(value) => (SeccompCmpOp::Eq, value),
        Test::IsNot(value) => (SeccompCmpOp::Ne, value),
        Test::HasBits(bits) => (SeccompCmpOp::MaskedEq(bits), bits),
        Test::Masked(mask, value) => (SeccompCmpOp::MaskedEq(mask), value),
    };
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        .map_err(io::Error::other)
}
