//! System call numbers, by architecture.

use seccompiler::TargetArch;

/// The numbers that filters are about.
pub(super) struct Numbers {
    /// refused whatever their arguments
    pub(super) never: &'static [i64],
    /// looking into other processes
    pub(super) debugging: &'static [i64],
    /// IPC that is named for the whole user: System V's, and POSIX message queues
    pub(super) shared: &'static [i64],
    /// changes the limits of the process in its first argument
    pub(super) prlimit: i64,
    /// change how the process in their first argument is scheduled, or where its memory lies
    pub(super) scheduling: &'static [i64],
    /// the same, for the one in their second argument, and what their first argument is when they
    /// mean all processes of the user
    pub(super) priority: &'static [(i64, u64)],
    pub(super) clone: i64,
    pub(super) clone3: i64,
    pub(super) ioctl: i64,
    pub(super) socket: i64,
    pub(super) socketpair: i64,
    /// a bit that gives the same call another number (x32)
    alias_bit: Option<i64>,
}

impl Numbers {
    pub(super) fn variants(&self, number: i64) -> impl Iterator<Item = i64> + use<> {
        std::iter::once(number).chain(self.alias_bit.map(|bit| number | bit))
    }
}

/// The table for this program's architecture.
pub(super) fn native() -> Option<(TargetArch, Numbers)> {
    if cfg!(target_arch = "x86_64") {
        Some((TargetArch::x86_64, X86_64))
    } else if cfg!(target_arch = "aarch64") {
        Some((TargetArch::aarch64, AARCH64))
    } else {
        None
    }
}

const X86_64: Numbers = Numbers {
    never: &[
        155, // pivot_root
        159, // adjtimex
        161, // chroot
        163, // acct
        164, // settimeofday
        165, // mount
        166, // umount2
        167, // swapon
        168, // swapoff
        169, // reboot
        170, // sethostname
        171, // setdomainname
        172, // iopl
        173, // ioperm
        175, // init_module
        176, // delete_module
        179, // quotactl
        103, // syslog
        227, // clock_settime
        246, // kexec_load
        248, // add_key
        249, // request_key
        250, // keyctl
        272, // unshare
        298, // perf_event_open
        304, // open_by_handle_at
        308, // setns
        313, // finit_module
        320, // kexec_file_load
        321, // bpf
        323, // userfaultfd
        425, // io_uring_setup: its requests pass by every filter
        426, // io_uring_enter
        427, // io_uring_register
        428, // open_tree
        429, // move_mount
        430, // fsopen
        431, // fsconfig
        432, // fsmount
        433, // fspick
        442, // mount_setattr
    ],
    debugging: &[
        101, // ptrace
        310, // process_vm_readv
        311, // process_vm_writev
        438, // pidfd_getfd
        440, // process_madvise
        521, // ptrace (x32)
        539, // process_vm_readv (x32)
        540, // process_vm_writev (x32)
    ],
    shared: &[
        29,  // shmget
        30,  // shmat
        31,  // shmctl
        64,  // semget
        65,  // semop
        66,  // semctl
        67,  // shmdt
        68,  // msgget
        69,  // msgsnd
        70,  // msgrcv
        71,  // msgctl
        220, // semtimedop
        240, // mq_open
        241, // mq_unlink
    ],
    prlimit: 302,
    scheduling: &[
        142, // sched_setparam
        144, // sched_setscheduler
        203, // sched_setaffinity
        256, // migrate_pages
        279, // move_pages
        314, // sched_setattr
    ],
    priority: &[
        (141, 2), // setpriority
        (251, 3), // ioprio_set
    ],
    clone: 56,
    clone3: 435,
    ioctl: 16,
    socket: 41,
    socketpair: 53,
    alias_bit: Some(0x4000_0000),
};

const AARCH64: Numbers = Numbers {
    never: &[
        39,  // umount2
        40,  // mount
        41,  // pivot_root
        51,  // chroot
        60,  // quotactl
        89,  // acct
        97,  // unshare
        104, // kexec_load
        105, // init_module
        106, // delete_module
        112, // clock_settime
        116, // syslog
        142, // reboot
        161, // sethostname
        162, // setdomainname
        170, // settimeofday
        171, // adjtimex
        217, // add_key
        218, // request_key
        219, // keyctl
        224, // swapon
        225, // swapoff
        241, // perf_event_open
        265, // open_by_handle_at
        268, // setns
        273, // finit_module
        280, // bpf
        282, // userfaultfd
        294, // kexec_file_load
        425, // io_uring_setup
        426, // io_uring_enter
        427, // io_uring_register
        428, // open_tree
        429, // move_mount
        430, // fsopen
        431, // fsconfig
        432, // fsmount
        433, // fspick
        442, // mount_setattr
    ],
    debugging: &[
        117, // ptrace
        270, // process_vm_readv
        271, // process_vm_writev
        438, // pidfd_getfd
        440, // process_madvise
    ],
    shared: &[
        180, // mq_open
        181, // mq_unlink
        186, // msgget
        187, // msgctl
        188, // msgrcv
        189, // msgsnd
        190, // semget
        191, // semctl
        192, // semtimedop
        193, // semop
        194, // shmget
        195, // shmctl
        196, // shmat
        197, // shmdt
    ],
    prlimit: 261,
    scheduling: &[
        118, // sched_setparam
        119, // sched_setscheduler
        122, // sched_setaffinity
        238, // migrate_pages
        239, // move_pages
        274, // sched_setattr
    ],
    priority: &[
        (140, 2), // setpriority
        (30, 3),  // ioprio_set
    ],
    clone: 220,
    clone3: 435,
    ioctl: 29,
    socket: 198,
    socketpair: 199,
    alias_bit: None,
};
