"""The main job, as a newcomer sees it: one command, real input, and clips that really are what they say."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from tests.factories.platform import environment_for, run_command

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def test_demo_makes_clips_of_the_bundled_recording(home: Path) -> None:
    environment = environment_for(home)
    before = set(psutil.pids())
    done = run_command(environment, "demo", "--exit", "--json", timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)

    assert set(document) == {"recording", "transcript", "clips", "stages"}
    assert document["recording"]["status"] == "ready"
    assert document["transcript"]["words"] > 150
    assert document["transcript"]["speakers"] >= 2
    assert {"receive", "check", "transcribe", "find", "render"} <= set(document["stages"])

    assert len(document["clips"]) == 3
    spans = sorted((clip["start"], clip["end"]) for clip in document["clips"])
    assert all(one[1] <= other[0] + 0.5 * (one[1] - one[0]) for one, other in itertools.pairwise(spans))
    for clip in document["clips"]:
        assert clip["title"].strip()
        assert clip["reason"].strip()
        assert 0 <= clip["score"] <= 1
        assert clip["share_url"].startswith("http")
        for file in clip["files"]:
            inspect(Path(file["path"]), file, clip["end"] - clip["start"])

    assert [pid for pid in set(psutil.pids()) - before if str(home) in command_line(pid)] == []


def command_line(pid: int) -> str:
    """A process's command line; empty if it has ended."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def inspect(path: Path, said: dict[str, object], length: float) -> None:
    """Look into a clip with PyAV: what it is, how it sounds, and that its picture moves."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (said["width"], said["height"]) == (1080, 1080)
        assert video.codec_context.pix_fmt == "yuv420p"
        duration = float(container.duration / av.time_base)
        assert abs(duration - length) <= 0.1
        assert abs(duration - float(str(said["duration"]))) <= 0.1
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video)]
    assert len(frames) == pytest.approx(duration * float(video.average_rate), abs=3)
    assert np.abs(frames[len(frames) // 4] - frames[3 * len(frames) // 4]).max() > 60, "the picture stands still"
    with av.open(str(path)) as container:
        sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)])
    assert np.sqrt((sound**2).mean()) > 0.01, "it is silent"
    with path.open("rb") as file:
        head = file.read(4096)
    assert b"moov" in head, "playback could not begin before all of it has come (faststart)"
