"""Mails go out over real SMTP, are tried again, or become files where there is no server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email import message_from_bytes, message_from_string, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from infra.onehost.servers import free_port
from tests.factories.services import UnderTest
from tests.services.auth.people import code_of, sign_up


class Postbox:
    """An SMTP server's side: what came in, and what it answers to the recipient (None: it takes the mail)."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer: str | None = None

    async def handle_RCPT(  # noqa: N802  aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.answer is not None:
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(
            (envelope.mail_from, envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 OK"


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, int]]:
    box, port = Postbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def smtp(port: int) -> dict[str, str]:
    return {
        "CLIPSTEAD_SMTP_URL": f"smtp://127.0.0.1:{port}?tls=off",
        "CLIPSTEAD_EMAIL_SENDER_ADDRESS": "hello@clips.example.org",
    }


def test_a_mail_reaches_the_server_in_words_and_in_html(
    start: Callable[..., UnderTest], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    auth = start("auth", **smtp(port))
    sign_up(auth, display_name="Anna <b>&</b>")
    assert auth.do_jobs() == 1
    [(sender, recipients, mail)] = box.mails
    assert (sender, recipients) == ("hello@clips.example.org", ["anna@example.org"])
    assert mail["From"] == "Clipstead <hello@clips.example.org>"
    assert mail["Subject"] == "Confirm your e-mail address"
    code = code_of(mail)
    html = mail.get_body(("html",)).get_content()
    assert f"#code={code}" in html
    assert "Anna &lt;b&gt;&amp;&lt;/b&gt;" in html
    assert "Anna <b>&</b>" in mail.get_body(("plain",)).get_content()
    assert auth.rows("SELECT how, body, sent_at IS NOT NULL FROM mails") == [("smtp", None, True)]
    assert auth.do_jobs() == 0


def test_a_server_that_is_away_or_busy_is_asked_again(
    start: Callable[..., UnderTest], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    box.answer = "450 4.2.1 the mailbox is busy"
    auth = start("auth", **smtp(port))
    sign_up(auth)
    assert auth.do_jobs() == 1
    assert box.mails == []
    assert auth.rows("SELECT state FROM jobs") == [("queued",)]
    box.answer = None
    auth.execute("UPDATE jobs SET run_after = clock_timestamp()")
    assert auth.do_jobs() == 1
    assert len(box.mails) == 1


def test_a_refusal_for_good_is_told_and_not_repeated(
    start: Callable[..., UnderTest], postbox: tuple[Postbox, int]
) -> None:
    box, port = postbox
    box.answer = "550 5.1.1 no such user here"
    auth = start("auth", **smtp(port))
    sign_up(auth)
    assert auth.do_jobs() == 1
    [(state, problem)] = auth.rows("SELECT state, (SELECT problem FROM mails) FROM jobs")
    assert state == "failed"
    assert "no such user here" in problem
    assert auth.do_jobs() == 0


def test_without_a_server_a_mail_is_a_file(start: Callable[..., UnderTest]) -> None:
    auth = start("auth")
    sign_up(auth)
    assert auth.do_jobs() == 1
    [file] = (auth.home / "mails").glob("*.eml")
    mail = message_from_string(file.read_text(), policy=policy.default)
    assert mail["To"] == "anna@example.org"
    assert len(code_of(mail)) >= 40
    assert auth.rows("SELECT how FROM mails") == [("file",)]


def test_no_name_adds_a_header(start: Callable[..., UnderTest]) -> None:
    auth = start("auth")
    from libs import database
    from services.auth.operations import mailing

    with database.transaction() as session, pytest.raises(ValueError, match=r"linefeed|newline|CR|LF|header"):
        mailing.send(session, "address-changed", "a@example.org\r\nBcc: x@example.org", now="x")
    assert auth.rows("SELECT 1 FROM mails") == []
