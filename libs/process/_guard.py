"""The first thing that runs in a child: gives up rights, sets limits, then becomes the wanted program.

Run as ``python -I -S _guard.py <json> -- argv…`` with nothing imported but the standard library, so that it costs a few
milliseconds. (``preexec_fn`` is no alternative: it may deadlock in a process with threads.)
"""

import ctypes
import json
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def _limit(kind: int, value: int) -> None:
    _soft, hard = resource.getrlimit(kind)
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (wanted, wanted))


def main() -> None:
    wishes = json.loads(sys.argv[1])
    argv = sys.argv[3:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != wishes["parent"]:  # the parent died before the line above
            os._exit(1)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if not wishes["network"]:
            # An empty network namespace where the system lets us: as root directly, else through a user namespace.
            flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWNET | CLONE_NEWUSER
            libc.unshare(flags)
    for name in ("memory", "file_size", "cpu_seconds", "open_files"):
        if wishes[name]:
            kinds = {
                "memory": resource.RLIMIT_AS,
                "file_size": resource.RLIMIT_FSIZE,
                "cpu_seconds": resource.RLIMIT_CPU,
                "open_files": resource.RLIMIT_NOFILE,
            }
            if name != "memory" or sys.platform == "linux":  # macOS has no working RLIMIT_AS
                _limit(kinds[name], int(wishes[name]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(wishes["nice"])
    os.execvpe(argv[0], argv, os.environ)  # noqa: S606  this is the very purpose


main()
