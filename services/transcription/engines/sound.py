"""The sound of a recording: decoded once to 16 kHz mono int16 in a file, and its loudness.

The samples lie in a memory map, so that twelve hours of sound cost disk (1.4 GB) and hardly any memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from services.transcription.engines.protocol import RATE, Sound

__all__ = ["FLOOR", "NoAudio", "Undecodable", "decode", "loudness", "opened"]

FLOOR = -90.0  # dB relative to full scale: silence
SHORTEST_HOP = 0.1  # seconds
MOST_LEVELS = 36_000  # an hour at 0.1 s; longer recordings get a longer hop
TOLERATED_GAP = 0.05  # seconds: below the jitter of container time stamps nothing is padded
BLOCK = 1 << 20  # samples read at a time


class NoAudio(Exception):
    """The recording has no track that holds decodable sound."""


class Undecodable(Exception):
    """The bytes are not what the container's name says."""


def decode(source: Path, container: str, target: Path, longest: float, tell: Callable[[float], None]) -> float:
    """Decode the main sound track of ``source`` into ``target`` as raw samples; returns the seconds written.

    ``container`` forces the demuxer and only files may be opened, so playlists and references lead nowhere. Time 0 is the
    recording's own; gaps between time stamps become silence. Damaged packets are skipped; what goes on after ``longest``
    seconds is left out, whatever the time stamps say. ``tell`` gets the seconds decoded so far. Raises NoAudio
    or Undecodable.
    """
    options = {"protocol_whitelist": "file"}
    try:
        with av.open(f"file:{source}", format=container, container_options=options) as media, target.open("wb") as out:
            track = media.streams.best("audio")
            seconds = _write_all(media, track, out, longest, tell) if isinstance(track, AudioStream) else 0.0
    except (av.error.FFmpegError, ValueError) as error:  # ValueError: there is no such demuxer
        raise Undecodable(str(error)) from error
    if not seconds:
        raise NoAudio
    return seconds


def _write_all(
    media: InputContainer, track: AudioStream, out: BinaryIO, longest: float, tell: Callable[[float], None]
) -> float:
    begin = (media.start_time or 0) / av.time_base
    fed = 0.0  # seconds of input, silence included
    resampler, shape = AudioResampler("s16", "mono", RATE), None
    for frame in _frames(media, track):
        if shape not in (None, (frame.format.name, frame.layout.name, frame.sample_rate)):
            _write(out, resampler.resample(None))  # the track changed in midstream
            resampler = AudioResampler("s16", "mono", RATE)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        stamp = fed if frame.time is None else min(frame.time - begin, longest)
        if stamp - fed > TOLERATED_GAP:
            out.write(bytes(2 * round((stamp - fed) * RATE)))
            fed = stamp
        frame.pts = None  # gaps are dealt with; the resampler must only count samples
        _write(out, resampler.resample(frame))
        fed += frame.samples / frame.sample_rate
        tell(fed)
        if fed >= longest:
            break
    if shape is not None:
        _write(out, resampler.resample(None))
    return out.tell() / 2 / RATE


def _frames(media: InputContainer, track: AudioStream) -> Iterator[AudioFrame]:
    packets = media.demux(track)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.InvalidDataError):  # the end, or a torn one
            return
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue  # a damaged packet: the time stamps of the next keep the clock right


def _write(out: BinaryIO, frames: list[AudioFrame]) -> None:
    out.writelines(frame.to_ndarray().tobytes() for frame in frames)


def opened(path: Path) -> Sound:
    """The samples that ``decode`` wrote, mapped and not read."""
    return np.memmap(path, dtype=np.int16, mode="r")


def loudness(sound: Sound) -> tuple[float, list[float]]:
    """Short-term level: (hop in seconds, RMS in dB relative to full scale per hop), one decimal, floor -90 dB."""
    hop = max(SHORTEST_HOP, float(np.ceil(len(sound) / RATE / MOST_LEVELS * 10) / 10))
    step = round(hop * RATE)
    block = max(1, BLOCK // step) * step
    levels = [_levels(sound[at : at + block], step) for at in range(0, len(sound), block)]
    return hop, [round(float(level), 1) for level in np.concatenate(levels or [np.empty(0, np.float32)])]


def _levels(block: Sound, step: int) -> NDArray[np.float32]:
    whole = np.zeros(-(-len(block) // step) * step, dtype=np.float32)
    whole[: len(block)] = block / np.float32(32768)
    power = (whole.reshape(-1, step) ** 2).mean(axis=1)
    return np.asarray(np.maximum(10 * np.log10(np.maximum(power, 1e-12)), FLOOR), dtype=np.float32)
