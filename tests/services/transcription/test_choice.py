"""Which engine is chosen, and how the model hub is asked."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.transcription.engines.choice import Choice, UnknownModel, choose, standing
from services.transcription.engines.hub import Hub, find
from services.transcription.settings import TranscriptionSettings
from tests.factories.loopback import LoopbackServer

REVISION = "0123456789abcdef0123456789abcdef01234567"


class ModelHub(LoopbackServer):
    """Speaks as much of the hub's HTTP interface as fetching a model needs."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.damaged: set[str] = set()  # files of which other bytes arrive than were put up
        self.requests: list[str] = []
        self.got: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append(self.path)
                if self.command == "GET":
                    hub.got.append(self.path)
                if "/tree/" in self.path:
                    tree = [
                        {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                        for name, data in hub.files.items()
                    ]
                    self._answer(json.dumps(tree).encode(), "application/json")
                elif self.path.startswith("/api/models/Systran/faster-whisper-tiny"):
                    siblings = [
                        {"rfilename": name, "size": len(data), **(_lfs(data) if name == "model.bin" else {})}
                        for name, data in hub.files.items()
                    ]
                    facts = {"id": "Systran/faster-whisper-tiny", "sha": REVISION, "siblings": siblings}
                    self._answer(json.dumps(facts).encode(), "application/json")
                elif (name := self.path.rsplit("/", 1)[-1]) in hub.files:
                    data = hub.files[name]
                    self._answer(data[::-1] if name in hub.damaged else data, "application/octet-stream")
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


def _lfs(data: bytes) -> dict[str, Any]:
    """What the hub tells of a file that it keeps in LFS."""
    return {"lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}}


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


def chosen(settings: TranscriptionSettings, **asked: Any) -> Choice:
    return choose(settings, lambda *_: None, lambda: False, **asked)


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


def test_a_model_that_arrives_damaged_is_refused_and_thrown_away_and_said(tmp_path: Path, model_hub: ModelHub) -> None:
    model_hub.damaged.add("model.bin")
    settings = configured(tmp_path, whisper_model="tiny", hub_url=model_hub.url)
    choice = chosen(settings)
    assert choice.engine == "pocketsphinx"
    assert "model.bin" in choice.reason
    assert "checksum" in choice.reason
    assert "unreachable" not in choice.reason
    assert not list(settings.models.rglob("model.bin"))
    asked = len(model_hub.requests)
    assert chosen(settings).reason == choice.reason  # not fetched again for every recording
    assert len(model_hub.requests) == asked


def test_what_was_damaged_is_fetched_anew_later_and_the_rest_is_kept(tmp_path: Path, model_hub: ModelHub) -> None:
    model_hub.damaged.add("model.bin")
    settings = configured(tmp_path, whisper_model="tiny", hub_url=model_hub.url, hub_retry=0)
    chosen(settings)
    model_hub.damaged.clear()
    model_hub.requests.clear()
    choice = chosen(settings)
    assert choice.folder is not None
    assert (choice.folder / "model.bin").read_bytes() == model_hub.files["model.bin"]


def test_workers_that_need_the_same_model_at_once_fetch_it_once(tmp_path: Path, model_hub: ModelHub) -> None:
    settings = configured(tmp_path, whisper_model="tiny", hub_url=model_hub.url)
    with ThreadPoolExecutor(3) as workers:
        choices = list(workers.map(lambda _: chosen(settings), range(3)))
    assert {choice.engine for choice in choices} == {"faster-whisper"}
    assert len([path for path in model_hub.got if path.endswith("/model.bin")]) == 1


def test_a_request_may_name_another_model_and_engine(tmp_path: Path, whisper_folder: Path, model_hub: ModelHub) -> None:
    settings = configured(tmp_path, whisper_model=str(whisper_folder), hub_url=model_hub.url)
    assert chosen(settings, engine="pocketsphinx").reason == "The request asks for it."
    choice = chosen(settings, model="tiny")
    assert (choice.engine, choice.model) == ("faster-whisper", "tiny")
    assert choice.folder is not None
    assert choice.folder.is_relative_to(settings.models)


@pytest.mark.parametrize("model", ["../../etc", "/etc/model", "~root", "a/b/c", "tiny model", ""])
def test_a_request_names_models_and_no_folders(tmp_path: Path, model: str) -> None:
    with pytest.raises(UnknownModel):
        standing(configured(tmp_path), model=model)


def test_a_folder_that_looks_like_a_models_name_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "model").mkdir(parents=True)
    (tmp_path / "owner" / "model" / "model.bin").touch()
    monkeypatch.chdir(tmp_path)
    settings = configured(tmp_path, whisper_model="owner/model", hub_url="")
    assert standing(settings).engine == "faster-whisper"
    assert standing(settings, model="owner/model").engine == "pocketsphinx"


def test_a_speech_service_is_used_where_one_is_named(tmp_path: Path, whisper_folder: Path) -> None:
    settings = configured(tmp_path, speech_url="http://speech.test:8000/v1", speech_model="large", hub_url="")
    choice = chosen(settings)
    assert (choice.engine, choice.model, choice.quality, choice.network) == ("hosted", "large", "standard", True)
    assert "speech.test" in choice.reason
    assert chosen(settings, model="small").model == "small"
    ours = configured(tmp_path, speech_url="http://speech.test:8000/v1", whisper_model=str(whisper_folder))
    assert (chosen(ours).engine, chosen(ours).network) == ("faster-whisper", False)
    assert chosen(ours, engine="hosted").engine == "hosted"


def test_a_speech_service_that_nobody_named_is_no_engine(tmp_path: Path) -> None:
    choice = chosen(configured(tmp_path, speech_engine="hosted"))
    assert choice.engine == "pocketsphinx"
    assert "speech_url" in choice.reason


def test_the_key_of_a_speech_service_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("sk-1234\n")
    monkeypatch.setenv("CLIPSTEAD_SPEECH_KEY_FILE", str(tmp_path / "key"))
    settings = configured(tmp_path)
    assert settings.speech_key.get_secret_value() == "sk-1234"
    assert "sk-1234" not in repr(settings)


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
