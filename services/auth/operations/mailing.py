"""Mails: written in the transaction of what they tell of, sent afterwards by the worker, as often as it takes.

Where no SMTP server is configured, a mail becomes an ``.eml`` file below ``<home>/mails`` and can be read in the admin
console, so that whoever tries Clipstead on one machine gets their codes too.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session as Transaction

from libs import bus, database
from libs.bus import Job, JobFailed, Lease
from libs.patience import TryLater
from libs.telemetry import log
from libs.web.problems import NotFound
from services.auth import sealing
from services.auth.models import Mail
from services.auth.settings import settings

__all__ = ["KIND", "MailView", "deliver", "forget_old", "mails", "opened", "send", "undeliverable"]

KIND = "mail"
TEMPLATES = Path(__file__).resolve().parents[1] / "mails"
KEPT = timedelta(days=7)  # of a mail's words, which may hold a code that is long over
PATIENCE = 20.0  # seconds that an SMTP server gets for each answer


class MailRefused(JobFailed):
    """The server does not want this mail, and will not want it later."""


@dataclass(frozen=True)
class MailView:
    """A mail as administrators see it; the words are None once they were forgotten."""

    id: UUID
    recipient: str
    subject: str
    how: str | None
    problem: str | None
    created_at: datetime
    sent_at: datetime | None
    text: str | None = None


def send(session: Transaction, template: str, to: str, *, user_id: UUID | None = None, **facts: Any) -> UUID:
    """Write a mail, to be sent once this transaction is committed. Returns its id.

    ``mails/<template>.txt`` begins with the subject, an empty line, and then the text; ``.html`` is the same for those who
    read that. ``facts`` fill both in.
    """
    known = {"platform": settings().public_url, "to": to, **facts}
    subject, _, text = _templates().get_template(f"{template}.txt").render(known).partition("\n\n")
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = settings().sender
    message["To"] = to
    message["Subject"] = " ".join(subject.split())  # a fact that somebody chose must not add a header
    message["Date"] = format_datetime(session.scalars(select(database.now())).one())
    message["Message-ID"] = make_msgid(domain=urlsplit(settings().public_url).hostname or "clipstead")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    message.add_alternative(_templates().get_template(f"{template}.html").render(known), subtype="html")
    mail = Mail(user_id=user_id, recipient=to, subject=message["Subject"], body=sealing.sealed(message.as_bytes()))
    session.add(mail)
    session.flush()
    bus.enqueue(session, kind=KIND, subject=mail.id, owner=user_id)
    return mail.id


def deliver(lease: Lease) -> None:
    """Hand one mail to the SMTP server, or write it to a file where there is none. Sent twice at worst, lost never."""
    with database.transaction() as session:
        mail = session.get(Mail, lease.job.subject)
        if mail is None or mail.body is None or mail.sent_at is not None:
            return
        sender, recipient, content = settings().email_sender, mail.recipient, sealing.opened(mail.body)
    url = settings().smtp_url.get_secret_value()
    if url:
        _hand_over(url, sender, recipient, content)
    else:
        _write(lease.job.subject, content)
    with database.transaction() as session:
        lease.finish(session)
        sent = update(Mail).where(Mail.id == lease.job.subject)
        # What was sent is the recipient's alone; what nobody could send has to be read here.
        kept = {} if not url else {"body": None}
        session.execute(sent.values(sent_at=database.now(), how="smtp" if url else "file", problem=None, **kept))


def undeliverable(session: Transaction, job: Job, problem: JobFailed) -> None:
    """Note why a mail will not be sent."""
    session.execute(update(Mail).where(Mail.id == job.subject).values(problem=str(problem)))


def mails(limit: int, before: UUID | None = None) -> Sequence[MailView]:
    """The newest mails, without their words."""
    wanted = select(Mail).order_by(Mail.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(Mail.id < before)
    with database.transaction() as session:
        return [_view(mail) for mail in session.scalars(wanted)]


def opened(mail_id: UUID) -> MailView:
    """One mail with its text. Raises NotFound."""
    with database.transaction() as session:
        mail = session.get(Mail, mail_id)
        if mail is None:
            raise NotFound
        return _view(mail, None if mail.body is None else _text(sealing.opened(mail.body)))


def forget_old() -> None:
    """Remove mails that are long over, and their files."""
    with database.transaction() as session:
        gone = session.scalars(delete(Mail).where(Mail.created_at < database.now() - KEPT).returning(Mail.id)).all()
    for mail_id in gone:
        _file(mail_id).unlink(missing_ok=True)


def _hand_over(url: str, sender: str, recipient: str, content: bytes) -> None:
    parts = urlsplit(url)
    plain = parse_qs(parts.query).get("tls") == ["off"]
    try:
        with _connected(parts.scheme, parts.hostname or "localhost", parts.port) as server:
            if parts.scheme == "smtp" and not plain:
                server.starttls(context=ssl.create_default_context())
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.sendmail(sender, [recipient], content)
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise _refusal(code, words) from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise TryLater(f"mail: {error}") from error


def _connected(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=PATIENCE, context=ssl.create_default_context())
    return smtplib.SMTP(host, port or 587, timeout=PATIENCE)


def _refusal(code: int, words: bytes | str) -> Exception:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz must not."""
    said = f"{code} {words.decode(errors='replace') if isinstance(words, bytes) else words}"
    return TryLater(f"mail: {said}") if code < 500 else MailRefused("mail_refused", f"The mail server said: {said}")


def _write(mail_id: UUID, content: bytes) -> None:
    path = _file(mail_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".part")
    fresh.write_bytes(content)
    fresh.replace(path)
    log.info("mail written to a file, since no SMTP server is configured", extra={"file": str(path)})


def _file(mail_id: UUID) -> Path:
    return settings().home / "mails" / f"{mail_id}.eml"


def _text(content: bytes) -> str:
    part = message_from_bytes(content, policy=policy.default).get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


def _view(mail: Mail, text: str | None = None) -> MailView:
    return MailView(mail.id, mail.recipient, mail.subject, mail.how, mail.problem, mail.created_at, mail.sent_at, text)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
