"""What code in an instance tries, to get out of it or at what is not its own.

Each attempt is a line of Perl, which every Debian image has, with the kernel's calls by number. It
gives a true value where it succeeded; else `$!` says why not. None does harm where it succeeds: a
file is only opened, a call with an effect on the machine has arguments that the kernel refuses once
it has let the caller pass.
"""

from typing import Final

# Numbers by architecture; from the kernel's unistd headers.
_CALLS: Final = {
    "x86_64": {
        "acct": 163,
        "add_key": 248,
        "bpf": 321,
        "chroot": 161,
        "clone": 56,
        "delete_module": 176,
        "finit_module": 313,
        "fsopen": 430,
        "init_module": 175,
        "kexec_load": 246,
        "keyctl": 250,
        "mknodat": 259,
        "mount": 165,
        "open_by_handle_at": 304,
        "perf_event_open": 298,
        "pivot_root": 155,
        "ptrace": 101,
        "reboot": 169,
        "sched_setscheduler": 144,
        "setdomainname": 171,
        "setgid": 106,
        "setgroups": 116,
        "sethostname": 170,
        "setns": 308,
        "setuid": 105,
        "swapon": 167,
        "syslog": 103,
        "umount2": 166,
        "unshare": 272,
        "userfaultfd": 323,
    },
    "aarch64": {
        "acct": 89,
        "add_key": 217,
        "bpf": 280,
        "chroot": 51,
        "clone": 220,
        "delete_module": 106,
        "finit_module": 273,
        "fsopen": 430,
        "init_module": 105,
        "kexec_load": 104,
        "keyctl": 219,
        "mknodat": 33,
        "mount": 40,
        "open_by_handle_at": 265,
        "perf_event_open": 241,
        "pivot_root": 41,
        "ptrace": 117,
        "reboot": 142,
        "sched_setscheduler": 119,
        "setdomainname": 162,
        "setgid": 144,
        "setgroups": 159,
        "sethostname": 161,
        "setns": 268,
        "setuid": 146,
        "swapon": 224,
        "syslog": 116,
        "umount2": 39,
        "unshare": 97,
        "userfaultfd": 282,
    },
}


def _unshare(flag: int) -> str:
    return f"call('unshare', {flag:#x})"


def _write(path: str) -> str:
    return f"open(FILE, '>>', '{path}')"


def _read(path: str) -> str:
    """What Docker hides can be opened, and is empty."""
    return f"open(FILE, '<', '{path}') && (sysread(FILE, my $byte, 1) or do {{ $! = 2; 0 }})"


# Those that succeed, and do no harm, in a container with every right: they show that the others'
# denial means something.
SHOWN_TO_WORK: Final = {
    "mount a file system": "call('mount', 'none', '/mnt', 'tmpfs', 0, 0)",
    "mount its root again": "call('mount', 'none', '/', '', 0x1020, 0)",  # remount, bind
    "mount the new way": "call('fsopen', 'tmpfs', 0)",
    "user namespace": _unshare(0x10000000),
    "user namespace of a child": "clone(0x10000000)",
    "mount namespace": _unshare(0x00020000),
    "network namespace": _unshare(0x40000000),
    "PID namespace": _unshare(0x20000000),
    "IPC namespace": _unshare(0x08000000),
    "cgroup namespace": _unshare(0x02000000),
    "chroot": "call('chroot', '/tmp')",
    "become root": "call('setuid', 0)",
    "become root's group": "call('setgid', 0)",
    "join groups": "call('setgroups', 0, 0)",
    "a setuid program": "`/usr/local/bin/as-root -u` =~ /^0$/ or do { $! = 1; 0 }",
    "make a device": "call('mknodat', -100, '/tmp/disk', 0060666, 0x0801)",
    "a raw socket": "socket(my $raw, 2, 3, 1)",
    "a packet socket": "socket(my $packet, 17, 3, 0x0300)",
    "its own host name": "call('sethostname', 'x', 1)",
    "a better priority": "setpriority(0, 0, -10)",
    "write in the root": _write("/new"),
    "write in /etc": _write("/etc/passwd"),
    "write in /usr": _write("/usr/bin/new"),
    "keys of the kernel": "call('add_key', 'user', 'a', 'b', 1, -3)",
    "page faults of its own": "call('userfaultfd', 0)",
    "run what it has written": "system('cp /bin/true /tmp/own && /tmp/own 2>/dev/null') == 0"
    " or do { $! = 13; 0 }",
}

ATTEMPTS: Final = SHOWN_TO_WORK | {
    "real-time priority": "call('sched_setscheduler', 0, 1, pack('i', 1))",
    "unmount what hides": "call('umount2', '/proc/kcore', 2)",
    "pivot root": "call('pivot_root', '/tmp', '/tmp')",
    "join the host's namespace": "open(NS, '<', '/proc/1/ns/net') && call('setns', fileno(NS), 0)",
    "open by handle": "call('open_by_handle_at', 0, pack('LLQ', 8, 1, 2), 0)",
    "trace a process of the host": "call('ptrace', 16, $host, 0, 0)",
    "signal a process of the host": "kill(0, $host)",
    "see the host's processes": '-d "/proc/$host"',
    "load a module": "call('init_module', 'x', 1, '')",
    "load a module from a file": "call('finit_module', 0, '', 0)",
    "unload a module": "call('delete_module', 'x', 0)",
    "another kernel": "call('kexec_load', 0, 0, 0, 0)",
    "reboot": "call('reboot', 0, 0, 0, 0)",
    "swap": "call('swapon', '/nowhere', 0)",
    "accounting": "call('acct', '/nowhere')",
    "the kernel's log": "call('syslog', 3, my $log = 'x' x 100, 100)",
    "kernel programs (bpf)": "call('bpf', 0, pack('LLLLQQQ', 1, 4, 4, 1, 0, 0, 0), 48)",
    "performance counters": "call('perf_event_open', pack('LL', 1, 112) . (\"\\0\" x 104),"
    " -1, 0, -1, 0)",
    "read keys": "call('keyctl', 0, -3, 0)",
    "core dump handler": _write("/proc/sys/kernel/core_pattern"),
    "other kernel settings": _write("/proc/sys/net/ipv4/ip_forward"),
    "SysRq": _write("/proc/sysrq-trigger"),
    "interrupts": _write("/proc/irq/default_smp_affinity"),
    "hot-plug helper": _write("/sys/kernel/uevent_helper"),
    "block devices' settings": _write("/sys/block/vda/queue/scheduler"),
    "cgroup release agent": _write("/sys/fs/cgroup/memory/release_agent"),
    "its own memory limit": _write("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "its own memory limit, v2": _write("/sys/fs/cgroup/memory.max"),
    "a cgroup of its own": "mkdir('/sys/fs/cgroup/memory/new')",
    "a folder among the cgroups": "mkdir('/sys/fs/cgroup/new')",
    "a better out-of-memory score": "open(FILE, '>', '/proc/self/oom_score_adj')"
    " && syswrite(FILE, '-900')",
    "core dumps": "system('ulimit -H -c unlimited 2>/dev/null') == 0 or do { $! = 1; 0 }",
    "more open files": "system('ulimit -H -n 1000000 2>/dev/null') == 0 or do { $! = 1; 0 }",
    "the kernel's memory": _read("/proc/kcore"),
    "the kernel's keys": _read("/proc/keys"),
    "the kernel's timers": _read("/proc/timer_list"),
    "the firmware": "opendir(FOLDER, '/sys/firmware')"
    " && do { $! = 2; grep(!/^\\./, readdir FOLDER) }",
    "physical memory": _read("/dev/mem"),
    "ports": _read("/dev/port"),
    "the message buffer": _read("/dev/kmsg"),
    "the machine's disk": _read("/dev/vda"),
    "the machine's disk, by another name": _read("/dev/sda"),
    "FUSE": _read("/dev/fuse"),
    "a network device": _read("/dev/net/tun"),
    "virtual machines": _read("/dev/kvm"),
    "Docker's socket": "-e '/var/run/docker.sock'",
    "Docker's socket, by another name": "-e '/run/docker.sock'",
    "containerd's socket": "-e '/run/containerd/containerd.sock'",
    "the disk, past the folders in memory": "system("
    "'head -c 100000000 /dev/zero 2>/dev/null > /tmp/full') == 0 or do { $! = 28; 0 }",
    "files without number": "fill()",
}

SCRIPT: Final = f"""\
use strict; use warnings; use POSIX ();
my %numbers = ({
    ", ".join(
        f"{arch} => {{{', '.join(f'{name} => {number}' for name, number in calls.items())}}}"
        for arch, calls in _CALLS.items()
    )
});
my $host = ($ENV{{HOST_PROCESS}} // 0) + 0;
chomp(my $arch = `uname -m`);
sub call {{
    my ($name, @arguments) = @_;
    my $answer = syscall($numbers{{$arch}}{{$name}}, @arguments);
    return $answer >= 0;
}}
sub clone {{
    my $child = syscall($numbers{{$arch}}{{clone}}, $_[0] | 17, 0, 0, 0, 0);
    return 0 if $child < 0;
    POSIX::_exit(0) if $child == 0;
    waitpid($child, 0);
    return 1;
}}
sub fill {{
    mkdir '/tmp/many';
    for my $number (1 .. 200_000) {{ open(my $file, '>', "/tmp/many/$number") or return 0 }}
    return 1;
}}
sub attempt {{
    my ($name, $try) = @_;
    my $child = fork();
    if ($child == 0) {{
        $! = 0;
        my $done = $try->();
        my $why = $! + 0;
        $| = 1;
        print "$name\\t", $done ? 'succeeded' : $why, "\\n";
        POSIX::_exit(0);
    }}
    waitpid($child, 0);
    system('rm -rf /tmp/many /tmp/full /tmp/own /tmp/disk');
}}
$| = 1;
"""


def script(attempts: dict[str, str]) -> str:
    """Prints a line for each attempt, its name and its outcome, and then "done"."""
    lines = (f'attempt("{name}", sub {{ {code} }});' for name, code in attempts.items())
    return "\n".join([SCRIPT, *lines, 'print "done\\n";', "sleep 600;", ""])


DOCKERFILE: Final = """\
FROM debian:trixie-slim
RUN cp /usr/bin/id /usr/local/bin/as-root && chmod 4755 /usr/local/bin/as-root
COPY attempts.pl shown.pl /
USER 1000:1000
CMD ["perl", "/attempts.pl"]
"""
