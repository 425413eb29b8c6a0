"""Accounts and circles in a real browser: cookies, second factors, invitations, and the administrators' console."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.factories.identityprovider import IdentityProvider, identity_provider
from tests.factories.platform import running_platform

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

RULER = "ruler@example.org"
PASSWORD = "correct horse battery"
OTHER = "three unrelated words"
PIPELINE = 240_000  # milliseconds


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[IdentityProvider]:
    """A provider at which people have accounts."""
    with identity_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def ruled(elsewhere: IdentityProvider) -> Iterator[str]:
    """The address of a platform that has an administrator to be, and a provider to sign in with."""
    club = {
        "id": "club",
        "name": "Club",
        "discovery_url": f"{elsewhere.url}/.well-known/openid-configuration",
        "client_id": "clipstead",
        "client_secret": "s3cret",
    }
    with (
        TemporaryDirectory(prefix="clipstead-") as folder,
        running_platform(
            Path(folder) / "home",
            CLIPSTEAD_ADMIN_BOOTSTRAP_EMAIL=RULER,
            CLIPSTEAD_OIDC_PROVIDERS=json.dumps([club]),
        ) as running,
    ):
        yield running.url


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures of the pages go, to be looked at."""
    folder = Path(os.environ.get("CLIPSTEAD_TEST_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sign_up(page: Page, url: str, email: str) -> None:
    page.goto(f"{url}/#sign-up")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("button", name="Account", exact=True)).to_be_visible()


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("form").get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account", exact=True).click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_label("E-mail")).to_be_visible()


def show(page: Page, pictures: Path, name: str) -> None:
    page.screenshot(path=pictures / f"{name}.png", full_page=True)


def test_an_account_is_looked_after_and_a_second_factor_guards_it(
    ruled: str, context: BrowserContext, page: Page, pictures: Path
) -> None:
    page.goto(f"{ruled}/sign-in")
    show(page, pictures, "sign-in")
    sign_up(page, ruled, "anna@example.org")
    [cookie] = [one for one in context.cookies() if "clipstead" in one["name"]]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    assert "clipstead" not in page.evaluate("document.cookie")

    page.get_by_role("button", name="Account", exact=True).click()
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Anna")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(OTHER)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed")).to_be_visible()

    page.get_by_role("button", name="Set up").click()
    secret = (page.get_by_role("dialog").locator("code").text_content() or "").replace(" ", "")
    drawn = page.get_by_alt_text("QR code").evaluate("(image) => image.decode().then(() => image.naturalWidth)")
    assert drawn > 100
    show(page, pictures, "totp")
    totp = pyotp.TOTP(secret)
    page.get_by_label("Code").fill(totp.now())
    page.get_by_role("button", name="Take into use").click()
    codes = page.get_by_test_id("recovery-codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    recovery = codes.first.text_content() or ""
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_test_id("places").get_by_role("listitem")).to_have_count(1)
    show(page, pictures, "account")

    sign_out(page)
    sign_in(page, ruled, "anna@example.org", OTHER)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    show(page, pictures, "second-step")
    page.get_by_label("Code of your authenticator app").fill("000000")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Use a recovery code").click()
    page.get_by_label("A recovery code").fill(recovery)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Account", exact=True)).to_be_visible()


def test_a_passkey_signs_in_without_a_password(ruled: str, context: BrowserContext, page: Page, pictures: Path) -> None:
    device = context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    sign_up(page, ruled, "paula@example.org")
    page.goto(f"{ruled}/account")
    page.get_by_label("New passkey").fill("this laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_text("The passkey can be used from now on.")).to_be_visible()
    expect(page.get_by_text("this laptop")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("button", name="Account", exact=True)).to_be_visible()
    page.goto(f"{ruled}/account")
    expect(page.get_by_text("with a second factor")).to_be_visible()


def test_an_account_elsewhere_signs_in(
    ruled: str, elsewhere: IdentityProvider, context: BrowserContext, page: Page, pictures: Path
) -> None:
    elsewhere.bend(claims={"sub": "otto", "email": "otto@example.org", "email_verified": True, "name": "Otto"})
    page.goto(f"{ruled}/groups")
    page.get_by_role("link", name="Continue with Club").click()
    expect(page.get_by_role("heading", name="Groups")).to_be_visible()
    assert [one["httpOnly"] for one in context.cookies() if one["name"].endswith("clipstead")] == [True]
    page.goto(f"{ruled}/account")
    expect(page.get_by_test_id("identities").get_by_text("otto@example.org")).to_be_visible()
    show(page, pictures, "elsewhere")
    sign_out(page)

    # Whose address was proved is connected in their session, and not by what a provider says.
    elsewhere.bend(claims={"sub": "other", "email": "otto@example.org", "email_verified": True})
    page.get_by_role("link", name="Continue with Club").click()
    expect(page.get_by_text("Sign in to it with its password")).to_be_visible()


def test_a_circle_shows_its_members_and_nobody_else(
    ruled: str, browser: Browser, context: BrowserContext, page: Page, sample_path: Path, pictures: Path
) -> None:
    sign_up(page, ruled, "olga@example.org")
    page.get_by_role("link", name="Groups").click()
    page.get_by_label("Name", exact=True).fill("Sunday climbers")
    page.get_by_role("button", name="Make the group").click()
    expect(page.get_by_role("heading", name="Sunday climbers")).to_be_visible()
    group = page.url
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("link", exact=True).input_value()
    page.get_by_role("button", name="Done").click()

    page.get_by_role("link", name="Library").click()
    page.locator("input[type=file]").first.set_input_files(sample_path)
    card = page.get_by_test_id("media-card")
    expect(card).to_have_count(1)
    card.get_by_role("link").click()
    expect(page.get_by_test_id("player")).to_be_visible(timeout=PIPELINE)
    page.get_by_role("button", name=re.compile("^Seen by")).click()
    show(page, pictures, "who-sees")
    page.get_by_role("button", name="Sunday climbers").click()
    expect(page.get_by_text("The members of Sunday climbers see it now.")).to_be_visible()
    recording = page.url

    friends = browser.new_context()
    friend = friends.new_page()
    friend.goto(link)
    expect(friend.get_by_role("heading", name="olga invites you to Sunday climbers.")).to_be_visible()
    show(friend, pictures, "invited")
    friend.get_by_label("E-mail").fill("friend@example.org")
    friend.get_by_label("Password").fill(PASSWORD)
    friend.get_by_role("button", name="Create account").click()
    friend.get_by_role("link", name="Sunday climbers").click()
    friend.get_by_test_id("media-wall").get_by_role("link").click()
    friend.get_by_test_id("player").evaluate("async (media) => { media.muted = true; await media.play() }")
    friend.get_by_role("button", name="0 likes").click()
    expect(friend.get_by_role("button", name="1 like")).to_be_visible()
    show(friend, pictures, "watch")
    watched = friend.url

    page.get_by_role("button", name=re.compile("^Seen by")).click()
    page.get_by_role("button", name="Everybody here").click()
    expect(page.get_by_text("Everybody on this server sees it now.")).to_be_visible()
    friend.get_by_role("link", name="Explore").click()
    friend.get_by_role("searchbox").fill("kenn")
    expect(friend.get_by_test_id("media-wall").get_by_role("listitem")).to_have_count(1)
    show(friend, pictures, "explore")
    page.get_by_role("button", name=re.compile("^Seen by")).click()
    page.get_by_role("button", name="Sunday climbers").click()
    expect(page.get_by_role("button", name=re.compile("^Seen by: Sunday climbers"))).to_be_visible()

    page.goto(group)
    expect(page.get_by_test_id("members").get_by_role("listitem")).to_have_count(2)
    show(page, pictures, "group")
    page.get_by_role("button", name="Actions for friend").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_test_id("members").get_by_role("listitem")).to_have_count(1)
    for address in (watched, group, recording):
        friend.goto(address)
        expect(friend.get_by_text("There is nothing here")).to_be_visible()
    friends.close()


def test_an_administrator_finds_disables_and_reads(
    ruled: str, browser: Browser, context: BrowserContext, page: Page, pictures: Path
) -> None:
    others = browser.new_context()
    other = others.new_page()
    sign_up(other, ruled, "troll@example.org")
    expect(other.get_by_role("link", name="Administration")).to_have_count(0)

    sign_up(page, ruled, RULER)
    page.get_by_role("link", name="Administration").click()
    page.get_by_role("searchbox").fill("troll")
    people = page.get_by_test_id("person")
    expect(people).to_have_count(1)
    page.get_by_role("button", name="Actions for troll").click()
    show(page, pictures, "admin-people")
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled just now")).to_be_visible()
    other.goto(f"{ruled}/account")
    expect(other.get_by_label("E-mail")).to_be_visible()
    other.get_by_label("E-mail").fill("troll@example.org")
    other.get_by_label("Password").fill(PASSWORD)
    other.locator("form").get_by_role("button", name="Sign in").click()
    expect(other.get_by_text("This account was disabled by an administrator.")).to_be_visible()
    others.close()

    page.get_by_role("link", name="Mails").click()
    page.get_by_test_id("mails").get_by_role("listitem").filter(has_text="troll@").get_by_role(
        "button", name="Read"
    ).click()
    expect(page.get_by_role("dialog").get_by_text(re.compile(r"/verify#code="))).to_be_visible()
    show(page, pictures, "admin-mail")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Rules").click()
    page.get_by_label("New accounts").select_option("closed")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("The rules hold from now on.")).to_be_visible()
    show(page, pictures, "admin-rules")
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_test_id("audit").get_by_text("user.disabled")).to_be_visible()
    show(page, pictures, "admin-audit")

    sign_out(page)
    page.get_by_role("button", name="Sign up").click()
    page.get_by_label("E-mail").fill("late@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("This server takes no new accounts.")).to_be_visible()
