"""What a file is, told by its bytes: the good, the damaged, the lying and the hostile."""

from pathlib import Path

import pytest

from libs import process
from libs.process import ChildFailed
from services.ingest.engines.probe import Limits, Unusable, probe
from services.ingest.engines.sniff import sniff
from tests.factories import canary
from tests.services.ingest.conftest import HOSTILE, Make, picture, sound

LIMITS = Limits(duration=3600, pixels=8192 * 4320, frame_rate=300, streams=32, deadline=60, memory=3 << 30)
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")


def refused(path: Path, limits: Limits = LIMITS) -> Unusable:
    with pytest.raises(Unusable) as caught:
        probe(path, limits)
    assert caught.value.detail.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("name", "options", "container", "mime"),
    [
        ("a.mp4", ("-c:a", "aac"), "mov", "audio/mp4"),
        ("a.m4a", ("-c:a", "aac"), "mov", "audio/mp4"),
        ("a.mov", ("-c:a", "aac"), "mov", "audio/mp4"),
        ("a.mkv", ("-c:a", "libopus"), "matroska", "audio/x-matroska"),
        ("a.webm", ("-c:a", "libopus"), "matroska", "audio/webm"),
        ("a.wav", (), "wav", "audio/wav"),
        ("a.mp3", ("-c:a", "libmp3lame"), "mp3", "audio/mpeg"),
        ("bare.mp3", ("-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0"), "mp3", "audio/mpeg"),
        ("a.flac", ("-c:a", "flac"), "flac", "audio/flac"),
        ("a.ogg", ("-c:a", "libvorbis"), "ogg", "audio/ogg"),
        ("a.opus", ("-c:a", "libopus"), "ogg", "audio/ogg"),
        ("a.aac", ("-c:a", "aac"), "aac", "audio/aac"),
        ("a.aiff", (), "aiff", "audio/aiff"),
        ("a.caf", (), "caf", "audio/x-caf"),
        ("a.ts", ("-c:a", "aac"), "mpegts", "video/mp2t"),
        ("a.avi", ("-c:a", "libmp3lame"), "avi", "video/x-msvideo"),
        ("a.flv", ("-c:a", "aac"), "flv", "video/x-flv"),
    ],
)
def test_containers_are_told_by_their_bytes(
    make: Make, name: str, options: tuple[str, ...], container: str, mime: str
) -> None:
    path = make(name, *sound(2), *options)
    disguised = path.with_suffix(path.suffix + ".mp4")
    disguised.write_bytes(path.read_bytes())  # a lie about its type changes nothing
    found = probe(disguised, LIMITS)
    assert (found.container, found.mime, found.has_audio, found.has_video) == (container, mime, True, False)
    assert found.duration == pytest.approx(2, abs=0.15)
    assert found.size == path.stat().st_size


def test_video_with_sound(video: Path) -> None:
    found = probe(video, LIMITS)
    assert (found.width, found.height, found.fps) == (160, 90, 10)
    assert found.has_audio
    assert found.has_video
    assert (found.container, found.mime) == ("mov", "video/mp4")
    assert found.duration == pytest.approx(2, abs=0.1)


def test_video_without_sound(make: Make) -> None:
    found = probe(make("mute.mp4", *picture(1), *H264), LIMITS)
    assert found.has_video
    assert not found.has_audio


def test_a_third_of_a_second_is_a_recording(make: Make) -> None:
    found = probe(make("short.wav", *sound(0.3)), LIMITS)
    assert found.duration == pytest.approx(0.3, abs=0.01)


def test_rotation_and_oblong_pixels_count(make: Make, video: Path) -> None:
    turned = make("turned.mp4", "-display_rotation", "90", "-i", str(video), "-c", "copy")
    assert (probe(turned, LIMITS).width, probe(turned, LIMITS).height) == (90, 160)
    oblong = make("oblong.mp4", *picture(1), *H264, "-vf", "setsar=2")
    assert (probe(oblong, LIMITS).width, probe(oblong, LIMITS).height) == (320, 90)


def test_a_cover_is_no_video(make: Make, tone: Path) -> None:
    cover = make("cover.png", *picture(1), "-frames:v", "1")
    song = make(
        "song.mp3", "-i", str(tone), "-i", str(cover), "-map", "0", "-map", "1", "-disposition:v", "attached_pic"
    )
    found = probe(song, LIMITS)
    assert not found.has_video
    assert (found.width, found.height) == (0, 0)


def test_a_browser_recording_says_no_duration(make: Make) -> None:
    live = make("live.webm", *sound(3), "-c:a", "libopus", "-f", "webm", "-live", "1")
    assert probe(live, LIMITS).duration == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_hostile_files_open_nothing(path: Path) -> None:
    with canary.listening() as hits:
        assert refused(path).code == "unsupported_media"
    assert hits == []


@pytest.mark.parametrize(
    "content",
    [
        b"This is a plain text file.\n" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"<!doctype html><script>alert(1)</script>",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%PDF-1.7\n" + bytes(500),
        b"PK\x03\x04" + bytes(500),
        b"\x7fELF" + bytes(500),
        b"GIF89a" + bytes(500),
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500),
        b"RIFF\x00\x00\x00\x00WEBP" + bytes(500),
        b"\x00\x00\x00\x18ftypheic" + bytes(500),
        b"#EXTM3U\n",
        b"ID3\x04\x00\x00\x00\x00\x00\x10" + b"#EXTM3U\nhttp://127.0.0.1:18080/\n",
        bytes(5000),
        b"\xff" * 5000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_recording(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    assert refused(path).code == "unsupported_media"


def test_nothing_at_all(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert refused(path).code == "empty_upload"


def test_without_its_index_an_mp4_is_truncated(video: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    assert refused(cut).code == "truncated_media"


def test_an_index_without_the_end_is_truncated(make: Make, tmp_path: Path) -> None:
    whole = make("fast.mp4", *picture(60), *sound(60), *H264, "-c:a", "aac", "-movflags", "+faststart")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert refused(cut).code == "truncated_media"


def test_headers_alone_are_not_playable(make: Make, tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(make("a.wav", *sound(2)).read_bytes()[:44])
    assert refused(noise).code == "unsupported_media"
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"\x00\x00\x00\x18ftypisom" + bytes(range(256)) * 40)
    assert refused(garbage).code in {"unsupported_media", "truncated_media"}


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(1, 10**9, 300, 32, 60, 3 << 30), "media_too_long"),
        (Limits(3600, 100, 300, 32, 60, 3 << 30), "media_too_complex"),
        (Limits(3600, 10**9, 5, 32, 60, 3 << 30), "media_too_complex"),
        (Limits(3600, 10**9, 300, 1, 60, 3 << 30), "media_too_complex"),
    ],
)
def test_limits_come_before_decoding(video: Path, limits: Limits, code: str) -> None:
    assert refused(video, limits).code == code


def test_sniffing_reads_past_a_large_tag(make: Make, tmp_path: Path) -> None:
    frames = make("bare.mp3", *sound(2), "-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0").read_bytes()
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(b"ID3\x04\x00\x00\x00\x00\x4e\x10" + bytes(10000) + frames)
    with tagged.open("rb") as file:
        kind = sniff(file)
    assert kind is not None
    assert kind.demuxer == "mp3"


@pytest.mark.parametrize(("status", "expected"), [(-9, ChildFailed), (-15, ChildFailed), (-11, Unusable)])
def test_a_child_that_was_killed_from_outside_says_nothing_about_the_file(
    monkeypatch: pytest.MonkeyPatch, tone: Path, status: int, expected: type[Exception]
) -> None:
    def died(*_: object, **__: object) -> None:
        raise ChildFailed("it ended", status=status)

    monkeypatch.setattr(process, "run_module", died)
    with pytest.raises(expected):
        probe(tone, LIMITS)
