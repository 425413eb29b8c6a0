"""One service after the other goes away: its part of the page says so, the rest works, and it comes back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from gateway.app import create
from gateway.settings import GatewaySettings
from infra.onehost.place import Place
from infra.onehost.secrets import Secrets
from infra.onehost.topology import PORTS
from libs.contracts.subscriptions import SERVICES
from tests.factories.faultproxy import Blackhole, Clear, FaultProxy, Reset
from tests.factories.platform import Person, running_platform
from tests.factories.services import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

BACK = 20_000  # milliseconds from a service's return to its part of the page


@dataclass
class Scene:
    """A platform whose services can be taken away one by one, and a recording with its clip on it."""

    url: str
    services: dict[str, FaultProxy]
    person: Person
    media_id: str

    @property
    def path(self) -> str:
        """The recording's page."""
        return f"{self.url}/recordings/{self.media_id}"


@pytest.fixture(scope="module")
def scene(sample_path: Path) -> Iterator[Scene]:
    """A gateway of our own before a running platform, with a fault proxy before each service."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="clipstead-"))
        platform = stack.enter_context(running_platform(Path(folder) / "home"))
        place = Place(platform.home, int(platform.environment["CLIPSTEAD_PORT"]))
        secrets = Secrets(place.secrets).environment("gateway")
        services = {
            name: stack.enter_context(FaultProxy("127.0.0.1", place.port + (PORTS[name][0]))) for name in SERVICES
        }
        settings = GatewaySettings(
            service_urls={name: f"http://127.0.0.1:{proxy.port}" for name, proxy in services.items()},
            **{
                field: Path(secrets[f"CLIPSTEAD_{field.upper()}_FILE"]).read_text().strip()
                for field in ("service_key", "csrf_secret", "redis_url")
            },
        )
        url = stack.enter_context(served(create(settings)))
        person = Person(url)
        stack.callback(person.http.close)
        media_id = person.upload("kennedy.flac", sample_path.read_bytes(), count=1, min_duration=4)
        assert person.until_ended(media_id)["status"] == "ready"
        yield Scene(url, services, person, media_id)


@pytest.fixture
def page(scene: Scene, context: BrowserContext) -> Iterator[Page]:
    """A tab of the person's, on the recording."""
    expect.set_options(timeout=15_000)
    token = scene.person.http.cookies["clipstead"]
    context.add_cookies([{"name": "clipstead", "value": token, "url": scene.url}])
    made = context.new_page()
    made.goto(scene.path)
    expect(words(made)).not_to_have_count(0)
    yield made
    for proxy in scene.services.values():
        proxy.fault = Clear()


def words(page: Page) -> Locator:
    return page.get_by_test_id("transcript").locator(".word")


def moments(page: Page) -> Locator:
    return page.get_by_test_id("moments").get_by_role("listitem")


def clips(page: Page) -> Locator:
    return page.get_by_test_id("clip")


def missing(page: Page, what: str) -> Locator:
    return page.get_by_test_id("away").filter(has_text=f"{what} not available right now")


def show(page: Page, tmp_path: Path, name: str) -> None:
    page.screenshot(path=tmp_path / f"{name}.png", full_page=True)


def test_without_transcription_all_but_the_words_are_there(scene: Scene, page: Page, tmp_path: Path) -> None:
    scene.services["transcription"].fault = Blackhole()  # the worst: it hangs
    page.reload()
    expect(missing(page, "The transcript is")).to_be_visible()
    expect(page.get_by_test_id("away")).to_have_count(1)
    expect(moments(page)).not_to_have_count(0)
    expect(clips(page)).to_have_count(1)
    expect(page.get_by_test_id("player")).to_be_visible()
    show(page, tmp_path, "transcription")

    scene.services["transcription"].fault = Clear()
    expect(words(page)).not_to_have_count(0, timeout=BACK)
    expect(page.get_by_test_id("away")).to_have_count(0)


def test_without_highlight_all_but_the_moments_are_there(scene: Scene, page: Page, tmp_path: Path) -> None:
    scene.services["highlight"].fault = Reset()
    page.reload()
    expect(missing(page, "The moments are")).to_be_visible()
    expect(page.get_by_test_id("away")).to_have_count(1)
    expect(words(page)).not_to_have_count(0)
    expect(clips(page)).to_have_count(1)
    show(page, tmp_path, "highlight")

    scene.services["highlight"].fault = Clear()
    expect(moments(page)).not_to_have_count(0, timeout=BACK)
    expect(page.get_by_test_id("away")).to_have_count(0)


def test_without_stream_nothing_plays_and_everything_can_be_read(scene: Scene, page: Page, tmp_path: Path) -> None:
    scene.services["stream"].fault = Reset()
    page.reload()
    expect(missing(page, "Playing is")).to_be_visible()
    expect(words(page)).not_to_have_count(0)
    expect(moments(page)).not_to_have_count(0)
    show(page, tmp_path, "stream")
    clips(page).get_by_role("button", name="Play ").click()
    expect(page.get_by_role("dialog").locator('[data-testid="away"]').filter(has_text="The links are")).to_be_visible()
    show(page, tmp_path, "stream-dialog")

    scene.services["stream"].fault = Clear()
    expect(page.get_by_test_id("clip-player")).to_be_visible(timeout=BACK)
    expect(page.get_by_text("No link leads to this clip")).to_be_visible(timeout=BACK)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("player")).to_be_visible(timeout=BACK)


def test_without_render_only_the_making_of_clips_waits(scene: Scene, page: Page, tmp_path: Path) -> None:
    scene.services["render"].fault = Reset()
    page.reload()
    expect(clips(page)).to_have_count(1)
    expect(words(page)).not_to_have_count(0)
    page.get_by_role("button", name="New clip").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("away").filter(has_text="Rendering is not available")).to_be_visible()
    expect(dialog.get_by_role("button", name="Render clip")).to_be_disabled()
    show(page, tmp_path, "render")

    scene.services["render"].fault = Clear()
    expect(dialog.get_by_role("button", name="Render clip")).to_be_enabled(timeout=BACK)
    expect(dialog.get_by_role("radio")).not_to_have_count(0)


def test_without_catalog_the_page_stays_and_what_happened_meanwhile_comes(
    scene: Scene, page: Page, tmp_path: Path
) -> None:
    scene.services["catalog"].fault = Reset()
    expect(page.get_by_test_id("not-live")).to_be_visible()
    expect(words(page)).not_to_have_count(0)
    expect(page.locator(".banner")).to_have_count(0)
    show(page, tmp_path, "catalog-open-page")
    page.goto(scene.url)
    expect(missing(page, "The library is")).to_be_visible()
    expect(page.get_by_test_id("file-input")).to_be_attached()  # handing in goes on
    show(page, tmp_path, "catalog-library")
    page.goto(scene.path)
    expect(missing(page, "This recording is")).to_be_visible()
    show(page, tmp_path, "catalog-recording")

    scene.services["catalog"].fault = Clear()
    expect(words(page)).not_to_have_count(0, timeout=BACK)
    renamed = scene.person.http.patch(
        f"/api/v1/library/{scene.media_id}", json={"title": "A speech of 1961"}, headers={"If-Match": "*"}
    )
    assert renamed.status_code == 200
    expect(page.get_by_text("A speech of 1961").first).to_be_visible(timeout=BACK)  # the feed is open again


def test_without_ingest_an_upload_waits(scene: Scene, page: Page, sample_path: Path, tmp_path: Path) -> None:
    page.goto(scene.url)
    expect(page.get_by_test_id("media-card")).not_to_have_count(0)
    before = page.get_by_test_id("media-card").count()
    scene.services["ingest"].fault = Reset()
    page.get_by_test_id("file-input").set_input_files(sample_path)
    uploads = page.get_by_role("region", name="Uploads", exact=True)
    expect(uploads).to_be_visible()
    expect(uploads.get_by_text("Receiving is not available right now")).to_be_visible()
    expect(page.get_by_test_id("away")).to_have_count(0)
    show(page, tmp_path, "ingest")

    scene.services["ingest"].fault = Clear()
    expect(page.get_by_test_id("media-card")).to_have_count(before + 1, timeout=3 * BACK)


def test_without_auth_what_is_open_stays_and_what_is_opened_waits(scene: Scene, page: Page, tmp_path: Path) -> None:
    scene.services["auth"].fault = Reset()
    page.wait_for_timeout(3000)  # identities are believed for two seconds
    expect(words(page)).not_to_have_count(0)
    page.reload()
    expect(missing(page, "Signing in is")).to_be_visible()
    expect(page.get_by_label("Password")).to_have_count(0)  # nobody is taken for signed out
    assert urlsplit(page.url).path == urlsplit(scene.path).path
    show(page, tmp_path, "auth")

    scene.services["auth"].fault = Clear()
    expect(words(page)).not_to_have_count(0, timeout=BACK)
