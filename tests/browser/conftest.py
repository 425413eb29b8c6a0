"""A real browser for the walks through the web app, and the platform that they walk through."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright

from tests.factories.platform import running_platform

SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MAC_BROWSER = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
INSTALL_LIMIT = 300  # seconds


@pytest.fixture(scope="session")
def platform() -> Iterator[str]:
    """The address of a running platform."""
    with (
        TemporaryDirectory(prefix="clipstead-") as folder,
        running_platform(Path(folder) / "home") as running,
    ):
        yield running.url


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """Eleven seconds of real speech."""
    return Path(__file__).resolve().parents[1] / "data" / "speech" / "kennedy.flac"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium that plays the platform's clips: the system's, else Playwright's, else Debian's package."""
    with sync_playwright() as playwright:
        found = _system(playwright) or _playwrights(playwright) or _debians(playwright)
        if found is None:
            pytest.skip("no Chromium that plays H.264: none is installed, none could be fetched (see README, tests)")
        yield found
        found.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A signed-out visitor on a laptop. Any error of the page's own scripts fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    broken: list[str] = []
    context.on("weberror", lambda event: broken.append(str(event.error)))
    yield context
    context.close()
    assert broken == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty tab."""
    expect.set_options(timeout=15_000)
    return context.new_page()


def _system(playwright: Playwright) -> Browser | None:
    names = filter(None, map(shutil.which, SYSTEM_BROWSERS))
    candidates = [*names, *([str(MAC_BROWSER)] if MAC_BROWSER.exists() else [])]
    return next(filter(None, (_launched(playwright, path) for path in candidates)), None)


def _playwrights(playwright: Playwright) -> Browser | None:
    """The one that Playwright brings; fetched if it is not there yet and its server answers."""
    if not Path(playwright.chromium.executable_path).exists():
        _succeeds(sys.executable, "-m", "playwright", "install", "chromium")
    return _launched(playwright, None)


def _debians(playwright: Playwright) -> Browser | None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    _succeeds("apt-get", "update")
    _succeeds("apt-get", "install", "--yes", "--no-install-recommends", "chromium")
    return _system(playwright)


def _launched(playwright: Playwright, executable: str | None) -> Browser | None:
    """Start a browser; None if it does not start or can't play what the platform makes."""
    try:
        # The sandbox needs user namespaces, which root in a container does not have; only our own pages are opened.
        browser = playwright.chromium.launch(executable_path=executable, args=QUIET, chromium_sandbox=False)
    except Error:
        return None
    page = browser.new_page()
    playable = page.evaluate(
        "document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.640028, mp4a.40.2\"')"
    )
    page.close()
    if playable:
        return browser
    browser.close()
    return None


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=INSTALL_LIMIT, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
