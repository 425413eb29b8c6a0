"""The sound of a recording: decoded once to 16 kHz mono int16 in a file, and its loudness.

The samples lie in a memory map, so that twelve hours of sound cost disk (1.4 GB) and hardly any memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from services.transcription.engines.protocol import RATE, Sound

__all__ = [
    "FLOOR",
    "Decoded",
    "NoAudio",
    "Undecodable",
    "decode",
    "decode_channels",
    "loudness",
    "opened",
    "opened_channels",
    "read",
    "write_flac",
]

Layout = Literal["mono", "stereo"]
CHANNELS: dict[Layout, int] = {"mono": 1, "stereo": 2}

FLOOR = -90.0  # dB relative to full scale: silence
SHORTEST_HOP = 0.1  # seconds
MOST_LEVELS = 36_000  # an hour at 0.1 s; longer recordings get a longer hop
TOLERATED_GAP = 0.05  # seconds: below the jitter of container time stamps nothing is padded
FRAME = 4096  # samples
BLOCK = 1 << 20  # samples read at a time
MISSING, MISSING_SHARE = 2.0, 0.02  # seconds, and share of the whole, that a container's claim may be off
NEAR_THE_END = 1 << 20  # bytes: what a container puts behind its last packet, its index aside


class NoAudio(Exception):
    """The recording has no track that holds decodable sound."""


class Undecodable(Exception):
    """The bytes are not what the container's name says."""


@dataclass(frozen=True)
class Decoded:
    """Seconds written, seconds that the file promised (None where it says nothing), and whether the file is ``torn``.

    Torn: packets were damaged, or the file's own bytes end where the sound ends.
    """

    seconds: float
    promised: float | None
    torn: bool

    @property
    def cut_short(self) -> bool:
        """Tell whether sound is missing at the end."""
        slack = max(MISSING, MISSING_SHARE * (self.promised or 0.0))
        return self.promised is not None and self.seconds < self.promised - slack


def decode(source: Path, container: str, target: Path, longest: float, tell: Callable[[float], None]) -> Decoded:
    """Decode the main sound track of ``source`` into ``target`` as raw samples.

    ``container`` forces the demuxer and only files may be opened, so playlists and references lead nowhere. Time 0 is the
    recording's own; gaps between time stamps become silence. Damaged packets are skipped; what goes on after ``longest``
    seconds is left out, whatever the time stamps say. ``tell`` gets the seconds decoded so far. Raises NoAudio
    or Undecodable.
    """
    decoded = _decode(source, container, target, "mono", longest, tell)
    if decoded is None:
        raise NoAudio
    return decoded


def decode_channels(
    source: Path, container: str, target: Path, longest: float, tell: Callable[[float], None]
) -> Decoded | None:
    """Decode like ``decode``, but left and right by turns. None, and nothing written, unless the track has two channels.

    ``opened_channels`` reads the result: as a file of its own of twice the size, and hardly any memory. Raises NoAudio or
    Undecodable.
    """
    return _decode(source, container, target, "stereo", longest, tell)


def _decode(
    source: Path, container: str, target: Path, layout: Layout, longest: float, tell: Callable[[float], None]
) -> Decoded | None:
    options = {"protocol_whitelist": "file"}
    try:
        with av.open(f"file:{source}", format=container, container_options=options) as media:
            track = media.streams.best("audio")
            if not isinstance(track, AudioStream):
                raise NoAudio
            if layout == "stereo" and track.layout.nb_channels != CHANNELS[layout]:
                return None
            promised, packets = _promised(media, track), _Packets(media, track)
            with target.open("wb") as out:
                seconds = _write_all(media, packets, out, layout, longest, tell)
    except (av.error.FFmpegError, ValueError) as error:  # ValueError: there is no such demuxer
        raise Undecodable(str(error)) from error
    if not seconds:
        raise NoAudio
    torn = packets.damaged or packets.position >= source.stat().st_size - NEAR_THE_END
    return Decoded(seconds, None if promised is None else min(promised, longest), torn)


def _promised(media: InputContainer, track: AudioStream) -> float | None:
    """When the sound ends by the file's own word: the track's, or that of a file that holds nothing else."""
    begin = (media.start_time or 0) / av.time_base
    if track.duration is not None and track.time_base is not None:
        return float(((track.start_time or 0) + track.duration) * track.time_base) - begin
    alone = all(stream.type == "audio" for stream in media.streams)
    return media.duration / av.time_base if alone and media.duration else None


def _write_all(
    media: InputContainer,
    packets: _Packets,
    out: BinaryIO,
    layout: Layout,
    longest: float,
    tell: Callable[[float], None],
) -> float:
    begin = (media.start_time or 0) / av.time_base
    width = 2 * CHANNELS[layout]  # bytes
    fed = 0.0  # seconds of input, silence included
    resampler, shape = AudioResampler("s16", layout, RATE), None
    for frame in packets.frames():
        if shape not in (None, (frame.format.name, frame.layout.name, frame.sample_rate)):
            _write(out, resampler.resample(None))  # the track changed in midstream
            resampler = AudioResampler("s16", layout, RATE)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        stamp = fed if frame.time is None else min(frame.time - begin, longest)
        if stamp - fed > TOLERATED_GAP:
            out.write(bytes(width * round((stamp - fed) * RATE)))
            fed = stamp
        frame.pts = None  # gaps are dealt with; the resampler must only count samples
        _write(out, resampler.resample(frame))
        fed += frame.samples / frame.sample_rate
        tell(fed)
        if fed >= longest:
            break
    if shape is not None:
        _write(out, resampler.resample(None))
    return out.tell() / width / RATE


class _Packets:
    """The packets of one track: how far into the file they reached, and whether any was damaged."""

    def __init__(self, media: InputContainer, track: AudioStream) -> None:
        self._packets = media.demux(track)
        self.position = 0
        self.damaged = False

    def frames(self) -> Iterator[AudioFrame]:
        while True:
            try:
                packet = next(self._packets)
            except StopIteration:
                return
            except av.error.InvalidDataError:  # torn here
                self.damaged = True
                return
            if packet.pos is not None:
                self.position = max(self.position, packet.pos + packet.size)
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                self.damaged = True  # the time stamps of the next keep the clock right


def _write(out: BinaryIO, frames: list[AudioFrame]) -> None:
    out.writelines(frame.to_ndarray().tobytes() for frame in frames)


def opened(path: Path) -> Sound:
    """The samples that ``decode`` wrote, mapped and not read."""
    return np.memmap(path, dtype=np.int16, mode="r")


def opened_channels(path: Path) -> tuple[Sound, Sound]:
    """Left and right of what ``decode_channels`` wrote, mapped and not read."""
    both = np.memmap(path, dtype=np.int16, mode="r").reshape(-1, CHANNELS["stereo"])
    return both[:, 0], both[:, 1]


def read(path: Path) -> Sound:
    """All samples of what ``write_flac`` wrote."""
    with av.open(f"file:{path}", format="flac", container_options={"protocol_whitelist": "file"}) as media:
        return np.concatenate([np.empty(0, np.int16), *(frame.to_ndarray()[0] for frame in media.decode(audio=0))])


def write_flac(path: Path, sound: Sound) -> None:
    """Write samples as FLAC: the same samples in about half the bytes."""
    with av.open(str(path), "w", format="flac") as media:
        track = media.add_stream("flac", rate=RATE, layout="mono")
        for at in range(0, len(sound), FRAME):
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, at : at + FRAME]), "s16", "mono")
            frame.sample_rate, frame.pts = RATE, at
            media.mux(track.encode(frame))
        media.mux(track.encode(None))


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
