"""Child process that puts a file of pictures and one of sound into one file, without touching either's coding.

The files came from outside, so they are opened as probing opens them: by the demuxer that their bytes name, with no network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import av.logging

from libs.process import child
from services.ingest.engines.sniff import DEMUXERS, sniff

_SHORT = 2.0  # seconds that may be lost where streams that begin late are moved to zero
_MP4_CODECS = {"h264", "hevc", "av1", "aac", "mp3", "alac", "opus", "mpeg4"}


def handle(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Join ``request["parts"]`` into ``request["target"]``: MP4 where all codecs belong there, else Matroska."""
    sources = [_opened(Path(part)) for part in request["parts"]]
    try:
        streams = [_wanted(sources[0], "video"), _wanted(sources[1], "audio")]
        codecs = {stream.codec_context.name for stream in streams}
        end = 0.0
        with av.open(request["target"], "w", format="mp4" if codecs <= _MP4_CODECS else "matroska") as target:
            copies = [target.add_stream_from_template(stream) for stream in streams]
            for number, (copy, packet) in enumerate(_in_order(sources, streams, copies)):
                end = max(end, float((packet.dts + (packet.duration or 0)) * packet.time_base))
                packet.stream = copy
                target.mux(packet)
                if number % 500 == 0:
                    tell({"packets": number})
    except av.error.FFmpegError as error:
        raise child.Refuse(
            "import_failed", "The pictures and the sound of this recording don't fit together."
        ) from error
    finally:
        for source in sources:
            source.close()
    _check(request["target"], end)
    return {}


def _check(target: str, end: float) -> None:
    """Raise unless the file that was made says that it reaches as far as what went into it."""
    with av.open(f"file:{target}", options={"protocol_whitelist": "file"}) as made:
        length = ((made.start_time or 0) + (made.duration or 0)) / av.time_base
    if length < end - _SHORT:
        raise RuntimeError(f"{length:.2f} s came out of {end:.2f} s")


def _opened(path: Path) -> Any:
    with path.open("rb") as file:
        kind = sniff(file)
    if kind is None:
        raise child.Refuse("unsupported_media", "What this address leads to is neither sound nor video.")
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join(sorted(DEMUXERS))}
    return av.open(f"file:{path}", format=kind.demuxer, options=options, metadata_errors="replace")


def _wanted(source: Any, kind: str) -> Any:
    stream = next((each for each in source.streams if each.type == kind and each.codec_context), None)
    if stream is None:
        raise child.Refuse("import_failed", f"The site sent a file without {kind}.")
    return stream


def _in_order(sources: list[Any], streams: list[Any], copies: list[Any]) -> Any:
    """Packets of all files by their decoding time, so that players need not look far for either."""
    import heapq

    def packets(number: int) -> Any:
        for packet in sources[number].demux(streams[number]):
            if packet.dts is not None:
                yield float(packet.dts * packet.time_base), number, packet

    ordered = heapq.merge(*(packets(number) for number in range(len(sources))), key=lambda entry: entry[:2])
    return ((copies[number], packet) for _, number, packet in ordered)


if __name__ == "__main__":
    av.logging.set_level(None)
    child.main(handle)
