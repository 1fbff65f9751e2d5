# Tries every way out that it knows, and prints the names of those that were open.
import ctypes, errno, fcntl, os, socket, sys, threading
out, secret, victim, tcp, udp, unix, abstract, hidden = sys.argv[1:9]
victim, tcp, udp = int(victim), int(tcp), int(udp)
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
tmp = os.environ.get("TMPDIR", ".")
M = os.uname().machine == "x86_64"
os.makedirs(tmp + "/here", exist_ok=True)
here = tmp + "/here"

def call(number, *args):
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if done < 0:
        raise OSError(ctypes.get_errno(), "")
    return done

def attempt(name, work):
    try:
        work()
    except (OSError, ValueError):
        return
    print("OPEN", name)

def write(path, flags=os.O_WRONLY | os.O_APPEND):
    os.close(os.open(path, flags))

def read(path):
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 1)
    os.close(fd)

def link(path, name):
    place = here + "/" + name
    if os.path.islink(place): os.unlink(place)
    os.symlink(path, place)
    return place

# Files outside, under every name that leads there.
f = out + "/file"
attempt("write", lambda: write(f))
attempt("create", lambda: write(out + "/new", os.O_WRONLY | os.O_CREAT))
attempt("tmpfile", lambda: write(out, os.O_WRONLY | os.O_TMPFILE))
attempt("truncate", lambda: os.truncate(f, 0))
attempt("dotdot", lambda: write(os.getcwd() + "/../outside/file"))
attempt("symlink", lambda: write(link(f, "l1")))
attempt("symlink directory", lambda: write(link(out, "l2") + "/file"))
attempt("hard link", lambda: os.link(f, here + "/hard"))
attempt("hard link by descriptor", lambda: os.link("/proc/self/fd/%d" % os.open(f, os.O_RDONLY), here + "/hard2", follow_symlinks=True))
attempt("own root", lambda: write("/proc/self/root" + f))
attempt("own cwd", lambda: write("/proc/self/cwd/../outside/file"))
attempt("reopen", lambda: write("/proc/self/fd/%d" % os.open(f, os.O_RDONLY)))
attempt("path descriptor", lambda: write("/proc/self/fd/%d" % os.open(f, os.O_PATH)))
attempt("move in", lambda: os.rename(f, here + "/stolen"))
attempt("move out", lambda: (write(here + "/own", os.O_WRONLY | os.O_CREAT), os.rename(here + "/own", out + "/own")))
attempt("remove", lambda: os.unlink(f))
attempt("mkdir", lambda: os.mkdir(out + "/dir"))
attempt("fifo", lambda: os.mkfifo(out + "/fifo"))
attempt("device", lambda: os.mknod(here + "/dev", 0o60600, os.makedev(7, 0)))
attempt("metadata", lambda: os.chmod(f, 0o644))
attempt("metadata", lambda: os.utime(f))
attempt("metadata", lambda: os.setxattr(f, "user.x", b"1"))
attempt("metadata", lambda: os.chown(f, os.getuid(), os.getgid()))
attempt("metadata", lambda: call(452, -100, f.encode(), 0o644, 0))
attempt("set-user-id", lambda: os.setuid(0) if os.getuid() else call(105 if M else 146, 12345))
# Swapped again and again while it is opened.
def race():
    os.makedirs(here + "/real", exist_ok=True)
    write(here + "/real/file", os.O_WRONLY | os.O_CREAT)
    stop = []
    def swap():
        while not stop:
            link(here + "/real", "swap"); link(out, "swap")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(2000):
            try: os.close(os.open(here + "/swap/raced", os.O_WRONLY | os.O_CREAT))
            except OSError: pass
    finally:
        stop.append(1); thread.join()
race()
if os.path.exists(out + "/raced"): print("OPEN race")
# What is hidden.
attempt("secret", lambda: read(secret))
attempt("secret by link", lambda: read(link(secret, "l3")))
attempt("secret by hard link", lambda: os.link(secret, here + "/hard3") or read(here + "/hard3"))
attempt("secret by root", lambda: read("/proc/self/root" + secret))
attempt("secret by handle", lambda: (h := ctypes.create_string_buffer(140), ctypes.memmove(h, (128).to_bytes(4, "little"), 4), m := ctypes.c_int(), call(303 if M else 264, -100, b"/", h, ctypes.byref(m), 0), call(304 if M else 265, os.open("/", os.O_RDONLY), h, 0)))
for pid in os.listdir("/proc"):
    if pid.isdigit():
        try:
            if hidden.encode() in open("/proc/%s/environ" % pid, "rb").read(): print("OPEN environment", pid)
        except OSError: pass
if hidden in str(os.environ): print("OPEN environment")
# Other processes.
p = "/proc/%d/" % victim
for name in ("mem", "environ", "maps", "stack", "syscall", "auxv", "io"):
    attempt("process " + name, lambda: read(p + name))
for name in ("oom_score_adj", "clear_refs", "coredump_filter", "attr/current", "comm"):
    attempt("process " + name, lambda: write(p + name, os.O_WRONLY))
for name in ("root", "cwd", "map_files", "task/%d/root" % victim):
    attempt("process " + name, lambda: os.listdir(p + name))
for name in ("exe", "fd/0", "root", "cwd"):
    attempt("process " + name, lambda: os.readlink(p + name))
attempt("kill", lambda: os.kill(victim, 0))
attempt("kill group", lambda: os.killpg(victim, 0))
attempt("pidfd signal", lambda: call(424, os.pidfd_open(victim), 0, 0, 0))
attempt("pidfd getfd", lambda: call(438, os.pidfd_open(victim), 0, 0))
attempt("ptrace attach", lambda: call(101 if M else 117, 16, victim, 0, 0))
attempt("ptrace seize", lambda: call(101 if M else 117, 0x4206, victim, 0, 0))
iov = (ctypes.c_ulong * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
attempt("read memory", lambda: call(310 if M else 270, victim, iov, 1, iov, 1, 0))
attempt("limits", lambda: call(302 if M else 261, victim, 7, ctypes.create_string_buffer(b"\x11" + b"\0" * 7 + b"\x11" + b"\0" * 7, 16), 0))
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, victim, 19))
if sys.argv[-1] == "--no-pid-namespace":
    attempt("nice all", lambda: os.setpriority(os.PRIO_USER, 0, os.getpriority(os.PRIO_PROCESS, 0)))
attempt("affinity", lambda: os.sched_setaffinity(victim, {0}))
attempt("scheduler", lambda: os.sched_setscheduler(victim, os.SCHED_BATCH, os.sched_param(0)))
attempt("io priority", lambda: call(251 if M else 30, 1, victim, 3 << 13))
for space in ("mnt", "pid", "net", "user", "ipc"):
    attempt("join " + space, lambda: call(308 if M else 268, os.open(p + "ns/" + space, os.O_RDONLY), 0))
# Namespaces and mounts.
for name, bit in (("mount", 0x20000), ("user", 0x10000000), ("pid", 0x20000000), ("net", 0x40000000), ("time", 0x80)):
    attempt("new namespace " + name, lambda: call(272 if M else 97, bit))
attempt("mount", lambda: call(165 if M else 40, b"tmpfs", here.encode(), b"tmpfs", 0, 0))
attempt("remount", lambda: call(165 if M else 40, b"none", b"/", b"", 32 | 4096, 0))
attempt("unmount", lambda: call(166 if M else 39, b"/proc", 2))
attempt("new mount", lambda: call(430, b"tmpfs", 0))
attempt("tree", lambda: call(428, -100, b"/", 1))
attempt("chroot", lambda: os.chroot("/"))
# Sockets.
def udp_send():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", ("127.0.0.1", udp))
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", tcp), 1))
try: udp_send()
except OSError: pass
def local(address, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_UNIX, kind); s.connect(address)
attempt("abstract socket", lambda: local("\0" + abstract))
attempt("local socket", lambda: local(unix))
attempt("virtual machine socket", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("crypto socket", lambda: socket.socket(38, socket.SOCK_SEQPACKET))
attempt("ring", lambda: call(425, 1, ctypes.create_string_buffer(120)))
# The kernel and its switches.
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/sys/kernel/mm/ksm/run", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs", "/sys/kernel/uevent_helper", "/proc/irq/default_smp_affinity"):
    attempt(path, lambda: write(path, os.O_WRONLY))
for base in ("/dev", "/dev/block", "/dev/mapper"):
    try: names = os.listdir(base)
    except OSError: names = []
    for name in names + ["mem", "kmsg", "vda", "sda", "nvme0n1", "fuse", "kvm"]:
        path = base + "/" + name
        try: kind = os.stat(path).st_mode & 0o170000
        except OSError: continue
        if kind == 0o060000 or name in ("mem", "kmsg", "fuse", "kvm", "port"):
            attempt("device " + path, lambda: os.close(os.open(path, os.O_RDONLY)))
attempt("keys", lambda: call(250 if M else 219, 0, -3, 1))
attempt("kernel log", lambda: call(103 if M else 116, 10, 0, 0))
attempt("perf", lambda: call(298 if M else 241, ctypes.create_string_buffer(b"\0\0\0\0\x70" + b"\0" * 115, 120), 0, -1, -1, 0))
attempt("bpf", lambda: call(321 if M else 280, 0, ctypes.create_string_buffer(120), 120))
attempt("userfaultfd", lambda: call(323 if M else 282, 1))
attempt("clock", lambda: call(227 if M else 112, 0, ctypes.create_string_buffer(16)))
# Terminals: those of others, and typing for the user.
try: names = os.listdir("/dev/pts")
except OSError: names = []
for name in names:
    if name.isdigit(): attempt("terminal " + name, lambda: write("/dev/pts/" + name, os.O_WRONLY | os.O_NOCTTY))
attempt("terminal", lambda: write("/dev/pts/" + os.environ["PTS"], os.O_WRONLY | os.O_NOCTTY))
def typing(request):
    try: master, slave = os.openpty()
    except OSError: raise OSError(errno.EPERM, "none at all")
    call(16 if M else 29, slave, ctypes.c_ulong(request), ctypes.c_char_p(b"x"))
for request in (0x5412, 0x541C, 0x5412 | 1 << 32):
    attempt("typing", lambda: typing(request))
# Memory that others see.
if sys.argv[-1] == "--no-pid-namespace":
    attempt("shared memory", lambda: write("/dev/shm/canon-escape", os.O_WRONLY | os.O_CREAT))
    attempt("segment", lambda: call(29 if M else 194, 0, 4096, 0o1600))
    attempt("queue", lambda: call(240 if M else 180, b"canon-escape", os.O_RDWR | os.O_CREAT, 0o600, 0))
print("DONE")
