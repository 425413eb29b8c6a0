"""Small recordings made on the spot by the bundled ffmpeg."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import tempfile
import wave
from pathlib import Path

import imageio_ffmpeg


def tone(seconds: float, rate: int = 16000) -> bytes:
    """A WAV file with a 440 Hz tone."""
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        samples = (int(12000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(int(seconds * rate)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return output.getvalue()


def video(seconds: float, *, sound: bool = True, faststart: bool = True, size: str = "320x180") -> bytes:
    """An MP4 file with a moving test picture, and a tone unless ``sound`` is False."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        inputs = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}"]
        if sound:
            inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
        flags = ["-movflags", "+faststart"] if faststart else []
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *inputs, "-pix_fmt", "yuv420p", *flags, str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return path.read_bytes()
