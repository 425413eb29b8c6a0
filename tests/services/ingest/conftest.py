"""Media made on the spot with the bundled ffmpeg, small enough to be made anew each run."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

HOSTILE = sorted((Path(__file__).parents[2] / "data" / "hostile").glob("*.mp4"))

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """``make("a.mp4", "-f", "lavfi", …)`` runs ffmpeg once for each distinct call and returns the file."""
    folder = tmp_path_factory.mktemp("media")

    def run(name: str, *arguments: str) -> Path:
        target = folder / name
        if not target.exists():
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *arguments, str(target)]
            subprocess.run(command, check=True, timeout=120)
        return target

    return run


PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration={}")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration={}")


def picture(seconds: float) -> tuple[str, ...]:
    return tuple(part.format(seconds) for part in PICTURE)


def sound(seconds: float) -> tuple[str, ...]:
    return tuple(part.format(seconds) for part in SOUND)


@pytest.fixture(scope="session")
def video(make: Make) -> Path:
    """Two seconds of pictures and sound."""
    return make("video.mp4", *picture(2), *sound(2), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")


@pytest.fixture(scope="session")
def tone(make: Make) -> Path:
    """Two seconds of sound."""
    return make("tone.wav", *sound(2))
