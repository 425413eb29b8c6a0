"""Speech models: found in the usual caches, or fetched once from the model hub.

Whether the hub answers is asked in a child, because name resolution can't be timed out from within. A hub that doesn't
answer, or sends what it did not mean to, is remembered in a file, so that not every recording waits for it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from libs import process
from libs.telemetry import log

__all__ = ["Hub", "find", "is_name", "repository"]

MODEL_FILE = "model.bin"  # of a CTranslate2 folder
MEMO = "hub.json"
NAME = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?")
ELSEWHERE = {  # the models that Systran doesn't publish under their plain names
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "large": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
KNOCK = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1]).read(1)"
FETCH = "services.transcription.engines.fetch_child"
FETCH_DEADLINE = 4 * 3600.0  # seconds: large-v3 over a slow line
FETCH_MEMORY = 4 * 1024**3  # bytes of address space
LARGEST = 8 * 1024**3  # bytes of one file of a model; large-v3 has 3 GB


def repository(model: str) -> str:
    """The hub's name for a model."""
    return model if "/" in model else ELSEWHERE.get(model, f"Systran/faster-whisper-{model}")


def is_name(model: str) -> bool:
    """Tell whether it may be a model's name on the hub, and not only a folder's."""
    return NAME.fullmatch(model) is not None


def find(model: str, models: Path, *, folders: bool = True) -> Path | None:
    """The CTranslate2 folder of a model on this machine: the one named, ours, or the hub's own cache.

    Without ``folders`` only names of models are looked up, and no path leads anywhere else.
    """
    places = [Path(model).expanduser()] if folders and ("/" in model or model.startswith("~")) else []
    if is_name(model):
        places += [
            _kept(model, models),
            *sorted(_cache().glob(f"models--{repository(model).replace('/', '--')}/snapshots/*")),
        ]
    return next((place for place in reversed(places) if (place / MODEL_FILE).is_file()), None)


def _kept(model: str, models: Path) -> Path:
    return models / repository(model).replace("/", "--")


def _cache() -> Path:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


class _Memo(NamedTuple):
    """What was learnt about the hub."""

    silent_since: datetime | None = None
    asked_at: datetime | None = None
    problem: str = ""


class Hub:
    """The model hub as seen from this machine."""

    def __init__(self, url: str, models: Path, *, patience: float, retry: float) -> None:
        self._url = url.rstrip("/")
        self._models = models
        self._patience = patience
        self._retry = retry

    def silent_since(self) -> datetime | None:
        """Since when the hub has not answered, as last noticed; None if it did, or was never asked."""
        return self._memo().silent_since

    def problem(self) -> str:
        """What was wrong with the model that it sent last; empty: nothing."""
        return self._memo().problem

    def off(self) -> bool:
        """Tell whether models are never to be fetched."""
        return not self._url or os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}

    def worth_asking(self) -> bool:
        """Tell whether the hub may be asked now: it is not switched off, and did not fail to answer just before."""
        if self.off():
            return False
        memo = self._memo()
        well = memo.silent_since is None and not memo.problem
        return well or memo.asked_at is None or (datetime.now(UTC) - memo.asked_at).total_seconds() >= self._retry

    def answers(self, model: str) -> bool:
        """Ask the hub for a model; decided within ``patience`` seconds, and remembered."""
        address = f"{self._url}/api/models/{repository(model)}"
        try:
            process.run(
                [sys.executable, "-I", "-S", "-c", KNOCK, address],
                deadline=self._patience,
                memory=FETCH_MEMORY,
                file_size=1 << 20,
                alone=True,
                network=True,
                env={name: os.environ[name] for name in PROXIES if name in os.environ},
            )
        except process.ChildError as error:
            log.warning("the model hub does not answer", extra={"hub": self._url, "reason": str(error)})
            self._remember(_Memo(self.silent_since() or datetime.now(UTC)))
            return False
        self._remember(_Memo())
        return True

    def fetch(self, model: str, tell: Callable[[float, float], None], cancelled: Callable[[], bool]) -> Path | None:
        """Fetch a model into our folder; None where that fails. ``tell`` gets the bytes done and their total.

        An interrupted fetch goes on where it stopped. Of several that fetch the same at once, one does and the others
        wait for it. A file that is not what the hub says it is gets refused: ``problem`` then tells so.
        """
        target = _kept(model, self._models)
        request = {"repository": repository(model), "target": str(target), "endpoint": self._url}
        try:
            process.run_module(
                FETCH,
                request,
                deadline=FETCH_DEADLINE,
                memory=FETCH_MEMORY,
                file_size=LARGEST,
                network=True,
                cancelled=cancelled,
                env={name: os.environ[name] for name in PROXIES if name in os.environ},
                on_message=lambda message: tell(message["done"], message["total"]),
            )
        except process.ChildCancelled:
            raise
        except process.ChildRefused as refusal:
            log.error("a speech model was refused", extra={"model": model, "reason": refusal.detail})
            self._remember(_Memo(problem=refusal.detail))
            return None
        except process.ChildError as error:
            log.warning("a speech model could not be fetched", extra={"model": model, "reason": str(error)})
            self._remember(_Memo(self.silent_since() or datetime.now(UTC)))
            return None
        return target

    def _memo(self) -> _Memo:
        try:
            memo = json.loads((self._models / MEMO).read_text())
            since = memo["silent_since"]
            return _Memo(
                datetime.fromisoformat(since) if since else None,
                datetime.fromisoformat(memo["asked_at"]),
                str(memo.get("problem", "")),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return _Memo()  # never asked, or a torn note: ask again

    def _remember(self, noted: _Memo) -> None:
        self._models.mkdir(parents=True, exist_ok=True)
        memo = {
            "silent_since": noted.silent_since.isoformat() if noted.silent_since else None,
            "asked_at": datetime.now(UTC).isoformat(),
            "problem": noted.problem,
        }
        aside = self._models / f"{MEMO}.{os.getpid()}"
        aside.write_text(json.dumps(memo))
        aside.replace(self._models / MEMO)
