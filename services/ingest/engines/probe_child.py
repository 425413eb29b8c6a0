"""Child process that looks into one file: its container, its streams, and whether both its ends really play.

Run with no network, capped memory and a deadline (``services.ingest.engines.probe``). The demuxer is the one that ``sniff``
chose, and the only one allowed; the only protocol is ``file``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.container
import av.logging

from libs.process import child
from services.ingest.engines.sniff import DEMUXERS, Container, sniff

_SAMPLE = 1.0  # seconds decoded at each end
_TAIL = 10.0  # seconds before the claimed end in which something must still be there
_FRAMES = 120  # decoded of one stream at most, per end
_PACKETS = 4000  # read for that at most
_TOLD = 10_000  # packets between two words about them
_MICRO = 1_000_000
_NOTHING = "There is no sound and no picture in this file that can be played."
_SCANNED = {"aac", "mp3", "mpegts", "mpeg"}  # their length is a guess from the bit rate


def handle(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Probe ``request["path"]`` within ``request["limits"]``; answer the facts of ``contracts.media.Original``."""
    path, limits = Path(request["path"]), request["limits"]
    size = path.stat().st_size
    if size == 0:
        raise child.Refuse("empty_upload", "The file is empty.")
    with path.open("rb") as file:
        kind = sniff(file)
    if kind is None:
        raise child.Refuse("unsupported_media", "This is not an audio or video file of a kind that can be used.")
    try:
        with _opened(path, kind) as media:
            facts = _facts(media, kind, limits, tell)
            _ends_play(path, kind, facts)
    except (MemoryError, av.error.MemoryError):
        raise child.Refuse("media_too_complex", "Reading this file would take more memory than is allowed.") from None
    except av.error.FFmpegError as error:
        raise _refusal(path, kind, error) from error
    return {**facts, "size": size}


def _opened(path: Path, kind: Container) -> Any:
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(sorted(DEMUXERS))}
    if kind.demuxer == "mov":
        options["enable_drefs"] = "0"  # no tracks that live in other files
    return av.open(f"file:{path}", format=kind.demuxer, options=options, metadata_errors="replace")


def _refusal(path: Path, kind: Container, error: Exception) -> child.Refuse:
    if kind.demuxer == "mov" and not _has_index(path):
        return child.Refuse(
            "truncated_media",
            "The end of this file is missing, and with it the index that players need. Record or copy it again, completely.",
        )
    return child.Refuse("unsupported_media", f"This file is damaged and can't be read ({_plain(error)}).")


def _plain(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or "invalid data")


def _has_index(path: Path) -> bool:
    """Walk the top-level boxes of an MP4 for a whole ``moov`` (ISO 14496-12, 4.2)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            length, name = int.from_bytes(header[:4], "big"), header[4:8]
            length = int.from_bytes(header[8:16], "big") if length == 1 else length or size - at
            if name == b"moov":
                return at + length <= size
            if length < 8:
                return False
            at += length
    return False


def _facts(media: Any, kind: Container, limits: dict[str, float], tell: child.Tell) -> dict[str, Any]:
    """Read what the headers claim, and refuse what is beyond the limits before anything is decoded."""
    if len(media.streams) > limits["streams"]:
        raise child.Refuse(
            "media_too_complex", f"This file holds {len(media.streams)} streams, too many to be a recording."
        )
    sound, picture = _sound(media), _picture(media)
    if sound is None and picture is None:
        raise child.Refuse("unsupported_media", _NOTHING)
    width, height, rate = _geometry(picture, limits) if picture else (0, 0, 0.0)
    duration = _duration(media, kind, tell)
    if duration > limits["duration"]:
        hours = limits["duration"] / 3600
        raise child.Refuse("media_too_long", f"This recording is longer than the {hours:g} hours that are allowed.")
    return {
        "container": kind.demuxer,
        "suffix": kind.suffix,
        "mime": kind.video_mime if picture else kind.audio_mime,
        "duration": round(duration, 6),
        "has_audio": sound is not None,
        "has_video": picture is not None,
        "width": width,
        "height": height,
        "fps": rate,
    }


def _sound(media: Any) -> Any:
    return next(
        (stream for stream in media.streams.audio if stream.codec_context and stream.codec_context.sample_rate), None
    )


def _picture(media: Any) -> Any:
    """The moving pictures, if any: a cover in a music file is not."""
    still = (
        av.stream.Disposition.attached_pic | av.stream.Disposition.still_image | av.stream.Disposition.timed_thumbnails
    )
    moving = (stream for stream in media.streams.video if stream.codec_context and not stream.disposition & still)
    return next(moving, None)


def _geometry(picture: Any, limits: dict[str, float]) -> tuple[int, int, float]:
    """Width and height with square pixels, before rotation, and frames a second."""
    width, height = picture.codec_context.width, picture.codec_context.height
    if width * height > limits["pixels"]:
        raise child.Refuse("media_too_complex", f"A picture of {width}×{height} is larger than what can be processed.")
    rate = float(picture.average_rate or picture.guessed_rate or 0)
    if rate > limits["frame_rate"]:
        raise child.Refuse("media_too_complex", f"{rate:.0f} pictures a second are more than what can be processed.")
    aspect = float(picture.sample_aspect_ratio or 1)
    if 0.1 < aspect < 10:
        width = round(width * aspect)
    return width, height, round(rate, 3)


def _duration(media: Any, kind: Container, tell: child.Tell) -> float:
    """Seconds by the header; by the packets' times where the header has none or only a guess."""
    claimed = (media.duration or 0) / _MICRO
    if claimed <= 0 or kind.demuxer in _SCANNED:
        return max(claimed if kind.demuxer not in _SCANNED else 0.0, _scanned(media, tell))
    return float(claimed)


def _scanned(media: Any, tell: child.Tell) -> float:
    """Read all packets without decoding, and measure from the first time to the last."""
    first, last = float("inf"), 0.0
    for number, packet in enumerate(media.demux()):
        if number % _TOLD == 0:
            tell({"packets": number})
        if packet.pts is None or packet.stream.type not in {"audio", "video"}:
            continue
        start = float(packet.pts * packet.time_base)
        first, last = min(first, start), max(last, start + float((packet.duration or 0) * packet.time_base))
    return max(0.0, last - first)


def _ends_play(path: Path, kind: Container, facts: dict[str, Any]) -> None:
    """Decode a little of the start and of the end. Corrects ``facts`` by what the first picture says of its rotation."""
    with _opened(path, kind) as media:
        played = {stream.type: _first_frames(media, stream) for stream in (_sound(media), _picture(media)) if stream}
    if not any(played.values()):
        code = "truncated_media" if kind.demuxer in {"mov", "matroska"} else "unsupported_media"
        raise child.Refuse(code, _NOTHING)
    facts["has_audio"] = bool(played.get("audio"))
    facts["has_video"] = bool(played.get("video"))
    if facts["has_video"]:
        _turn(facts, played["video"][0])
    else:
        facts.update(width=0, height=0, fps=0.0)
    end = _last_time(path, kind, facts["duration"]) if facts["duration"] > 2 * _TAIL else facts["duration"]
    if end is None:
        claim = f"The file says that it is {facts['duration']:.0f} seconds long, but its end is missing."
        raise child.Refuse("truncated_media", f"{claim} Copy it again, completely.")


def _turn(facts: dict[str, Any], frame: Any) -> None:
    if round(frame.rotation / 90) % 2:
        facts["width"], facts["height"] = facts["height"], facts["width"]


def _first_frames(media: Any, stream: Any) -> list[Any]:
    """Decode up to a second of one stream from its start."""
    media.seek(0)
    return list(_frames(media, stream, _SAMPLE))


def _frames(media: Any, stream: Any, seconds: float) -> Iterator[Any]:
    """Decode at most ``seconds`` of a stream from where the file stands, passing over damaged packets."""
    count, begin = 0, None
    for number, packet in enumerate(media.demux(stream)):
        if number > _PACKETS or count >= _FRAMES:
            return
        try:
            frames = packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            continue
        for frame in frames:
            count += 1
            yield frame
            begin = frame.time if begin is None else begin
            if frame.time is not None and begin is not None and frame.time - begin >= seconds:
                return


def _last_time(path: Path, kind: Container, duration: float) -> float | None:
    """Decode something close to the claimed end; its time, or None where nothing is there."""
    with _opened(path, kind) as media:
        origin = (media.start_time or 0) / _MICRO
        for stream in (_picture(media), _sound(media)):
            if stream is None:
                continue
            try:
                media.seek(int((origin + duration - _TAIL) * _MICRO))
            except av.error.FFmpegError:
                continue
            for frame in _frames(media, stream, _SAMPLE):
                if frame.time is not None and frame.time - origin > duration - 3 * _TAIL:
                    return float(frame.time)
    return None


if __name__ == "__main__":
    av.logging.set_level(None)
    child.main(handle)
