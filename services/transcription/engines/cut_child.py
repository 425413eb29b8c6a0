"""The child that takes a recording apart: decodes it once, finds where somebody speaks, writes chunks of sound.

Sees one file and has no network. It alone meets the file itself: whoever hears gets chunks of plain samples.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from libs.process import child
from services.transcription.engines import sound, voice
from services.transcription.engines.channels import by_channel
from services.transcription.engines.cutting import Chunk, chunks
from services.transcription.engines.protocol import RATE, Sound
from services.transcription.engines.utterances import quietest

__all__ = ["cut"]

BEAT = 0.5  # seconds between messages at least
LONGEST_BY_CHANNEL = 4 * 3600.0  # seconds: both channels of more than that are too much for the disk


class EndedEarly(Exception):
    """Sound is missing at the end, though the file itself is whole: trying again is right."""


def cut(request: dict[str, Any], tell: child.Tell) -> dict[str, Any]:
    """Cut one recording into chunks.

    Takes ``source``, ``container``, ``longest`` (seconds), ``scratch`` (a folder), ``target`` (seconds of a chunk) and
    ``speakers``. Tells ``{"looked": seconds}`` now and then, and each chunk as soon as it lies in the folder: ``position``,
    ``file`` and the fields of a Chunk, its regions as pairs. Gives ``duration``, ``missing`` (seconds at the end that a torn
    file promises and lacks), ``turns`` (who speaks by channel; None where voices decide) and ``loudness``, a contract's.
    """
    scratch, looked = Path(request["scratch"]), _looked(tell)
    source, container, longest = Path(request["source"]), request["container"], request["longest"]
    samples_file = scratch / "sound.s16"
    try:
        decoded = sound.decode(source, container, samples_file, longest, looked)
    except sound.NoAudio as error:
        raise child.Refuse(
            "no_audio", "This recording has no sound that can be played, so there is nothing to transcribe."
        ) from error
    except sound.Undecodable as error:
        raise child.Refuse(
            "undecodable", "The sound of this recording can't be decoded. Please export it again and hand that in."
        ) from error
    if decoded.cut_short and not decoded.torn:
        raise EndedEarly(f"{decoded.seconds:.1f} s were decoded of {decoded.promised:.1f} s")
    samples = sound.opened(samples_file)
    regions = voice.regions(samples, looked)
    for position, chunk in enumerate(
        chunks(regions, request["target"], lambda start, end: quietest(samples, start, end))
    ):
        tell(_written(scratch, position, chunk, samples))
    turns = None
    if regions and request["speakers"] is None and longest <= LONGEST_BY_CHANNEL:
        both = scratch / "channels.s16"
        if sound.decode_channels(source, container, both, longest, looked) is not None:
            turns = by_channel(*sound.opened_channels(both), looked)
    hop, levels = sound.loudness(samples)
    return {
        "duration": round(decoded.seconds, 3),
        "missing": round(decoded.promised - decoded.seconds, 3) if decoded.promised and decoded.cut_short else 0.0,
        "turns": turns,
        "loudness": {"hop": hop, "levels": levels},
    }


def _written(folder: Path, position: int, chunk: Chunk, samples: Sound) -> dict[str, Any]:
    first, last = round(chunk.heard_from * RATE), min(round(chunk.heard_to * RATE), len(samples))
    path = folder / f"{position}.flac"
    sound.write_flac(path, samples[first:last])
    return {
        "position": position,
        "file": str(path),
        "start": round(chunk.start, 3),
        "end": round(chunk.end, 3),
        "heard_from": first / RATE,
        "heard_to": last / RATE,
        "regions": [[round(one.start, 3), round(one.end, 3)] for one in chunk.regions],
        "speech": round(chunk.speech, 3),
    }


def _looked(tell: child.Tell) -> Any:
    """A function that tells how far was looked, but not more often than anybody can read it."""
    told = 0.0

    def looked(seconds: float) -> None:
        nonlocal told
        if time.monotonic() - told >= BEAT:
            told = time.monotonic()
            tell({"looked": seconds})

    return looked


if __name__ == "__main__":
    child.main(cut)
