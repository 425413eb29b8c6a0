"""Slows down who guesses, and locks nobody out for good.

Failures are counted for an e-mail address together with the network that they came from (an IPv4 /24, an IPv6 /64): after a
few, that network waits, longer each time. A second count, for the address alone, stops many networks from taking turns; it
lets those networks pass from which the owner was signed in before, so that an attack keeps the attacker out and not the
owner. All counts are forgotten after a quiet while, and a password that was reset by mail clears them.
Unknown addresses are counted in the same way: being slowed down tells nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import IPv4Address, ip_address, ip_network

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as Transaction

from libs import database
from libs.web.problems import TooManyRequests
from services.auth.models import Session, Throttle, User

__all__ = ["check", "clear", "failed", "forget_old", "network_of"]

FREE, FREE_ALONE = 5, 50  # failures before waiting begins: of one network, and of all together
LONGEST = 900.0  # seconds
QUIET = timedelta(hours=1)  # without a failure: then counting starts anew


def network_of(address: str) -> str:
    """Whose address it is, roughly: what one household or office, and nobody else, has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 24 if isinstance(parsed, IPv4Address) else 64), strict=False))


def check(session: Transaction, what: str, claimed: str, address: str = "") -> None:
    """Raise TooManyRequests while whoever claims this has to wait. ``what`` names the thing that is guessed at."""
    keys = _keys(what, claimed, address)
    rows = session.execute(
        select(Throttle.key, func.extract("epoch", Throttle.blocked_until - database.now())).where(
            Throttle.key.in_(keys), Throttle.blocked_until > database.now()
        )
    ).all()
    waits = {key: float(wait) for key, wait in rows}
    if keys[-1] in waits and len(keys) > 1 and _is_familiar(session, claimed, address):
        del waits[keys[-1]]
    if waits:
        wait = max(1, round(max(waits.values())))
        raise TooManyRequests(
            f"Too many attempts failed. Please try again in {wait} seconds.",
            code="slow_down",
            headers={"Retry-After": str(wait)},
        )


def failed(session: Transaction, what: str, claimed: str, address: str = "") -> None:
    """Count a failure."""
    keys = _keys(what, claimed, address)
    limits = (FREE, FREE_ALONE) if len(keys) > 1 else (FREE,)
    for key, free in zip(keys, limits, strict=True):
        failures = case((Throttle.last_at < database.now() - QUIET, 1), else_=Throttle.failures + 1)
        over = func.least(failures - free, 20)
        wait = func.least(LONGEST, func.power(2.0, over))
        blocked = case((failures > free, database.now() + func.make_interval(0, 0, 0, 0, 0, 0, wait)))
        session.execute(
            insert(Throttle)
            .values(key=key, failures=1)
            .on_conflict_do_update(
                index_elements=[Throttle.key],
                set_={"failures": failures, "last_at": database.now(), "blocked_until": blocked},
            )
        )


def clear(session: Transaction, what: str, claimed: str, address: str = "") -> None:
    """Forget the failures: the right thing was proved."""
    session.execute(delete(Throttle).where(Throttle.key.in_(_keys(what, claimed, address))))


def forget_old() -> None:
    """Remove counts that no longer count."""
    with database.transaction() as session:
        session.execute(delete(Throttle).where(Throttle.last_at < database.now() - 24 * QUIET))


def _keys(what: str, claimed: str, address: str) -> list[bytes]:
    """By network first, and the claim alone last; without an address only that."""
    parts: Iterable[str] = [f"{what} {claimed} {network_of(address)}", f"{what} {claimed}"]
    return [hashlib.sha256(part.encode()).digest() for part in (parts if address else list(parts)[1:])]


def _is_familiar(session: Transaction, email: str, address: str) -> bool:
    """Whether the owner of an address was, or is, signed in from this network."""
    known = session.scalars(
        select(Session.address).join(User, User.id == Session.user_id).where(User.email == email, Session.address != "")
    )
    wanted = network_of(address)
    return any(network_of(one) == wanted for one in known)
