"""URL imports, with the real yt-dlp, from a server on loopback that the operator vouches for."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.onehost.servers import Valkey
from libs import process
from libs.process import ChildCancelled
from services.ingest.engines import fetch as engine
from services.ingest.engines.egress import Egress, Policy, Refused
from services.ingest.engines.fetch import Fetched, TryAgain, fetch
from services.ingest.engines.fetch_child import choose
from tests.factories.services import Databases
from tests.services.ingest.conftest import Make, picture, sound
from tests.services.ingest.origin import Origin, origin


@pytest.fixture
def server() -> Iterator[Origin]:
    with origin() as running:
        yield running


def fetched(
    server: Origin, url: str, folder: Path, progress: list[tuple[int, int | None]] | None = None, **changes: Any
) -> Fetched:
    limits = {"cap": 10 << 20, "deadline": 60.0, "rate": 0, "window": 20.0} | changes
    return fetch(
        url,
        folder / "import",
        Policy(**limits, allow=frozenset({server.authority})),
        memory=2 << 30,
        on_progress=lambda done, total: progress.append((done, total)) if progress is not None else None,
        cancelled=lambda: False,
    )


def test_bytes_arrive_unchanged_with_true_progress(server: Origin, video: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int | None]] = []
    found = fetched(server, server.serve("/talks/My%20talk.mp4", video), tmp_path, progress)
    assert found.path.read_bytes() == video.read_bytes()
    assert found.title == "My talk"
    assert progress[-1] == (video.stat().st_size, video.stat().st_size)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert [path.name for path in found.path.parent.iterdir()] == ["part0.bin"]


def test_sound_alone(server: Origin, tone: Path, tmp_path: Path) -> None:
    found = fetched(server, server.serve("/tone.wav", tone, "audio/wav"), tmp_path)
    assert found.path.read_bytes() == tone.read_bytes()


def test_a_page_with_a_video_in_it(server: Origin, video: Path, tmp_path: Path) -> None:
    server.serve("/movie.mp4", video)
    page = (
        f'<html><head><title>A page</title></head><body><video src="{server.url("/movie.mp4")}"></video></body></html>'
    )
    server.files["/watch"] = (page.encode(), "text/html")
    found = fetched(server, server.url("/watch"), tmp_path)
    assert found.path.read_bytes() == video.read_bytes()


def test_pictures_and_sound_apart_become_one_file(server: Origin, make: Make, tmp_path: Path) -> None:
    """An HLS master playlist whose sound is a rendition of its own, as most large sites have it."""
    h264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mpegts")
    server.serve("/v.ts", make("v.ts", *picture(2), *h264), "video/mp2t")
    server.serve("/a.ts", make("hls-a.ts", *sound(2), "-c:a", "aac", "-f", "mpegts"), "video/mp2t")
    for name in ("v", "a"):
        listing = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{name}.ts\n#EXT-X-ENDLIST\n"
        server.files[f"/{name}.m3u8"] = (listing.encode(), "application/vnd.apple.mpegurl")
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,URI="a.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.42c00b,mp4a.40.2",RESOLUTION=160x90,AUDIO="a"\nv.m3u8\n'
    )
    server.files["/master.m3u8"] = (master.encode(), "application/vnd.apple.mpegurl")
    found = fetched(server, server.url("/master.m3u8"), tmp_path)
    from services.ingest.engines.probe import Limits, probe

    probed = probe(found.path, Limits(3600, 10**9, 300, 32, 60, 3 << 30))
    assert probed.has_audio
    assert probed.has_video
    assert probed.duration == pytest.approx(2, abs=0.3)


def refused(server: Origin, path: str, folder: Path, **changes: Any) -> str:
    with pytest.raises(Refused) as caught:
        fetched(server, server.url(path) if path.startswith("/") else path, folder, **changes)
    assert caught.value.detail.endswith(".")
    return caught.value.code


def test_permanent_failures_have_stable_codes(server: Origin, tmp_path: Path) -> None:
    assert refused(server, "/missing.mp4", tmp_path) == "import_not_found"
    assert refused(server, "/bad/status/410", tmp_path) == "import_not_found"
    assert refused(server, "/bad/status/403", tmp_path) == "import_failed"
    server.files["/prose"] = (b"<html><title>Only words</title></html>", "text/html")
    assert refused(server, "/prose", tmp_path) == "import_unsupported"


def test_a_busy_site_is_worth_another_try(server: Origin, tmp_path: Path) -> None:
    with pytest.raises(TryAgain):
        fetched(server, server.url("/bad/status/503"), tmp_path)


def test_redirects_inside_are_refused(server: Origin, tmp_path: Path) -> None:
    server.redirects["/away.mp4"] = "http://169.254.169.254/latest/meta-data/iam.mp4"
    assert refused(server, "/away.mp4", tmp_path) == "import_forbidden_address"
    assert refused(server, f"http://localhost:{server.server_port}/x.mp4", tmp_path) == "import_forbidden_address"


def test_an_endless_body_ends_at_the_cap(server: Origin, tmp_path: Path) -> None:
    assert refused(server, "/bad/endless.mp4", tmp_path, cap=500_000) == "import_too_large"
    assert sum(path.stat().st_size for path in (tmp_path / "import").iterdir()) < 2_000_000


def test_slow_and_silent_servers_are_given_up(server: Origin, tmp_path: Path) -> None:
    assert refused(server, "/bad/slow.mp4", tmp_path, rate=4096, window=2.0) == "import_timeout"
    assert refused(server, "/bad/hang.mp4", tmp_path, rate=4096, window=2.0) == "import_timeout"


def test_cancelling_ends_the_child(server: Origin, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ChildCancelled):
        fetch(
            server.url("/bad/slow.mp4"),
            tmp_path / "import",
            Policy(cap=1 << 20, deadline=60, rate=0, window=30, allow=frozenset({server.authority})),
            memory=2 << 30,
            on_progress=lambda _done, _total: None,
            cancelled=lambda: any(path.endswith("slow.mp4") for path in server.paths),
        )
    assert time.monotonic() - begun < 20


def test_hostile_names_choose_no_file(server: Origin, video: Path, tmp_path: Path) -> None:
    path = "/x%2F..%2F..%2Fetc%2Fcron.d%2Fevil%0Adir%3D.mp4"
    found = fetched(server, server.serve(path, video), tmp_path)
    assert found.path == tmp_path / "import" / "part0.bin"
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == [found.path]
    server.serve("/x.desktop", video)
    assert refused(server, "/x.desktop", tmp_path) == "import_failed"
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == []


# A fetcher that has turned: no audit hook, no proxy settings, plain connections to whatever is named.
TURNED = """
import json, socket, sys
reached = []
for port in json.loads(sys.argv[1]):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        reached.append(port)
    except OSError:
        pass
print(json.dumps(reached))
"""


def test_a_fetcher_that_ignores_the_proxy_reaches_nothing_else(
    server: Origin, databases: Databases, valkey: Valkey
) -> None:
    policy = Policy(cap=1 << 20, deadline=30, rate=0, window=20, allow=frozenset({server.authority}))
    with Egress(policy) as egress:
        ports = [server.server_port, databases.server.port, valkey.port]
        knock = [sys.executable, "-I", "-S", "-c", TURNED, json.dumps([*ports, egress.port])]
        ended = process.run(knock, deadline=30, network=process.Door(egress.port, egress.move_to))
        if not ended.isolation.namespace:
            pytest.skip("this system does not let us make network namespaces")
        assert json.loads(ended.stdout) == [egress.port]
        assert server.paths == []


def test_a_fetcher_that_is_busy_but_stuck_is_cut(
    server: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte comes, and the proxy has no minimum rate to judge by."""
    monkeypatch.setattr(engine, "_STALL", 2.0)
    begun = time.monotonic()
    assert refused(server, "/bad/hang.mp4", tmp_path) == "import_timeout"
    assert time.monotonic() - begun < 15


def test_what_ytdlp_said_last_is_kept_with_the_refusal(server: Origin, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        fetched(server, server.url("/missing.mp4"), tmp_path)
    assert "404" in caught.value.stderr
    with pytest.raises(TryAgain) as busy:
        fetched(server, server.url("/bad/status/503"), tmp_path)
    assert "503" in busy.value.stderr


def test_what_to_fetch_is_chosen_from_what_there_is() -> None:
    def form(name: str, vcodec: str | None, acodec: str | None, height: int = 0) -> dict[str, Any]:
        return {"format_id": name, "vcodec": vcodec, "acodec": acodec, "height": height}

    apart = [form("a", "none", "mp4a"), form("w360", "avc1", "mp4a", 360), form("v1080", "avc1", "none", 1080)]

    def names(formats: list[dict[str, Any]], *, sound_only: bool = False) -> list[str]:
        return [each["format_id"] for each in choose(formats, sound_only=sound_only)]

    assert names(apart) == ["v1080", "a"]
    assert names(apart, sound_only=True) == ["a"]
    assert names(apart[:2]) == ["w360"]
    assert names(apart[1:]) == ["w360"]
    assert names([form("unknown", None, None)]) == ["unknown"]
    assert names([form("s", "none", "mp4a")]) == ["s"]
    assert names([{**form("locked", "avc1", "mp4a"), "has_drm": True}]) == []


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('/tmp/clipstead-escape', 'w')",
        "import os; os.open('/tmp/clipstead-escape', os.O_CREAT | os.O_WRONLY)",
    ],
)
def test_the_child_is_confined(attempt: str, tmp_path: Path) -> None:
    begin = "from pathlib import Path\nfrom services.ingest.engines.fetch_child import confine\n"
    script = f"{begin}confine(Path({str(tmp_path)!r}), 1)\n"
    ended = subprocess.run([sys.executable, "-B", "-c", script + attempt], capture_output=True, text=True, check=False)
    assert "PermissionError" in ended.stderr
    assert not Path("/tmp/clipstead-escape").exists()
