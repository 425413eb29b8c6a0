"""Which engine is chosen, and how the model hub is asked."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.transcription.engines.choice import choose, standing
from services.transcription.engines.hub import Hub, find
from services.transcription.settings import TranscriptionSettings
from tests.factories.loopback import LoopbackServer

REVISION = "0123456789abcdef0123456789abcdef01234567"


class ModelHub(LoopbackServer):
    """Speaks as much of the hub's HTTP interface as fetching a model needs."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append(self.path)
                if "/tree/" in self.path:
                    tree = [
                        {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                        for name, data in hub.files.items()
                    ]
                    self._answer(json.dumps(tree).encode(), "application/json")
                elif self.path.startswith("/api/models/Systran/faster-whisper-tiny"):
                    siblings = [{"rfilename": name, "size": len(data)} for name, data in hub.files.items()]
                    facts = {"id": "Systran/faster-whisper-tiny", "sha": REVISION, "siblings": siblings}
                    self._answer(json.dumps(facts).encode(), "application/json")
                elif (name := self.path.rsplit("/", 1)[-1]) in hub.files:
                    self._answer(hub.files[name], "application/octet-stream")
                else:
                    self.send_error(404)

            do_HEAD = do_GET  # noqa: N815  http.server's own name

            def _answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
                self.send_header("X-Repo-Commit", REVISION)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        super().__init__(Handler)


@pytest.fixture
def model_hub(whisper_folder: Path) -> Iterator[ModelHub]:
    hub = ModelHub(whisper_folder)
    yield hub
    hub.close()


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def configured(tmp_path: Path, **values: Any) -> TranscriptionSettings:
    return TranscriptionSettings(home=tmp_path / "home", **values)


def chosen(settings: TranscriptionSettings) -> Any:
    return choose(settings, lambda *_: None, lambda: False)


def test_a_folder_with_a_model_is_used_and_nobody_is_asked(tmp_path: Path, whisper_folder: Path) -> None:
    settings = configured(tmp_path, whisper_model=str(whisper_folder), hub_url="http://127.0.0.1:9")
    choice = chosen(settings)
    assert (choice.engine, choice.quality, choice.folder) == ("faster-whisper", "standard", whisper_folder)
    assert choice.model == whisper_folder.name
    assert not settings.models.exists()


def test_a_model_in_the_hubs_own_cache_is_found(tmp_path: Path) -> None:
    snapshot = tmp_path / "cache" / "models--Systran--faster-whisper-small" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot / "model.bin").touch()
    assert find("small", tmp_path / "models") == snapshot
    assert find("medium", tmp_path / "models") is None
    assert standing(configured(tmp_path)).engine == "faster-whisper"


def test_a_silent_hub_is_noticed_within_three_seconds_once(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as deaf:  # accepts, and never answers
        settings = configured(tmp_path, hub_url=f"http://127.0.0.1:{deaf.server_port}")
        started = time.monotonic()
        choice = chosen(settings)
        assert time.monotonic() - started < 4.5
        assert (choice.engine, choice.quality) == ("pocketsphinx", "draft")
        assert "unreachable since" in choice.reason
        assert choice.improve
        started = time.monotonic()
        assert chosen(settings).reason == choice.reason
        assert time.monotonic() - started < 0.5


def test_a_silent_hub_is_asked_again_later_and_the_silence_dated_from_its_begin(tmp_path: Path) -> None:
    hub = Hub("http://127.0.0.1:9", tmp_path, patience=3.0, retry=0.0)
    assert not hub.answers("tiny")
    since = hub.silent_since()
    assert since is not None
    assert hub.worth_asking()
    assert not hub.answers("tiny")
    assert hub.silent_since() == since
    assert not Hub("http://127.0.0.1:9", tmp_path, patience=3.0, retry=60.0).worth_asking()


def test_a_hub_that_is_switched_off_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "switched off" in chosen(configured(tmp_path, hub_url="")).reason
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "switched off" in chosen(configured(tmp_path, hub_url="http://127.0.0.1:9")).reason


def test_a_missing_model_is_fetched_once(tmp_path: Path, model_hub: ModelHub, whisper_folder: Path) -> None:
    settings = configured(tmp_path, whisper_model="tiny", hub_url=model_hub.url)
    assert standing(settings).engine == "pocketsphinx"
    choice = chosen(settings)
    assert choice.engine == "faster-whisper"
    assert choice.folder is not None
    assert (choice.folder / "model.bin").read_bytes() == (whisper_folder / "model.bin").read_bytes()
    asked = len(model_hub.requests)
    assert chosen(settings).folder == choice.folder
    assert len(model_hub.requests) == asked


def test_a_hub_that_lacks_the_model_leaves_us_with_the_draft(tmp_path: Path, model_hub: ModelHub) -> None:
    assert chosen(configured(tmp_path, whisper_model="medium", hub_url=model_hub.url)).engine == "pocketsphinx"


def test_the_draft_engine_can_be_asked_for(tmp_path: Path, whisper_folder: Path) -> None:
    settings = configured(tmp_path, speech_engine="pocketsphinx", whisper_model=str(whisper_folder))
    assert chosen(settings).engine == "pocketsphinx"


def test_the_draft_engine_hears_english_only(tmp_path: Path) -> None:
    choice = standing(configured(tmp_path, speech_engine="pocketsphinx"))
    assert choice.hears("")
    assert choice.hears("en")
    assert not choice.hears("de")
