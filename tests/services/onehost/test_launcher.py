"""The launcher script, with a uv that only writes down what it is asked to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]

UV = """#!/bin/sh
case $1 in --version) echo "uv 1"; exit 0 ;; esac
echo "$*" >>"{tree}/asked"
mkdir -p "{tree}/.venv/bin"
printf '#!/bin/sh\\necho "$CLIPSTEAD_HOME|$PWD|$*"\\n' >"{tree}/.venv/bin/python"
chmod +x "{tree}/.venv/bin/python"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with nothing but the launcher, and a PATH with a uv that works and little else."""
    folder = tmp_path / "tree with a space"
    programs = folder / "bin"
    programs.mkdir(parents=True)
    shutil.copy(REPOSITORY / "clipstead", folder)
    for name in ("uv.lock", "pyproject.toml"):
        (folder / name).write_text(name)
    (programs / "uv").write_text(UV.format(tree=folder))
    (programs / "uv").chmod(0o755)
    return folder


def run(
    tree: Path, *arguments: str, cwd: Path | None = None, path: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path or f"{tree}/bin:/usr/bin:/bin", "HOME": str(tree), **more}
    return subprocess.run(
        [shutil.which("dash") or "/bin/sh", str(tree / "clipstead"), *arguments],
        cwd=cwd or tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def asked(tree: Path) -> list[str]:
    return (tree / "asked").read_text().splitlines() if (tree / "asked").exists() else []


def test_without_a_command_it_helps_and_installs_nothing(tree: Path) -> None:
    told = run(tree)
    assert told.returncode == 0
    assert "./clipstead demo" in told.stdout
    assert asked(tree) == []


def test_it_installs_once_and_again_when_the_lock_changes(tree: Path) -> None:
    assert "Setting up" in run(tree, "status").stderr
    assert run(tree, "status").stderr == ""
    assert len(asked(tree)) == 1
    (tree / "uv.lock").write_text("another")
    assert "Updating" in run(tree, "status").stderr
    assert len(asked(tree)) == 2
    assert all("--frozen" in line and "--group dev" not in line for line in asked(tree))


def test_development_tools_come_with_the_tests_and_stay(tree: Path) -> None:
    run(tree, "up")
    run(tree, "test")
    run(tree, "up")
    (tree / "uv.lock").write_text("another")
    run(tree, "up")
    assert ["--group dev" in line for line in asked(tree)] == [False, True, True]


def test_a_failed_installation_is_said_and_tried_again(tree: Path) -> None:
    works = (tree / "bin" / "uv").read_text()
    (tree / "bin" / "uv").write_text("#!/bin/sh\n[ $1 = --version ] && exit 0\nexit 2\n")
    failed = run(tree, "up")
    assert failed.returncode == 1
    assert "could not be installed" in failed.stderr
    (tree / "bin" / "uv").write_text(works)
    assert run(tree, "up").returncode == 0


def test_paths_mean_where_the_user_stands(tree: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    told = run(tree, "clip", "my talk.mp4", cwd=here, CLIPSTEAD_HOME="state")
    assert told.stdout == f"{here}/state|{tree}|-m infra.onehost clip my talk.mp4\n"
    told = run(tree, "status", cwd=here)
    assert told.stdout == f"{tree}/var|{tree}|-m infra.onehost status\n"


def test_no_python_is_said_with_what_to_install(tree: Path) -> None:
    few = tree / "few"
    few.mkdir()
    for name in ("dirname", "cat", "cksum", "rm", "mkdir"):
        (few / name).symlink_to(shutil.which(name) or "")
    told = run(tree, "up", path=str(few))
    assert told.returncode == 1
    assert "Python 3.11 or newer" in told.stderr
    (few / "python3").write_text("#!/bin/sh\n# new enough, but with neither venv nor pip\n[ $1 = -c ]\n")
    (few / "python3").chmod(0o755)
    told = run(tree, "up", path=str(few))
    assert told.returncode == 1
    assert "sudo apt install python3-venv" in told.stderr
    assert list((tree / ".clipstead").iterdir()) == []
