"""`clip` from a terminal, against a platform over real HTTP that behaves, and one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli import api as api_module
from gateway.cli.main import main
from tests.services.cli.platform import VIDEO, Handler, Platform, view

Clip = Callable[..., int]


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as server:
        yield server
        server.shutdown()


@pytest.fixture
def clip(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clip:
    """Run ``clip`` in an empty folder that holds ``talk.wav``, of two and a half chunks."""
    monkeypatch.setattr("gateway.cli.upload.CHUNK", 1000)
    monkeypatch.setattr(api_module, "PATIENCE", 5.0)
    monkeypatch.setenv("CLIPSTEAD_URL", platform.url)
    monkeypatch.setenv("CLIPSTEAD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLIPSTEAD_CWD", str(tmp_path))
    monkeypatch.delenv("CLIPSTEAD_API_KEY", raising=False)
    (tmp_path / "talk.wav").write_bytes(bytes(range(250)) * 10)
    return lambda *arguments: main(["clip", *arguments])


def once(condition: Callable[[Handler], bool], trouble: Callable[[Handler], None]) -> Callable[[Handler], bool]:
    """Misbehave at the first request that fits."""
    left = [trouble]

    def act(request: Handler) -> bool:
        if left and condition(request):
            left.pop()(request)
            return True
        return False

    return act


def cut(request: Handler) -> None:
    request.close_connection = True
    request.connection.close()


def test_a_file_becomes_clips(
    clip: Clip, platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clip("talk.wav", "--count", "2", "--preset", "square", "--prompt", "jokes", "--extras", "--share") == 0
    assert bytes(platform.data) == (tmp_path / "talk.wav").read_bytes()
    assert platform.metadata["title"] == "talk"
    assert json.loads(platform.metadata["wishes"]) == {"count": 2, "preset": "square", "prompt": "jokes"}
    names = {file.name for file in (tmp_path / "clips").iterdir()}
    assert names == {"First.mp4", "First.jpg", "Second-ab.mp4", "Second-ab.jpg", "A-talk.vtt"}
    assert (tmp_path / "clips" / "First.mp4").read_bytes() == VIDEO
    told = capsys.readouterr()
    assert "Good [bold]." in told.out
    assert str(tmp_path / "clips" / "First.mp4") in told.out
    assert f"{platform.url}/s/c1" in told.out
    assert told.out.index("First") < told.out.index("Second")  # in order of time
    assert "Receiving" in told.err
    assert "Receiving" not in told.out


def test_a_url_is_imported(clip: Clip, platform: Platform, tmp_path: Path) -> None:
    assert clip("https://example.org/talk", "--title", "Mine", "--out", "there") == 0
    assert platform.metadata == {"url": "https://example.org/talk", "title": "Mine", "wishes": {}}
    assert (tmp_path / "there" / "First.mp4").exists()


def test_json_is_one_document(clip: Clip, capsys: pytest.CaptureFixture[str]) -> None:
    assert clip("talk.wav", "--json", "--share") == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"recording", "transcript", "clips", "stages"}
    assert document["transcript"] == {"engine": "pocketsphinx", "words": 120, "speakers": 2}
    assert set(document["clips"][0]) == {"title", "start", "end", "score", "reason", "share_url", "files"}
    assert set(document["clips"][0]["files"][0]) == {"path", "width", "height", "duration"}
    assert document["stages"] == dict.fromkeys(("receive", "check", "transcribe", "find", "render"), 1.0)


def test_the_account_is_made_once_and_kept_to_oneself(clip: Clip, platform: Platform, tmp_path: Path) -> None:
    assert clip("talk.wav") == 0
    platform.data.clear()
    assert clip("talk.wav") == 0
    assert platform.asked["POST /api/v1/auth/sign-up"] == 1
    kept = tmp_path / "home" / "cli" / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(kept.read_text())["password"]) >= 20


def test_a_platform_whose_data_are_gone_gets_a_new_account(clip: Clip, platform: Platform) -> None:
    assert clip("talk.wav") == 0
    platform.data.clear()
    platform.key = "csk_other"
    assert clip("talk.wav") == 0
    assert platform.asked["POST /api/v1/auth/sign-up"] == 2


def test_a_lost_connection_costs_one_chunk(clip: Clip, platform: Platform, tmp_path: Path) -> None:
    def half(request: Handler) -> None:
        platform.data.extend(request.rfile.read(300))  # what came before the connection broke
        cut(request)

    platform.trouble = once(lambda request: request.headers.get("Upload-Offset") == "1000", half)
    assert clip("talk.wav") == 0
    assert bytes(platform.data) == (tmp_path / "talk.wav").read_bytes()
    assert platform.asked["HEAD /api/v1/uploads/r1"] == 1


def test_restarts_of_the_platform_are_outlasted(clip: Clip, platform: Platform) -> None:
    away = {"POST /api/v1/uploads": 2, "GET /api/v1/library": 1, "POST /api/v1/shares": 1, "GET /p/c1": 1}

    def trouble(request: Handler) -> bool:
        name = f"{request.command} {request.path.split('?')[0]}"
        if away.get(name, 0) > 0:
            away[name] -= 1
            request.problem(503, "unavailable", "Back soon.")
            return True
        return False

    platform.trouble = trouble
    assert clip("talk.wav", "--share") == 0
    assert set(away.values()) == {0}


@pytest.mark.parametrize("path", ["uploads", "imports", "shares", "auth/api-keys"])
def test_what_makes_something_is_asked_for_again_under_the_same_key(clip: Clip, platform: Platform, path: str) -> None:
    name = f"POST /api/v1/{path}"
    turns: list[Callable[[Handler], None]] = [
        cut,  # amid the work, as far as one can tell
        lambda request: request.problem(503, "unavailable", "Back soon."),
        lambda request: request.problem(409, "idempotency_in_progress", "Still at it."),
    ]

    def trouble(request: Handler) -> bool:
        if f"{request.command} {request.path}" == name and turns:
            turns.pop(0)(request)
            return True
        return False

    platform.trouble = trouble
    assert clip("https://example.org/talk" if path == "imports" else "talk.wav", "--share") == 0
    sent = platform.keys[name]
    assert len(sent) == 4 + (path == "shares")  # there are two clips to share
    assert len(set(sent[:4])) == 1
    assert len({key for keys in platform.keys.values() for key in keys}) >= 3  # and each thing has a key of its own


def test_the_feed_is_taken_up_again(clip: Clip, platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    done = platform.recording
    begun = view("r1", status="transcribing")
    begun["stages"][2] |= {"state": "running", "done": 3.0, "detail": "draft"}
    begun["stages"][3] |= {"state": "waiting"}
    turns: list[Callable[[Handler], None]] = [
        lambda request: request.problem(404, "not_found", "The library has not heard of it yet."),
        lambda request: request.feed([begun]),  # and breaks off
        lambda request: request.feed([done]),
    ]

    def trouble(request: Handler) -> bool:
        if request.path.endswith("/events") and turns:
            turns.pop(0)(request)
            return True
        return False

    platform.trouble = trouble
    assert clip("talk.wav") == 0
    told = capsys.readouterr().err
    assert "Transcribing: 3 of 10 s draft" in told
    assert "Transcribing: done" in told


@pytest.mark.parametrize("status", ["failed", "rejected"])
def test_a_recording_that_fails_is_said_with_its_reason(
    clip: Clip, platform: Platform, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    problem = {"stage": "transcribe", "code": "no_speech", "detail": "Nobody speaks in this recording."}
    platform.recording = view("r1", status=status, problem=problem)
    assert clip("talk.wav") == 1
    assert "Nobody speaks in this recording." in capsys.readouterr().err


def test_one_failed_clip_fails_the_command_but_saves_the_others(
    clip: Clip, platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.clips[0] |= {
        "status": "failed",
        "problem": {"stage": "render", "code": "x", "detail": "The encoder gave up."},
    }
    assert clip("talk.wav") == 1
    assert [file.name for file in (tmp_path / "clips").iterdir()] == ["First.mp4"]
    assert "The encoder gave up." in capsys.readouterr().err


def test_a_recording_refused_at_the_door(clip: Clip, platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(request: Handler) -> bool:
        if request.command == "PATCH":
            request.problem(415, "unsupported_media", "This is text, not a recording.")
            return True
        return False

    platform.trouble = refuse
    assert clip("talk.wav") == 1
    assert "This is text, not a recording." in capsys.readouterr().err


def test_exit_statuses(clip: Clip, platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert clip("missing.wav") == 2
    with pytest.raises(SystemExit) as bad:
        clip("talk.wav", "--preset", "vhs")
    assert bad.value.code == 2
    monkeypatch.setenv("CLIPSTEAD_API_KEY", "csk_wrong")
    assert clip("talk.wav") == 4
    monkeypatch.delenv("CLIPSTEAD_API_KEY")
    monkeypatch.setenv("CLIPSTEAD_URL", "http://203.0.113.1:9")
    monkeypatch.setattr("gateway.cli.credentials._kept", lambda *_: None)
    assert clip("talk.wav") == 2  # no account is made on another's machine
    platform.shutdown()
    platform.server_close()
    monkeypatch.setattr(api_module, "FIRST_PATIENCE", 0.5)
    monkeypatch.setenv("CLIPSTEAD_URL", platform.url)
    assert clip("talk.wav") == 3
