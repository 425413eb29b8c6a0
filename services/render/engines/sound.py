"""The sound of a clip: cut, brought to its loudness, encoded once, and measured as it will be heard.

ITU-R BS.1770-4 / EBU R 128. The cut is measured (ffmpeg's ``loudnorm`` in measuring mode), raised or lowered by one
constant gain, so that dynamics stay as they were spoken, held under a true-peak ceiling by a limiter at 192 kHz, and
encoded to AAC. The AAC itself is then measured; what the limiter took or the codec added is corrected and the sound
encoded again, which costs a second a minute. The picture's one encode takes this sound as it is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from services.render.engines import SAMPLE_RATE
from services.render.engines import ffmpeg as engine

TOLERANCE = 0.3  # LU; half a LU is promised
ROUNDS = 4
MOST_GAIN = 35.0  # dB; near-silence stays quiet rather than become noise
SILENCE = -70.0  # LUFS, the absolute gate of BS.1770
FADE = 0.008  # seconds at each cut, so that nothing clicks
SLACK = 0.1  # seconds that samples may be off
HEADROOM = 0.8  # dB that the limiter leaves under the ceiling for the codec, to begin with
SPEED = 2.0  # the least times real time that audio passes must reach on a very slow machine


@dataclass(frozen=True)
class Level:
    """Integrated loudness in LUFS and true peak in dBTP; both -inf for silence."""

    loudness: float
    peak: float

    @property
    def audible(self) -> bool:
        """Whether there is anything to hear."""
        return self.loudness > SILENCE


@dataclass(frozen=True)
class Cut:
    """Where the sound comes from."""

    path: Path
    container: str
    start: float
    length: float


@dataclass(frozen=True)
class Mastered:
    """AAC in an MP4 file of its own, and its level after decoding."""

    path: Path
    level: Level
    rounds: int


def master(
    cut: Cut, scratch: Path, *, loudness: float, ceiling: float, rate: int, cancelled: engine.Cancelled | None = None
) -> Mastered:
    """Make AAC in ``scratch`` at ``loudness`` LUFS, under ``ceiling`` dBTP, at ``rate`` bit/s; 48 kHz stereo."""
    level = measure(_steady(_input(cut), cut.length), cut.length, scratch, cancelled)
    gain, limit = _gain(loudness, level), ceiling - HEADROOM
    best: Mastered | None = None
    for attempt in range(1, ROUNDS + 1):
        path = scratch / f"sound-{attempt}.m4a"
        _encode(cut, path, gain, limit, rate, cancelled)
        heard = measure(_reread(path), cut.length, scratch, cancelled)
        found = Mastered(path, heard, attempt)
        best = found if best is None or _miss(found, loudness, ceiling) < _miss(best, loudness, ceiling) else best
        if not heard.audible or _miss(found, loudness, ceiling) <= TOLERANCE:
            break
        gain = min(MOST_GAIN, gain + loudness - heard.loudness)
        limit -= max(0.0, heard.peak - ceiling + 0.1)
    assert best is not None
    return best


def samples(cut: Cut, scratch: Path, cancelled: engine.Cancelled | None = None) -> Path:
    """The cut as raw 16-bit mono at the rate that bars are drawn from."""
    path = scratch / "samples.raw"
    mono = _steady(_input(cut), cut.length).filter("aformat", channel_layouts="mono", sample_rates=SAMPLE_RATE)
    output = ffmpeg.output(mono, f"file:{path}", format="s16le", map_metadata=-1)
    engine.run(output, cwd=scratch, deadline=_patience(cut.length), cancelled=cancelled)
    made = path.stat().st_size / 2 / SAMPLE_RATE
    if abs(made - cut.length) > SLACK:
        raise OSError(f"{made:.2f} s of samples came out of {cut.length:.2f} s")
    return path


def measure(stream: Any, length: float, scratch: Path, cancelled: engine.Cancelled | None = None) -> Level:
    """Integrated loudness and true peak of a stream of about ``length`` seconds."""
    output = ffmpeg.output(stream.filter("loudnorm", print_format="json"), "-", format="null")
    done = engine.run(output, cwd=scratch, deadline=_patience(length), cancelled=cancelled, loglevel="info")
    report = json.loads(done.stderr[done.stderr.rindex("{") : done.stderr.rindex("}") + 1])
    return Level(float(report["input_i"]), float(report["input_tp"]))


def _input(cut: Cut) -> Any:
    return engine.source(cut.path, cut.container, cut.start, cut.length)["a:0"]


def _reread(path: Path) -> Any:
    return ffmpeg.input(f"file:{path}", format="mov", protocol_whitelist="file")["a:0"]


def _steady(stream: Any, length: float) -> Any:
    """48 kHz stereo without gaps, exactly ``length`` seconds."""
    whole = stream.filter("aresample", 48000, **{"async": 1, "first_pts": 0})
    stereo = whole.filter("aformat", channel_layouts="stereo", sample_fmts="fltp")
    return stereo.filter("apad", whole_dur=length).filter("atrim", duration=length)


def _encode(cut: Cut, path: Path, gain: float, limit: float, rate: int, cancelled: engine.Cancelled | None) -> None:
    loud = _steady(_input(cut), cut.length).filter("volume", f"{gain:.3f}dB")
    limited = loud.filter("aresample", 192000).filter(
        "alimiter", limit=f"{10 ** (limit / 20):.6f}", attack=5, release=60, level=0, latency=1
    )
    faded = (
        limited.filter("aresample", 48000)
        .filter("afade", type="in", duration=FADE)
        .filter("afade", type="out", start_time=f"{max(0.0, cut.length - FADE):.6f}", duration=FADE)
    )
    output = ffmpeg.output(
        faded,
        f"file:{path}",
        format="ipod",
        acodec="aac",
        audio_bitrate=rate,
        ar=48000,
        map_metadata=-1,
        map_chapters=-1,
    )
    engine.run(output, cwd=path.parent, deadline=_patience(cut.length), cancelled=cancelled)


def _gain(loudness: float, level: Level) -> float:
    return min(MOST_GAIN, loudness - level.loudness) if level.audible else 0.0


def _miss(found: Mastered, loudness: float, ceiling: float) -> float:
    """How far a result is from what was wanted; a peak over the ceiling weighs more than any loudness."""
    over = max(0.0, found.level.peak - ceiling)
    off = abs(found.level.loudness - loudness) if math.isfinite(found.level.loudness) else 0.0
    return off + (100.0 + over if over > 0 else 0.0)


def _patience(length: float) -> float:
    return 60 + length / SPEED
