"""The first thing that runs in a child: a small supervisor that stays, and beside it the wanted program, held to its limits.

The supervisor is its session's leader and adopts whatever the program leaves behind (PR_SET_CHILD_SUBREAPER). It holds one
end of a socket whose other end only the service's process has: when that end closes, for whatever reason, all that was
started here is killed. It ends as the program ended.

Run as ``python -I -S _guard.py <json> -- argv…`` with nothing imported but the standard library, so that it costs a few
milliseconds. (``preexec_fn`` is no alternative: it may deadlock in a process with threads.)
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
import time
import traceback

TYPE_CHECKING = False  # as in ``typing``, which takes longer to import than all the rest
if TYPE_CHECKING:
    import socket
    from typing import Any

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 24, 36, 38
SECCOMP_MODE_FILTER = 2
CLONE_THREAD, CLONE_NEWUSER, CLONE_NEWNET = 0x00010000, 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
EPERM, EACCES, ENOSYS = 1, 13, 38
AF_INET, AF_INET6, SOCK_STREAM = 2, 10, 1
CAPABILITIES_KEPT = range(4)  # CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER: root may go on reading files of others
PATIENCE = 2.0  # seconds in which everything must be dead that was sent SIGKILL

LINUX = sys.platform == "linux"
LIBC = ctypes.CDLL(None, use_errno=True)

# What no media tool has any business with: other processes' memory, namespaces, mounts, the kernel itself, keys; and
# io_uring, which opens sockets past any filter of system calls. By architecture: (AUDIT_ARCH, numbers by name).
_ANYWHERE = {
    "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsmount": 432, "clone3": 435,
    "pidfd_getfd": 438, "mount_setattr": 442,
}  # fmt: skip
CALLS = {
    "x86_64": (0xC000003E, _ANYWHERE | {
        "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "ptrace": 101, "pivot_root": 155, "chroot": 161, "mount": 165,
        "umount2": 166, "swapon": 167, "reboot": 169, "init_module": 175, "delete_module": 176, "kexec_load": 246,
        "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
        "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313,
        "bpf": 321, "userfaultfd": 323,
    }),
    "aarch64": (0xC00000B7, _ANYWHERE | {
        "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "unshare": 97, "kexec_load": 104, "init_module": 105,
        "delete_module": 106, "ptrace": 117, "reboot": 142, "socket": 198, "add_key": 217, "request_key": 218,
        "keyctl": 219, "clone": 220, "swapon": 224, "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273, "bpf": 280, "userfaultfd": 282,
    }),
}  # fmt: skip
DECIDED_BY_WISH = {"socket", "clone", "clone3", "fork", "vfork"}


def main() -> None:
    wishes = json.loads(sys.argv[1])
    lifeline = wishes["lifeline"]
    os.set_inheritable(lifeline, False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if LINUX:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)  # a stopped supervisor must see the lifeline end, too
    rung, bell = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(bell)
    # SIGTERM is for the program, which is in the same group; we end when it has ended.
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    supervisor = os.getpid()
    program = os.fork()
    if program == 0:
        try:
            _become(wishes, sys.argv[3:], supervisor)
        except BaseException:  # a copy of the supervisor must not go on as one
            traceback.print_exc()
            os._exit(126)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)  # the pipes are the program's: they close with it
    _end_like(_watch(program, lifeline, rung))


def _watch(program: int, lifeline: int, rung: int) -> int:
    """Wait for the program's end, or the end of who wanted it; leaves nothing alive. Returns a wait status."""
    events = select.poll()
    events.register(lifeline, select.POLLIN)
    events.register(rung, select.POLLIN)
    status = None
    while status is None:
        for descriptor, _ in events.poll():
            if descriptor == lifeline:
                _end_all()
                return int(signal.SIGKILL)
        with contextlib.suppress(BlockingIOError):
            os.read(rung, 4096)
        status = _reaped(program)
    _end_all()
    return status


def _reaped(program: int) -> int | None:
    """Bury all that have ended; the program's status if it was among them."""
    found = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == program:
                found = status
            if pid == 0:
                break
    return found


def _end_all() -> None:
    """Kill everything that descends from here, also what left the group or lost its parent."""
    if not LINUX:
        return  # the service's process sweeps the group
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return  # none is left: orphans would be ours
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    os.killpg(0, signal.SIGKILL)  # it forks faster than we kill: all at once, and us with it


def _descendants() -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
                children.setdefault(int(stat.read().rpartition(b")")[2].split()[1]), []).append(int(name))
    found = children.get(os.getpid(), [])
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if not LINUX and number == signal.SIGKILL:
            os.killpg(0, number)
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)  # SIGKILL needs none, and has none
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


# the program --------------------------------------------------------------------------------------------------------


def _become(wishes: "dict[str, Any]", argv: list[str], supervisor: int) -> None:
    """Give up rights, set limits, tell what holds, and turn into the wanted program."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    report = {"namespace": False, "filter": False}
    door = None
    if LINUX:
        _offer_to_the_oom_killer(wishes["oom_score"])
        if wishes["network"] != "shared":
            report["namespace"] = _leave_the_network()
            if report["namespace"] and wishes["network"] == "door":
                door = _door(wishes["port"])
            if report["namespace"] and os.geteuid() != 0:
                _limit(resource.RLIMIT_NPROC, wishes["tasks"])  # counted in the new user namespace: ours alone
    for kind, value in _limits(wishes):
        _limit(kind, value)
    os.nice(wishes["nice"])
    if LINUX:
        for capability in range(64):
            if capability not in CAPABILITIES_KEPT:
                LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # an ordinary user has none to drop
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != supervisor:  # it died before the line above
            os._exit(1)
        LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        report["filter"] = _filter(wishes)
    _tell(wishes["lifeline"], report, door)
    try:
        os.execvpe(argv[0], argv, os.environ)  # noqa: S606  this is the very purpose
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _limits(wishes: "dict[str, Any]") -> list[tuple[int, int]]:
    kinds = {
        "file_size": resource.RLIMIT_FSIZE,
        "cpu_seconds": resource.RLIMIT_CPU,
        "open_files": resource.RLIMIT_NOFILE,
    }
    if LINUX:  # macOS has no working RLIMIT_AS
        kinds["memory"] = resource.RLIMIT_AS
    return [(kind, wishes[name]) for name, kind in kinds.items() if wishes[name]]


def _limit(kind: int, value: int) -> None:
    _soft, hard = resource.getrlimit(kind)
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (wanted, wanted))


def _offer_to_the_oom_killer(score: int) -> None:
    """When memory runs out, the kernel is to take this child, and not the service that waits for it."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "r+") as file:  # /proc may be read-only
        file.write(str(max(score, int(file.read()))))


def _leave_the_network() -> bool:
    """Move into an empty network namespace: as root directly, else through a user namespace in which we stay who we are."""
    user, group = os.geteuid(), os.getegid()
    if LIBC.unshare(CLONE_NEWNET if user == 0 else CLONE_NEWNET | CLONE_NEWUSER):
        return False
    if user != 0:
        for name, text in (("setgroups", "deny"), ("gid_map", f"{group} {group} 1"), ("uid_map", f"{user} {user} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    return True


def _door(port: int) -> "socket.socket":
    """Bring up the namespace's own loopback and listen there: whoever holds the listener is the only one to be reached."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.bind(("127.0.0.1", port))
    door.listen(128)
    return door


def _tell(lifeline: int, report: dict[str, bool], door: "socket.socket | None") -> None:
    said = json.dumps(report).encode() + b"\n"
    if door is None:
        os.write(lifeline, said)
        return
    import socket

    with socket.socket(fileno=os.dup(lifeline)) as line:
        socket.send_fds(line, [said], [door.fileno()])


def _filter(wishes: "dict[str, Any]") -> bool:
    """Refuse system calls (seccomp, classic BPF): always those of no use here; sockets and new processes by wish."""
    known = CALLS.get(os.uname().machine)
    if known is None:
        return False
    architecture, calls = known
    program = [
        _op(0x20, 4),  # the architecture, so that no other table of numbers is used
        _op(0x15, architecture, skip=1),
        _op(0x06, 0x00050000 | EPERM),
        _op(0x20, 0),  # the number of the call
        _op(0x35, 0x40000000, skip_else=1),  # x32 numbers
        _op(0x06, 0x00050000 | EPERM),
    ]
    for name, number in calls.items():
        program += _rule(number, _verdict(name, wishes))
    program.append(_op(0x06, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(program))
    pointed = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    return bool(LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(pointed), 0, 0) == 0)


def _verdict(name: str, wishes: "dict[str, Any]") -> list[bytes]:
    """What becomes of one call: instructions that end with a decision, or none where it may pass."""
    refuse, allow = [_op(0x06, 0x00050000 | EACCES)], [_op(0x06, 0x7FFF0000)]
    if name == "socket" and wishes["network"] == "door":  # TCP alone
        internet = [_op(0x20, 16), _op(0x15, AF_INET, skip=2), _op(0x15, AF_INET6, skip=1), *refuse]
        stream = [_op(0x20, 24), _op(0x54, 0xF), _op(0x15, SOCK_STREAM, skip=1), *refuse]
        return [*internet, *stream, *allow]
    if name == "socket":
        return refuse if wishes["network"] == "none" else []
    if name == "clone" and wishes["alone"]:
        threads_pass = [_op(0x20, 16), _op(0x45, CLONE_THREAD, skip=1)]
        return [*threads_pass, _op(0x06, 0x00050000 | EPERM), *allow]
    if name == "clone3" and wishes["alone"]:
        return [_op(0x06, 0x00050000 | ENOSYS)]  # its flags lie in memory, unseen by a filter; libc falls back to clone
    if name in DECIDED_BY_WISH and not wishes["alone"]:
        return []
    return [_op(0x06, 0x00050000 | EPERM)]


def _rule(number: int, verdict: list[bytes]) -> list[bytes]:
    return [_op(0x15, number, skip_else=len(verdict)), *verdict] if verdict else []


def _op(code: int, value: int, *, skip: int = 0, skip_else: int = 0) -> bytes:
    return struct.pack("HBBI", code, skip, skip_else, value)


main()
