"""What only benches read is installed when one is run: the dependency group ``measure``."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from infra.onehost.place import REPOSITORY

__all__ = ["ensure"]


def ensure(*modules: str) -> None:
    """Install the group if one of its modules is missing. Raises SystemExit, with what to do, where that fails."""
    if all(importlib.util.find_spec(name) for name in modules):
        return
    print("Installing what is needed to measure (dependency group measure)…", file=sys.stderr, flush=True)
    own = REPOSITORY / ".clipstead" / "uv" / "bin" / "uv"
    command = [str(own) if own.exists() else "uv", "sync", "--frozen", "--inexact", "--quiet", "--group", "measure"]
    try:
        subprocess.run(command, cwd=REPOSITORY, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"That failed. Try it by hand: {' '.join(command)}") from error
    importlib.invalidate_caches()
