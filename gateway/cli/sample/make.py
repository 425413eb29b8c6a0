"""Make the bundled sample from its sources: ``python -m gateway.cli.sample.make FOLDER``.

FOLDER holds the files named in ``PARTS`` (see ATTRIBUTION.md for where they come from). Each part is brought to the same
loudness by one gain (dynamics stay as recorded), and the parts are joined with the pauses between them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LOUDNESS = -18.0  # LUFS, integrated, of each part
RESULT = Path(__file__).with_name("voices.m4a")


@dataclass(frozen=True)
class Part:
    """One source file and the silence after it, in seconds."""

    file: str
    pause: float
    trim: str = ""  # ffmpeg filters that take away what is not speech

    @property
    def filters(self) -> str:
        """What every use of this part begins with."""
        return ",".join(filter(None, ["aresample=48000", "aformat=channel_layouts=mono", self.trim]))


_AUSTEN = "librivox/librivox/sense_and_sensibility_01_austen_64kb-{}.wav"

PARTS = (
    Part("jfk/jfk.flac", 1.6),
    Part(_AUSTEN.format("0870"), 0.7),
    Part(_AUSTEN.format("0880"), 0.5),
    Part(_AUSTEN.format("0890"), 0.7),
    Part(_AUSTEN.format("0920"), 0.7),
    Part(_AUSTEN.format("0930"), 1.6),
    Part("librivox/p001.mp3", 1.6),
    Part("ami/dev00.flac", 0.5),
)


def gain(ffmpeg: str, source: Path, part: Part) -> float:
    """Decibels that bring a part to LOUDNESS by ITU-R BS.1770 (ffmpeg's ``ebur128``)."""
    command = [
        ffmpeg,
        "-hide_banner",
        "-nostats",
        "-i",
        str(source),
        "-af",
        f"{part.filters},ebur128",
        "-f",
        "null",
        "-",
    ]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    measured = re.findall(r"I:\s+(-?[\d.]+) LUFS", report)[-1]
    return LOUDNESS - float(measured)


def make(folder: Path) -> None:
    """Write the sample next to this file."""
    import imageio_ffmpeg

    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    inputs: list[str] = []
    chains: list[str] = []
    for index, part in enumerate(PARTS):
        source = folder / part.file
        inputs += ["-i", str(source)]
        level = f"volume={gain(ffmpeg, source, part):.2f}dB,alimiter=limit=0.89:level=0"
        edges = "afade=t=in:d=0.03,areverse,afade=t=in:d=0.03,areverse"
        chains.append(f"[{index}:a]{part.filters},{level},{edges},apad=pad_dur={part.pause}[p{index}]")
    joined = "".join(f"[p{index}]" for index in range(len(PARTS)))
    graph = ";".join([*chains, f"{joined}concat=n={len(PARTS)}:v=0:a=1[out]"])
    encode = ["-c:a", "aac", "-b:a", "80k", "-ac", "1", "-movflags", "+faststart", "-map_metadata", "-1"]
    title = ["-metadata", "title=Four voices", "-metadata", "comment=See ATTRIBUTION.md"]
    command = [ffmpeg, "-hide_banner", "-loglevel", "error", "-y", *inputs, "-filter_complex", graph]
    subprocess.run([*command, "-map", "[out]", *encode, *title, str(RESULT)], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
