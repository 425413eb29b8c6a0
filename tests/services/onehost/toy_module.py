"""A module that a supervisor runs: tells what it was given."""

import asyncio
import json
import os
import signal
import sys
import threading


async def loop_works() -> bool:
    await asyncio.sleep(0)
    return True


if __name__ == "__main__":
    thread = threading.Thread(target=lambda: print("thread ended", flush=True))
    print(
        json.dumps(
            {
                "argv": sys.argv[1:],
                "toy": os.environ.get("TOY"),
                "preloaded": "sqlalchemy" in sys.modules,
                "session": os.getsid(0) == os.getpid(),
                "sigterm": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
                "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
                "loop": asyncio.run(loop_works()),
            }
        ),
        flush=True,
    )
    thread.start()
