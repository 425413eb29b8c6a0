"""``Idempotency-Key``: a creating request that is sent again has its effect once, and gets the first answer again.

The rules are Stripe's (https://docs.stripe.com/api/idempotent_requests). A key belongs to one person and one operation, for
24 hours by the database's clock. The answer is remembered **in the transaction of the effect**, so that there is never one
without the other, and nothing is remembered of a request that had no effect. An operation reads like this::

    with database.transaction() as session:
        known = once.remembered(session, ShareLink)
        if known is not None:
            return known
        ...  # the effect
        return once.remember(session, link)

What is remembered is what the operation returns: the API shapes the same answer of it as the first time. It is sealed with
a secret of the service's and the key of the client's, so that a copy of the database tells neither links nor API keys.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeVar
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Depends, Header, Request, Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from sqlalchemy import (
    Column,
    Index,
    Interval,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    cast,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.datastructures import MutableHeaders

from libs import database
from libs.telemetry import log
from libs.web.access import Caller
from libs.web.problems import Conflict

__all__ = [
    "HEADER",
    "REPLAYED",
    "TIDY_EVERY",
    "UNKEYED",
    "Keyed",
    "Once",
    "configure",
    "create_table",
    "forget_old",
    "metadata",
    "tidy",
]

T = TypeVar("T")

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"  # on answers given again, as Stripe names it
LONGEST = 255  # characters of a key
KEPT = cast(literal("24 hours"), Interval)
WAIT = "3s"  # that a duplicate waits for the first of its kind
TIDY_EVERY = 3600.0  # seconds between two rounds of forgetting
BATCH = 1000  # keys forgotten in one transaction
NONCE = 12  # bytes (NIST SP 800-38D)
LOCK_NOT_AVAILABLE = "55P03"
NOBODY = UUID(int=0)

metadata = MetaData()

# A row that others can see has its answer: it was committed with the effect. So there is no column for a state.
keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner_id", Uuid, primary_key=True),
    Column("operation", Text, primary_key=True),  # method and route template
    Column("key_hash", LargeBinary, primary_key=True),  # SHA-256: the key itself helps to open the answer
    Column("fingerprint", LargeBinary, nullable=False),  # SHA-256 of what was asked for
    Column("answer", LargeBinary),  # sealed; NULL only inside of the transaction that makes it
    Column("created_at", database.Timestamp, nullable=False, server_default=func.clock_timestamp()),
    Index("ix_idempotency_keys_created_at", "created_at"),
)


def create_table(op: Any) -> None:
    """Make the table in a migration of a service that has creating requests (``op`` is Alembic's)."""
    metadata.create_all(op.get_bind(), checkfirst=False)


class _Runtime:
    """What this process seals answers with."""

    secret: bytes = b""


def configure(secret: str) -> None:
    """Seal this process's answers with a secret of the service's; answers sealed with another can't be given again."""
    _Runtime.secret = secret.encode()


@dataclass(frozen=True)
class Once:
    """A creating request that may come again. Without a key, remembering does nothing and every request is the first."""

    owner: UUID = NOBODY
    operation: str = ""
    key: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # all that makes a request another one
    headers: MutableHeaders = field(default_factory=MutableHeaders)  # of the answer

    def about(self, **facts: Any) -> Once:
        """The same with more of what was asked for: what a route takes otherwise than as its JSON body."""
        return replace(self, facts={**self.facts, **facts})

    @property
    def replayed(self) -> bool:
        """Whether the answer is one that was remembered."""
        return REPLAYED in self.headers

    def remembered(self, session: Session, kind: type[T]) -> T | None:
        """Take the key for the caller's transaction, or return the answer to an earlier request under it.

        The first one gets None, and has to ``remember``. A duplicate under way at the same time waits until the first one's
        transaction has ended, for three seconds at most. Raises Conflict: ``idempotency_key_reused`` where the key came
        with another request, ``idempotency_in_progress``, and ``idempotency_answer_lost``.
        """
        if self.key is None or self._take(session):
            return None
        return self._known(session, kind)

    def already(self, kind: type[T]) -> T | None:
        """Look for an answer in a transaction of its own, for operations that ask others before they open theirs.

        It takes nothing: ``remembered`` has to follow. Raises Conflict as that does.
        """
        if self.key is None:
            return None
        with database.transaction() as session:
            return self._known(session, kind)

    def remember(self, session: Session, answer: T) -> T:
        """Remember the answer in the transaction of its effect, and return it."""
        if self.key is not None:
            session.execute(update(keys).where(*self._mine()).values(answer=self._sealed(answer)))
        return answer

    def _take(self, session: Session) -> bool:
        """Insert the key, or take over one that is over. False: somebody else's transaction had it, and has committed."""
        wanted = insert(keys).values(
            owner_id=self.owner, operation=self.operation, key_hash=self._key_hash, fingerprint=self._fingerprint
        )
        wanted = wanted.on_conflict_do_update(
            index_elements=[keys.c.owner_id, keys.c.operation, keys.c.key_hash],
            set_={"fingerprint": wanted.excluded.fingerprint, "answer": None, "created_at": database.now()},
            where=keys.c.created_at <= _horizon(),
        )
        session.execute(text(f"SET LOCAL lock_timeout = '{WAIT}'"))
        try:
            taken = session.execute(wanted.returning(keys.c.owner_id)).first()
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                raise
            raise Conflict(
                "The first request with this Idempotency-Key is still being worked on. Try again in a moment.",
                code="idempotency_in_progress",
                headers={"Retry-After": "1"},
            ) from error
        session.execute(text("SET LOCAL lock_timeout = DEFAULT"))
        return taken is not None

    def _known(self, session: Session, kind: type[T]) -> T | None:
        wanted = select(keys.c.fingerprint, keys.c.answer).where(*self._mine(), keys.c.created_at > _horizon())
        row = session.execute(wanted).first()
        if row is None:
            return None
        if row.fingerprint != self._fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request. Take a new key for what is new.",
                code="idempotency_key_reused",
            )
        answer = self._opened(row.answer, kind)
        self.headers[REPLAYED] = "true"
        log.info("a request came again, and got its answer again", extra={"operation": self.operation})
        return answer

    def _mine(self) -> tuple[Any, ...]:
        return (
            keys.c.owner_id == self.owner,
            keys.c.operation == self.operation,
            keys.c.key_hash == self._key_hash,
        )

    @property
    def _key_hash(self) -> bytes:
        return hashlib.sha256((self.key or "").encode()).digest()

    @property
    def _fingerprint(self) -> bytes:
        return hashlib.sha256(_canonical(self.facts)).digest()

    def _seal(self) -> AESGCM:
        if not _Runtime.secret:
            raise RuntimeError("libs.web.idempotency is not configured in this process")
        # Each row has a key of its own (HKDF, RFC 5869), which neither the database nor the service holds alone.
        context = _canonical(["idempotency", str(self.owner), self.operation, self.key])
        return AESGCM(HKDF(SHA256(), 32, salt=None, info=context).derive(_Runtime.secret))

    def _sealed(self, answer: object) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._seal().encrypt(nonce, to_json(answer), self._fingerprint)

    def _opened(self, sealed: bytes | None, kind: type[T]) -> T:
        """Open a sealed answer. After a change of the service's key, or of the answer's shape, it can't be."""
        if sealed is None:
            raise RuntimeError(f"{self.operation} took an Idempotency-Key and remembered no answer")
        try:
            plain = self._seal().decrypt(sealed[:NONCE], sealed[NONCE:], self._fingerprint)
            return TypeAdapter(kind).validate_json(plain)
        except (InvalidTag, ValidationError) as error:
            log.error("a remembered answer can't be opened", extra={"operation": self.operation})
            raise Conflict(
                "This was done before, but its answer can't be given again. Look at what is there before you repeat it "
                "under another Idempotency-Key.",
                code="idempotency_answer_lost",
            ) from error


UNKEYED = Once()
"""For calls that nobody repeats."""


def forget_old(session: Session) -> int:
    """Forget keys that are over, a batch at a time; those that somebody is at just now are left. Returns how many."""
    columns = (keys.c.owner_id, keys.c.operation, keys.c.key_hash)
    over = select(*columns).where(keys.c.created_at <= _horizon()).limit(BATCH).with_for_update(skip_locked=True)
    gone = session.execute(delete(keys).where(tuple_(*columns).in_(over)).returning(keys.c.owner_id))
    return len(gone.all())


def tidy() -> None:
    """Periodic: forget all keys that are over."""
    while True:
        with database.transaction() as session:
            if forget_old(session) < BATCH:
                return


def _horizon() -> Any:
    """Keys made before this are over."""
    return database.now() - KEPT


def _canonical(content: Any) -> bytes:
    """JSON in one spelling (as RFC 8785, but for numbers): the same for all that says the same."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode()


def _understood(body: bytes) -> Any:
    """A JSON body's content. What is none, the route refuses; until then, its bytes stand for it."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return hashlib.sha256(body).hexdigest()
    return content


async def _once(
    request: Request,
    response: Response,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=LONGEST,
            pattern="^[ -~]+$",
            description="A fresh random text for each thing to be made. The same request with the same key gets the first "
            "answer again (with the header Idempotent-Replayed: true) and has no second effect, for 24 hours.",
        ),
    ] = None,
) -> Once:
    """Read what makes this request the same as another one."""
    if idempotency_key is None:
        return UNKEYED
    route = request.scope["route"]
    facts: dict[str, Any] = {"path": request.url.path, "query": request.url.query}
    if route.body_field is not None:  # FastAPI has read it by now; any other body is a stream that is not ours to read
        facts["body"] = _understood(await request.body())
    operation = f"{request.method} {route.path}"
    return Once(caller.user_id, operation, idempotency_key, facts, response.headers)


Keyed = Annotated[Once, Depends(_once)]
"""For routes that create: the request's Idempotency-Key, to be handed to the operation."""
