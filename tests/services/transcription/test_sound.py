"""Decoding, loudness and voice activity."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from libs import process
from services.transcription.engines import sound, voice
from services.transcription.engines.protocol import RATE, Sound
from tests.services.transcription.conftest import SPEECH, noise, speech_in, tone, write

HOSTILE = Path(__file__).resolve().parents[2] / "data" / "hostile"


def decode(path: Path, container: str, target: Path, longest: float = 60.0) -> Sound:
    sound.decode(path, container, target / "samples", longest, lambda _: None)
    return sound.opened(target / "samples")


def test_any_rate_becomes_sixteen_kilohertz(tmp_path: Path) -> None:
    samples = np.sin(2 * np.pi * 440 * np.arange(2 * 44_100) / 44_100) * 8000
    decoded = decode(write(tmp_path / "a.wav", samples, rate=44_100), "wav", tmp_path)
    assert len(decoded) / RATE == pytest.approx(2.0, abs=0.01)
    loudest = np.abs(np.fft.rfft(decoded[:RATE].astype(float))).argmax()
    assert loudest == pytest.approx(440, abs=1)


def test_a_gap_in_the_time_stamps_becomes_silence(tmp_path: Path) -> None:
    path = tmp_path / "gap.mka"
    with av.open(str(path), "w", format="matroska") as media:
        track = media.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for begin in (0.0, 3.0):
            for at in range(0, RATE, 1600):
                frame = av.AudioFrame.from_ndarray(np.full((1, 1600), 5000, np.int16), format="s16", layout="mono")
                frame.sample_rate = RATE
                frame.pts = round(begin * RATE) + at
                media.mux(track.encode(frame))
        media.mux(track.encode(None))
    decoded = decode(path, "matroska", tmp_path)
    assert len(decoded) / RATE == pytest.approx(4.0, abs=0.05)
    assert not decoded[round(1.2 * RATE) : round(2.8 * RATE)].any()
    assert decoded[round(3.2 * RATE)] == 5000


def test_no_more_is_decoded_than_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(5.0))
    assert len(decode(path, "wav", tmp_path, longest=2.0)) / RATE == pytest.approx(2.0, abs=0.3)


def test_a_torn_file_gives_what_is_whole(tmp_path: Path) -> None:
    whole = (SPEECH / "kennedy.flac").read_bytes()
    torn = tmp_path / "torn.flac"
    torn.write_bytes(whole[: len(whole) // 2] + bytes(2000) + whole[len(whole) // 2 + 2000 :])
    assert len(decode(torn, "flac", tmp_path)) / RATE > 4.0


@pytest.mark.parametrize("suffix", ["wav", "m4a"])
def test_a_file_whose_end_is_missing_is_known_as_torn(suffix: str, tmp_path: Path) -> None:
    codec, demuxer = ("pcm_s16le", "wav") if suffix == "wav" else ("aac", "mov")
    whole = write(tmp_path / f"whole.{suffix}", noise(20.0), codec=codec)
    half = tmp_path / f"half.{suffix}"
    if suffix == "m4a":  # its index stands at the end, and has to come first to be still there
        with (
            av.open(str(whole)) as source,
            av.open(str(half), "w", format="mp4", options={"movflags": "faststart"}) as to,
        ):
            track = to.add_stream_from_template(source.streams.audio[0])
            for packet in source.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = track
                    to.mux(packet)
        whole = half
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    decoded = sound.decode(half, demuxer, tmp_path / "samples", 60.0, lambda _: None)
    assert decoded.seconds == pytest.approx(10, abs=1)
    assert decoded.torn
    assert decoded.cut_short == (suffix == "m4a")  # a WAV's length is what there is of it


def test_sound_that_ends_early_in_a_file_that_goes_on_is_no_success(tmp_path: Path) -> None:
    """The header promises twice the sound, and behind the sound the file goes on with something else."""
    samples = noise(20.0)
    path = write(tmp_path / "a.mka", samples[: len(samples) // 2])
    claim = bytes.fromhex("4489") + b"\x88"  # the Duration element, eight bytes of it
    data = path.read_bytes()
    at = data.index(claim) + len(claim)
    longer = data[:at] + struct.pack(">d", 20_000.0) + data[at + 8 :] + bytes.fromhex("ec10300000") + bytes(3 << 20)
    path.write_bytes(longer)
    decoded = sound.decode(path, "matroska", tmp_path / "samples", 60.0, lambda _: None)
    assert decoded.cut_short
    assert not decoded.torn
    request = {"source": str(path), "container": "matroska", "longest": 60.0, "scratch": str(tmp_path)}
    request |= {"target": 240.0, "speakers": None}
    with pytest.raises(process.ChildFailed) as caught:
        process.run_module("services.transcription.engines.cut_child", request, deadline=60)
    assert "10.0 s were decoded of 20.0 s" in caught.value.stderr


def test_a_picture_without_sound_has_no_audio(tmp_path: Path) -> None:
    path = tmp_path / "mute.mkv"
    with av.open(str(path), "w") as media:
        track = media.add_stream("mpeg4", rate=10)
        track.width = track.height = 64
        track.pix_fmt = "yuv420p"
        for _ in range(10):
            media.mux(track.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        media.mux(track.encode(None))
    with pytest.raises(sound.NoAudio):
        decode(path, "matroska", tmp_path)


@pytest.mark.parametrize("path", sorted(HOSTILE.iterdir()), ids=lambda path: path.name)
def test_playlists_in_disguise_are_not_followed(path: Path, tmp_path: Path) -> None:
    with pytest.raises((sound.Undecodable, sound.NoAudio)):
        decode(path, "mov", tmp_path)


def test_loudness_follows_the_sound(tmp_path: Path) -> None:
    samples = np.concatenate([np.zeros(RATE), np.full(RATE, 16_384)]).astype(np.int16)
    hop, levels = sound.loudness(samples)
    assert hop == pytest.approx(0.1)
    assert levels[:10] == [sound.FLOOR] * 10
    assert levels[10:] == [-6.0] * 10


def test_a_long_recording_gets_a_coarser_loudness() -> None:
    hop, levels = sound.loudness(np.zeros(3 * 3600 * 16, np.int16).repeat(1000)[: 3 * 3600 * RATE])
    assert hop == pytest.approx(0.3)
    assert len(levels) == 36_000


@pytest.mark.parametrize("samples", [np.zeros(10 * RATE), noise(10.0), tone(10.0), np.zeros(100)])
def test_nobody_speaks_in_silence_noise_or_music(samples: np.ndarray) -> None:
    assert speech_in(samples.astype(np.int16)) == []


def test_speech_is_found_where_it_is(austen: Sound) -> None:
    regions = speech_in(austen)
    assert 5 <= len(regions) <= 9
    spoken = sum(region.end - region.start for region in regions)
    assert 0.7 * len(austen) / RATE < spoken < len(austen) / RATE


def test_blocks_leave_no_trace(monkeypatch: pytest.MonkeyPatch, austen: Sound) -> None:
    whole = speech_in(austen)
    monkeypatch.setattr(voice, "BLOCK", 11 * RATE)
    pieces = speech_in(austen)
    assert len(pieces) == len(whole)
    for piece, one in zip(pieces, whole, strict=True):
        assert piece == pytest.approx(one, abs=0.1)
