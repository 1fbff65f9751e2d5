//! What `/proc` tells of a process.

use std::fs;
use std::time::Duration;

/// Linux counts a process's time in these for its readers, whatever the kernel was built with.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of the process itself, all threads, dead ones too; also of a zombie.
pub(crate) fn own_time(pid: u32) -> Option<Duration> {
    times(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 11)
}

/// User and system time of all that this process has waited for, with all that they had waited for.
pub(crate) fn waited_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    times(&stat, 13).unwrap_or_default()
}

/// The sum of two members of `stat`, counted from after the name, which may hold anything.
fn times(stat: &str, at: usize) -> Option<Duration> {
    let mut members = stat.rsplit_once(')')?.1.split_whitespace().skip(at);
    let ticks: u32 = members.next()?.parse::<u32>().ok()? + members.next()?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

/// Time on a core of the threads that live now, to the nanosecond.
pub(crate) fn threads_time(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse().ok())
        .map(Duration::from_nanos)
        .sum()
}

/// A member of `status` or `smaps_rollup`, in KiB.
pub(crate) fn kib(pid: u32, file: &str, member: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(member)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A child of this process other than `but`.
pub(crate) fn a_child(but: u32) -> Option<u32> {
    let text = fs::read_to_string("/proc/thread-self/children").ok()?;
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid| *pid != but)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_after_a_hostile_name() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0";
        assert_eq!(times(stat, 11), Some(Duration::from_millis(1200)));
        assert_eq!(times(stat, 13), Some(Duration::from_millis(70)));
        assert_eq!(times("", 11), None);
    }

    #[test]
    fn this_process_has_memory_and_time() {
        let me = std::process::id();
        assert!(kib(me, "status", "VmHWM").is_some_and(|kib| kib > 100));
        assert!(own_time(me).is_some());
        assert!(threads_time(me) > Duration::ZERO);
    }
}
