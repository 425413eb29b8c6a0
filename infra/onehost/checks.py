"""``check`` and ``test``: what has to hold before a change is merged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.onehost import webapp
from infra.onehost.place import REPOSITORY

__all__ = ["check", "faults", "test"]

SMALL = ("tests/libs", "tests/contracts", "tests/services")
LARGE = ("tests/system", "tests/faults", "tests/browser")
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Check:
    """One tool's verdict on the tree."""

    name: str
    command: Sequence[str]
    folder: Path = REPOSITORY


def check(arguments: Sequence[str] = ()) -> int:
    """Run every linter and type check, all of them even if one fails. Arguments choose some by name."""
    checks = [entry for entry in _checks() if not arguments or entry.name in arguments]
    failed = [entry.name for entry in checks if not _passes(entry)]
    print(f"check: {', '.join(failed)} failed" if failed else "check: all is well", flush=True)
    return 1 if failed else 0


def test(arguments: Sequence[str]) -> int:
    """Run the checks, then every test. With arguments, pytest runs alone and gets them."""
    checked = 0 if arguments else check()
    webapp.build_if_stale()
    if arguments:
        return _pytest(*arguments)
    # Small tests run two abreast; those that have the whole machine under them run one by one, after these.
    results = [checked, _pytest("-n", "2", "--dist", "loadfile", *SMALL), _pytest(*LARGE)]
    return next((result for result in results if result), 0)


def faults(arguments: Sequence[str]) -> int:
    """Run the fault suite; it parses its own arguments."""
    return subprocess.run(
        [str(PROGRAMS / "python"), "-m", "tests.faults", *arguments], cwd=REPOSITORY, check=False
    ).returncode


def _pytest(*arguments: str) -> int:
    command = [str(PROGRAMS / "python"), "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode


def _checks() -> list[Check]:
    python = str(PROGRAMS / "python")
    web = webapp.tools()
    return [
        Check("ruff", [str(PROGRAMS / "ruff"), "check", "."]),
        Check("format", [str(PROGRAMS / "ruff"), "format", "--check", "."]),
        Check("mypy", [python, "-m", "mypy"]),
        Check("imports", [str(PROGRAMS / "lint-imports")]),
        Check("tsc", [*web, "tsc", "--noEmit"], webapp.FOLDER),
        Check("eslint", [*web, "eslint", "."], webapp.FOLDER),
        Check("vitest", [*web, "vitest", "run"], webapp.FOLDER),
    ]


def _passes(entry: Check) -> bool:
    print(f"— {entry.name}", flush=True)
    return subprocess.run(entry.command, cwd=entry.folder, check=False, env=webapp.environment()).returncode == 0
