"""A small topology under the real supervisor: ``python toy.py HOME BASE_PORT CASE``. Run by the tests beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from infra.onehost import ports
from infra.onehost.ready import answers_http
from infra.onehost.spawn import Program
from infra.onehost.state import hold_lock
from infra.onehost.supervisor import Failed, Supervisor
from infra.onehost.topology import Process

ENV = dict(os.environ)
FOLDER = Path(__file__).parent


def server(home: Path, name: str, port: int, **more: object) -> Process:
    """An HTTP server that notes when it starts and stops, and has a child of its own."""
    argv = [sys.executable, str(FOLDER / "toy_server.py"), str(home), name, str(port)]
    return Process(name, Program(argv, env=ENV, folder=home), ready=answers_http(port, "/"), port=port, **more)  # type: ignore[arg-type]


def script(name: str, code: str, home: Path, **more: object) -> Process:
    """A process that runs a line of Python."""
    return Process(name, Program([sys.executable, "-c", code], env=ENV, folder=home), **more)  # type: ignore[arg-type]


def topology(case: str, home: Path, base: int) -> list[Process]:
    store = server(home, "store", base, stage=0)
    once = script("once", f"open({str(home / 'once')!r}, 'a').write('x')", home, needs=("store",), stage=1)
    front = server(home, "front", base + 1, needs=("store", "once"), stage=2)
    match case:
        case "plain":
            return [store, once, front]
        case "watched":
            return [store, once, server(home, "front", base + 1, needs=("store",), alive=answers_http(base + 1, "/"))]
        case "stubborn":
            return [
                store,
                server(home, "stubborn", base + 1, stage=1, stop=signal.SIGUSR1, grace=1.0 if base % 2 else 600.0),
            ]
        case "optional":
            code = f"open({str(home / 'tries')!r}, 'a').write('x'); raise SystemExit(7)"
            return [store, once, script("extra", code, home, essential=False), front]
        case "broken":
            return [store, script("broken", "print('the reason why'); raise SystemExit(7)", home)]
        case "module":
            program = Program(("one", "two"), "tests.services.onehost.toy_module", ENV | {"TOY": "yes"}, Path.cwd())
            return [store, Process("module", program, needs=("store",))]
        case _:
            raise ValueError(case)


def main() -> int:
    home, base, case = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    lock = hold_lock(home / "run")
    assert lock is not None
    processes = topology(case, home, base)
    assert not ports.taken([(process.name, process.port) for process in processes if process.port])
    try:
        asyncio.run(
            Supervisor(processes, home, f"http://localhost:{base}", base).run(lambda: print("ready", flush=True))
        )
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    finally:
        lock.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
