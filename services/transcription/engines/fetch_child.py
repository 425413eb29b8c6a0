"""Fetches a speech model from the hub. The only child here that gets a network, and it never sees a recording."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from libs.process import child

__all__ = ["fetch"]

WANTED = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
BEAT = 1.0  # seconds between messages


def fetch(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Bring ``request["repository"]`` to the folder ``request["target"]``: resumed, checked, then renamed.

    Waits where another process fetches the same. Tells ``{"done", "total"}`` in bytes. Refuses with ``model_corrupt`` what
    has another SHA-256 than the hub says, and removes it.
    """
    from filelock import FileLock
    from huggingface_hub import HfApi, snapshot_download

    target = Path(request["target"])
    aside = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    info = HfApi(endpoint=request["endpoint"]).model_info(request["repository"], files_metadata=True)
    wanted = [each for each in info.siblings or () if any(Path(each.rfilename).match(name) for name in WANTED)]
    with _reporting(aside, sum(each.size or 0 for each in wanted), tell), FileLock(f"{target}.lock"):
        if target.exists():  # somebody else was faster
            return {"fetched": False}
        snapshot_download(
            request["repository"],
            revision=info.sha,
            local_dir=aside,
            allow_patterns=WANTED,
            endpoint=request["endpoint"],
        )
        _check(aside, {each.rfilename: each.lfs.sha256 for each in wanted if each.lfs}, request["repository"])
        aside.rename(target)
    return {"fetched": True}


@contextmanager
def _reporting(folder: Path, total: int, tell: child.Tell) -> Iterator[None]:
    """Tell how much of a folder is there, over and over. The same twice is no progress: what hangs is ended."""
    over = threading.Event()

    def report() -> None:
        while not over.wait(BEAT):
            done = sum(_size(path) for path in folder.rglob("*"))
            tell({"done": min(done, total), "total": total})

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        over.set()
        reporter.join()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # moved to its place just now
        return 0


def _check(folder: Path, sums: dict[str, str], repository: str) -> None:
    for name, expected in sums.items():
        with (folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            (folder / name).unlink()
            raise child.Refuse(
                "model_corrupt",
                f"{name} of the speech model {repository} is not what the hub says it is (its checksum differs), so it was "
                "thrown away.",
            )


if __name__ == "__main__":
    child.main(fetch)
