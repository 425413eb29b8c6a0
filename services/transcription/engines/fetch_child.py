"""Fetches a speech model from the hub. The only child here that gets a network, and it never sees a recording."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from libs.process import child

__all__ = ["fetch"]

WANTED = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
BEAT = 1.0  # seconds between messages


def fetch(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Bring ``request["repository"]`` to the folder ``request["target"]``: resumed, checked, then renamed."""
    from huggingface_hub import HfApi, snapshot_download

    target = Path(request["target"])
    aside = target.with_name(target.name + ".part")
    info = HfApi(endpoint=request["endpoint"]).model_info(request["repository"], files_metadata=True)
    total = sum(
        entry.size or 0 for entry in info.siblings or () if any(Path(entry.rfilename).match(name) for name in WANTED)
    )
    over = threading.Event()

    def report() -> None:  # the same figure twice is no progress: a download that hangs is ended
        while not over.wait(BEAT):
            done = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
            tell({"done": min(done, total), "total": total})

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    snapshot_download(
        request["repository"],
        revision=info.sha,
        local_dir=aside,
        allow_patterns=WANTED,
        endpoint=request["endpoint"],
    )
    over.set()
    reporter.join()
    aside.rename(target)
    return {"revision": info.sha}


if __name__ == "__main__":
    child.main(fetch)
