"""Real clips, rendered by the real engine and looked at with PyAV."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from libs import process
from libs.contracts.media import Preset
from services.render.engines import artwork, audiogram, ffmpeg, sound
from services.render.engines.renderer import Rendered
from services.render.engines.typeface import heavy, wrap
from services.render.presets import TARGETS
from tests.services.render.conftest import original, picture, words
from tests.services.render.test_ass import HOSTILE

Render = Callable[..., Rendered]


@pytest.mark.parametrize(
    ("kind", "preset", "fps"),
    [
        ("wide", Preset.SHORTS, 30.0),
        ("tall", Preset.SQUARE, 25.0),
        ("fast", Preset.LANDSCAPE, 30.0),
        ("old", Preset.TIKTOK, 29.97),
        ("sound", Preset.AUDIOGRAM, 30.0),
    ],
)
def test_a_clip_is_what_its_preset_says(rendered: Render, kind: str, preset: Preset, fps: float) -> None:
    told: list[float] = []
    done = rendered(kind, preset, report=told.append)
    target = TARGETS[preset]
    with av.open(str(done.path)) as file:
        assert [stream.codec_context.name for stream in file.streams] == ["h264", "aac"]
        video, heard = file.streams.video[0], file.streams.audio[0]
        assert (video.width, video.height) == (target.width, target.height) == (done.width, done.height)
        assert video.codec_context.pix_fmt == "yuv420p"
        assert video.profile == "High"
        assert float(video.average_rate or 0) == pytest.approx(fps, abs=0.01)
        assert heard.rate == 48000
        assert heard.codec_context.layout.name == "stereo"
        assert file.duration / 1e6 == pytest.approx(6, abs=0.1)
        assert "title" not in file.metadata
        assert "comment" not in file.metadata
        times = [float(frame.time or 0) for frame in file.decode(video=0)]
    assert times[0] == pytest.approx(0, abs=0.001)
    assert np.diff(times) == pytest.approx(1 / fps, abs=0.002), "the frame rate is not constant"
    assert len(times) == round(6 * fps)
    assert done.duration == pytest.approx(6, abs=0.1)
    assert done.words == len(words(1, 7))
    assert _faststart(done.path)
    with av.open(str(done.poster)) as poster:
        assert (poster.streams.video[0].width, poster.streams.video[0].height) == (target.width, target.height)
    assert told == sorted(told)
    assert told[-1] > 4
    assert [span.engine for span in done.spans].count("ffmpeg") == 2


def test_loudness_and_peak_are_right_after_encoding(rendered: Render, tmp_path: Path) -> None:
    done = rendered("sound", Preset.AUDIOGRAM)
    heard = sound.measure(ffmpeg.source(done.path, "mov", 0, 6)["a:0"], 6, tmp_path)
    assert heard.loudness == pytest.approx(-14, abs=0.5)
    assert heard.peak <= -1.0
    assert done.level is not None
    assert heard.loudness == pytest.approx(done.level.loudness, abs=0.3)


def test_a_limiter_never_costs_the_loudness_of_peaky_sound(tmp_path: Path) -> None:
    clicks = tmp_path / "clicks.wav"
    rate, seconds = 48000, 8
    time = np.arange(rate * seconds) / rate
    quiet = 0.01 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 3 * time))
    quiet[:: rate // 2] = 0.9  # a click twice a second, 33 dB above
    with av.open(str(clicks), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((quiet * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.rate = rate
        file.mux(stream.encode(frame))
    cut = sound.Cut(clicks, "wav", 0.5, 6.0)
    mastered = sound.master(cut, tmp_path, loudness=-14, ceiling=-1, rate=160_000)
    assert mastered.level.loudness == pytest.approx(-14, abs=0.5)
    assert mastered.level.peak <= -1.0


def test_silence_stays_silence(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    with av.open(str(silence), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000 * 3), np.int16), format="s16", layout="mono")
        frame.rate = 48000
        file.mux(stream.encode(frame))
    mastered = sound.master(sound.Cut(silence, "wav", 0, 3), tmp_path, loudness=-14, ceiling=-1, rate=160_000)
    assert not mastered.level.audible
    assert mastered.rounds == 1


def test_captions_are_seen_and_keep_clear_of_the_bottom(rendered: Render, tmp_path: Path) -> None:
    shown = rendered("wide", Preset.SHORTS).path.rename(tmp_path / "with.mp4")
    for old in tmp_path.glob("*.ass"):
        old.unlink()
    bare = rendered("wide", Preset.SHORTS, said=[]).path
    for at in (1.0, 3.0, 5.0):
        changed = np.abs(picture(shown, at).astype(int) - picture(bare, at)).max(axis=2) > 60
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert changed.sum() > 5000, "no captions"
        assert rows.max() < 1920 * 0.85
        assert rows.min() > 1920 * 0.5
        assert columns.min() >= 1080 * 0.05
        assert columns.max() <= 1080 * 0.95


def test_a_hostile_title_is_drawn_as_it_is_typed(rendered: Render, tmp_path: Path) -> None:
    done = rendered("sound", Preset.AUDIOGRAM, title=HOSTILE, said=[], start=1, end=3)
    where = audiogram.frame(1080, 1080)
    frame = picture(done.path, 1.0)
    px = where.title_px * where.unit
    lines = wrap(heavy(), HOSTILE, px, where.inner, 3)
    assert "".join(lines).replace(" ", "") == HOSTILE.replace(" ", "")
    for row, line in enumerate(lines):
        middle = 1080 * where.title_top + px * (0.6 + 1.15 * row)
        ink = (frame[int(middle - px * 0.3) : int(middle + px * 0.3)] > 225).all(axis=2).any(axis=0)
        drawn = np.flatnonzero(ink)
        assert drawn.max() - drawn.min() == pytest.approx(heavy().width(line, px), rel=0.05)
    assert re.search(re.escape(lines[0]), (tmp_path / "captions.ass").read_text())


def test_the_progress_bar_of_an_audiogram_grows(rendered: Render) -> None:
    done = rendered("sound", Preset.AUDIOGRAM)
    where = audiogram.frame(1080, 1080)
    seed = str(original(done.path).media_id)  # only the shape of the call matters: the colour is read from the picture
    assert artwork.palette(seed) == artwork.palette(seed)
    row = round(1080 * where.progress)
    filled = []
    for at in (0.5, 1.5, 3.0, 4.5, 5.9):
        line = picture(done.path, at)[row].astype(int)
        track = line[int(where.left + where.inner) - 6]  # the empty groove, at its far end
        bright = np.abs(line - track).sum(axis=1) > 120
        filled.append(int(bright[int(where.left) : int(where.left + where.inner)].sum()) / where.inner)
    assert filled[:-1] == pytest.approx([0.5 / 6, 1.5 / 6, 0.5, 0.75], abs=0.03)


def test_bars_move_with_the_sound(rendered: Render) -> None:
    done = rendered("sound", Preset.AUDIOGRAM)
    where = audiogram.frame(1080, 1080)
    top, bottom = (int(1080 * (where.bars_middle + side * where.bars_height / 2)) for side in (-1, 1))
    frames = [picture(done.path, at)[top:bottom].astype(int) for at in (1.0, 1.1, 1.2)]
    moved = [(np.abs(a - b).max(axis=2) > 40).mean() for a, b in itertools.pairwise(frames)]
    assert all(share > 0.005 for share in moved)


def test_a_tall_picture_in_a_square_is_whole_before_its_own_blur(rendered: Render) -> None:
    frame = picture(rendered("tall", Preset.SQUARE, said=[]).path, 2.0)
    inside, ground = frame[:, 300:780], frame[:, :200]
    assert _sharpness(inside) > 5 * _sharpness(ground)
    assert ground.mean() > 5, "the ground is black"


def test_a_clip_whose_captions_are_not_seen_is_refused(rendered: Render) -> None:
    done = rendered("sound", Preset.SQUARE, said=[], start=1, end=3)
    request = {
        "path": str(done.path),
        "poster": str(done.poster),
        "width": 1080,
        "height": 1080,
        "duration": 2.0,
        "fps": 30.0,
        "has_audio": True,
        "witnesses": [{"time": 1.0, "box": [300, 1000, 200, 40]}],
    }
    with pytest.raises(process.ChildRefused, match="captions_missing"):
        process.run_module("services.render.engines.inspect_child", request, deadline=60)
    longer: dict[str, Any] = request | {"duration": 2.5, "witnesses": []}
    with pytest.raises(process.ChildRefused, match="wrong_length"):
        process.run_module("services.render.engines.inspect_child", longer, deadline=60)


def test_the_input_is_opened_by_the_demuxer_we_name_and_no_other(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(process.ChildFailed):
        sound.samples(sound.Cut(playlist, "mov", 0, 1), tmp_path)


def test_an_ffmpeg_that_hangs_is_noticed_though_it_goes_on_talking() -> None:
    told: list[float] = []
    listen = ffmpeg.Progress(told.append)
    said = ["frame=0", "out_time_us=N/A", "out_time_us=0", "out_time_us=500000", "total_size=48", "progress=continue"]
    assert [listen(line) for line in said] == [True, False, True, True, True, False]
    assert not any(map(listen, said))
    assert told == [0.0, 0.5]


def test_an_input_that_never_comes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "STALL", 1.0)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(process.ChildStalled):
        sound.samples(sound.Cut(tmp_path / "fifo", "wav", 0, 1), tmp_path)


def test_a_clip_whose_sound_ends_early_is_refused(rendered: Render, tmp_path: Path) -> None:
    done = rendered("sound", Preset.SQUARE, said=[], start=1, end=3)
    short = tmp_path / "short.mp4"
    inputs = ["-t", "1", "-i", f"file:{done.path}", "-i", f"file:{done.path}"]
    kept = ["-map", "1:v", "-map", "0:a", "-c", "copy", f"file:{short}"]
    process.run([ffmpeg.binary(), "-v", "error", "-nostdin", *inputs, *kept], deadline=30)
    request = {
        "path": str(short),
        "poster": str(tmp_path / "poster.jpg"),
        "width": 1080,
        "height": 1080,
        "duration": 2.0,
        "fps": 30.0,
        "has_audio": True,
        "witnesses": [],
    }
    with pytest.raises(process.ChildRefused, match="sound came out 1"):
        process.run_module("services.render.engines.inspect_child", request, deadline=60)


def _sharpness(part: np.ndarray[Any, Any]) -> float:
    return float(np.abs(np.diff(part.astype(float), axis=1)).mean())


def _faststart(path: Path) -> bool:
    data = path.read_bytes()
    return data.index(b"moov") < data.index(b"mdat")
