"""A newcomer's first ten minutes, in a real browser: from signing up to a friend who watches the clip."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PIPELINE = 240_000  # milliseconds, from dropping the recording to its clip on a slow machine
STAGES = ("receive", "check", "transcribe", "find", "render")

DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name));
  for (const kind of ['dragover', 'drop'])
    document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: carried }));
}"""


def test_from_sign_up_to_a_friend_who_watches(
    platform: str, browser: Browser, context: BrowserContext, page: Page, sample_path: Path, tmp_path: Path
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=platform)
    page.goto(platform)
    sign_up(page)
    expect(page.get_by_text("Your recordings will live here")).to_be_visible()

    ask_for_one_short_clip(page)
    drop(page, sample_path)
    card = page.get_by_test_id("media-card")
    expect(card).to_have_count(1)
    card.get_by_role("link").click()
    stages = page.get_by_test_id("stages")
    for name in STAGES:
        expect(stages.locator(f'[data-stage="{name}"]')).to_have_attribute("data-state", "done", timeout=PIPELINE)

    hear_a_word(page)
    put_words_right(page, tmp_path)
    find_what_was_said(page, tmp_path)
    expect(page.get_by_test_id("moments").get_by_role("listitem")).not_to_have_count(0)
    expect(page.get_by_test_id("moments").get_by_text(re.compile(r"\d:\d\d – \d:\d\d"))).to_be_visible()

    clip = page.get_by_test_id("clip")
    expect(clip).to_have_attribute("data-status", "ready", timeout=PIPELINE)
    clip.get_by_role("button", name=re.compile("^Play ")).click()
    expect_to_play(page.get_by_test_id("clip-player"))
    page.keyboard.press("Escape")

    clip.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("The link is copied")).to_be_visible()
    a_friend_watches(browser, page.evaluate("navigator.clipboard.readText()"))


def test_an_account_is_refused_in_words(platform: str, page: Page) -> None:
    page.goto(platform)
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.get_by_label("Password").fill("not the password")
    page.locator("button[type=submit]").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    expect(page.get_by_label("E-mail")).to_have_value("nobody@example.org")


def test_a_file_that_is_no_recording_says_why(platform: str, page: Page, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("These are only words.\n" * 200)
    page.goto(platform)
    sign_up(page)
    drop(page, notes)
    card = page.get_by_test_id("media-card")
    expect(card).to_have_attribute("data-status", "rejected", timeout=60_000)
    expect(card.locator(".card-problem")).not_to_be_empty()


def test_a_broken_upload_goes_on_after_a_reload(platform: str, page: Page, sample_path: Path) -> None:
    page.goto(platform)
    sign_up(page)
    page.route(
        "**/api/v1/uploads/*", lambda route: route.abort() if route.request.method == "PATCH" else route.fallback()
    )
    # The first bytes go out only after the browser has noted where the upload lies.
    with page.expect_request(lambda request: request.method == "PATCH"):
        page.get_by_test_id("file-input").set_input_files(sample_path)
    uploads = page.get_by_role("region", name="Uploads", exact=True)
    expect(uploads).to_be_visible()
    uploads.get_by_role("button", name="Pause").click()

    page.reload()
    page.unroute("**/api/v1/uploads/*")
    left = page.get_by_role("region", name="Unfinished uploads")
    expect(left.get_by_text(sample_path.name)).to_be_visible()
    left.get_by_label(f"Choose {sample_path.name} again").set_input_files(sample_path)
    expect(left).not_to_be_visible()
    # One recording, not two: it was continued.
    expect(page.get_by_test_id("media-card")).to_have_count(1)
    expect(page.get_by_test_id("media-card")).not_to_have_attribute("data-status", "receiving", timeout=60_000)


def sign_up(page: Page) -> None:
    """Make an account that nobody else has."""
    page.get_by_role("button", name="Sign up").click()
    page.get_by_label("E-mail").fill(f"{page.evaluate('crypto.randomUUID()')}@example.org")
    page.get_by_label("Password").fill("a few words are best")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()


def ask_for_one_short_clip(page: Page) -> None:
    """Set the wishes that go with the next recording."""
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Clips", exact=True).fill("1")
    page.get_by_label("Length").select_option(label="Short, 8 to 30 s")


def drop(page: Page, path: Path) -> None:
    """Drop a file onto the page, as from a file manager."""
    page.evaluate(DROP, [path.name, b64encode(path.read_bytes()).decode()])


def hear_a_word(page: Page) -> None:
    """Click a word of the transcript: the player goes there."""
    word = page.get_by_test_id("transcript").locator(".word").nth(5)
    start = float(word.get_attribute("data-start") or "nan")
    assert start > 0
    word.click()
    player = page.get_by_test_id("player")
    expect_to_play(player, beyond=start)
    assert player.evaluate("(media) => media.currentTime") < start + 5
    player.evaluate("(media) => media.pause()")


def put_words_right(page: Page, pictures: Path) -> None:
    """Correct a sentence, name its speaker, split it, and take back the last of that. All of it outlives a reload."""
    transcript = page.get_by_role("region", name="Transcript")
    edit = transcript.get_by_role("button", name="Edit the transcript")
    edit.click()
    segments = page.get_by_test_id("transcript").locator("[data-segment]")
    segments.first.locator("p").click()
    words = transcript.get_by_label("Words")
    words.fill("These words were put right by hand.")
    words.press("Enter")
    expect(segments.first.locator("p")).to_have_text(re.compile("These words were put right by hand."))

    segments.first.get_by_role("button", name=re.compile("^Who says this")).click()
    transcript.get_by_role("button", name=re.compile("^Rename")).click()
    transcript.get_by_label("Name of the speaker").fill("Ada Reader")
    transcript.get_by_label("Name of the speaker").press("Enter")
    expect(segments.first.get_by_role("button", name="Who says this: Ada Reader")).to_be_visible()

    count = segments.count()
    segments.first.locator("p").click()
    words.press("ControlOrMeta+Home")
    for _ in "These words ":
        words.press("ArrowRight")
    transcript.get_by_role("button", name="Split here").click()
    expect(segments).to_have_count(count + 1)
    transcript.get_by_role("button", name="Undo").click()
    expect(segments).to_have_count(count)
    transcript.get_by_label("Reviewed").click()
    expect(transcript.get_by_label("Reviewed")).to_be_checked()  # once the server says so

    page.reload()
    expect(page.get_by_test_id("transcript").locator(".segment p").first).to_have_text(re.compile("put right by hand"))
    expect(page.get_by_test_id("transcript").get_by_text("Ada Reader").first).to_be_visible()
    edit.click()
    expect(transcript.get_by_label("Reviewed")).to_be_checked()
    segments.first.locator("p").click()
    page.screenshot(path=pictures / "words.png")
    words.press("Escape")
    segments.first.get_by_role("button", name=re.compile("^Who says this")).click()
    expect(transcript.get_by_role("button", name="Somebody new says this")).to_be_visible()
    page.screenshot(path=pictures / "speakers.png")
    page.keyboard.press("Escape")
    edit.click()


def find_what_was_said(page: Page, pictures: Path) -> None:
    """Search the library for a word of a recording: the sentence leads to the moment."""
    here = page.url
    page.get_by_role("link", name="Library", exact=True).first.click()
    page.get_by_label("Search titles and words").fill("hands")
    said = page.get_by_role("region", name="Said in your recordings")
    expect(said.locator("mark")).to_have_text("hand.")
    page.screenshot(path=pictures / "said.png")
    said.get_by_role("link").click()
    expect(page).to_have_url(re.compile(re.escape(here) + r"\?at="))
    page.wait_for_function("() => document.querySelector('[data-testid=player]').currentTime > 0")
    assert page.get_by_test_id("player").evaluate("(media) => media.paused")
    page.goto(here)


def a_friend_watches(browser: Browser, link: str) -> None:
    """Open a share link where nobody is signed in, and play."""
    elsewhere = browser.new_context()
    try:
        page = elsewhere.new_page()
        page.goto(link)
        video = page.locator("video")
        video.evaluate("(media) => { media.muted = true; return media.play(); }")
        expect_to_play(video)
    finally:
        elsewhere.close()


def expect_to_play(media: Locator, beyond: float = 0.0) -> None:
    """Wait until a video or sound plays on past a position, in seconds."""
    media.page.wait_for_function(
        "([media, beyond]) => media.currentTime > beyond + 0.2 && media.readyState >= 2",
        arg=[media.element_handle(), beyond],
    )
