"""Once, and the same answer again: the rules of Idempotency-Key against a model of them, on a real PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from libs import database
from libs.web import idempotency
from libs.web.idempotency import Once
from libs.web.problems import Conflict
from tests.factories.platform import wait_until
from tests.factories.services import Databases

OPERATION = "POST /v1/things"


@pytest.fixture
def kept(databases: Databases) -> Iterator[str]:
    """An empty table of keys; gives the database's URL."""
    url = databases.ready("stream")
    database.configure(url, pool=5)
    idempotency.configure("s" * 32)
    yield url
    database.dispose()


@dataclass(frozen=True)
class Thing:
    id: UUID
    name: str


class Cut(Exception):
    """The process died before its transaction was committed."""


def once(key: str = "k", body: object = None, owner: int = 1) -> Once:
    return Once(UUID(int=owner), OPERATION, key, {"path": "/v1/things", "body": body})


def make(request: Once, *, cut: bool = False) -> Thing:
    """An operation, as services write them."""
    with database.transaction() as session:
        known = request.remembered(session, Thing)
        if known is not None:
            return known
        made = request.remember(session, Thing(uuid4(), "a thing"))
        if cut:
            raise Cut
        return made


def pass_time(hours: float, key: str = "k", owner: int = 1) -> None:
    with database.transaction() as session:
        session.execute(
            text(
                "UPDATE idempotency_keys SET created_at = created_at - :age * interval '1 hour' WHERE owner_id = :owner"
            ),
            {"age": hours, "owner": UUID(int=owner)},
        )


def count() -> int:
    with database.transaction() as session:
        return int(session.execute(text("SELECT count(*) FROM idempotency_keys")).scalar_one())


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("send"), st.sampled_from(["a", "b"]), st.sampled_from([1, 2]), st.sampled_from("xy"), st.booleans()
        ),
        st.tuples(st.just("wait"), st.sampled_from([1, 2]), st.sampled_from([5.0, 12.0, 24.0])),
        st.tuples(st.just("tidy")),
    ),
    max_size=25,
)


@given(steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_in_whatever_order_it_is_had_once_in_24_hours(kept: str, steps: list[Any]) -> None:
    known: dict[tuple[str, int], tuple[str, Thing, float]] = {}  # a model: what was asked, the answer, its age in hours
    with database.transaction() as session:
        session.execute(text("TRUNCATE idempotency_keys"))
    for step in steps:
        match step:
            case ("send", key, owner, body, cut):
                asked, answer, age = known.get((key, owner), ("", None, 24.0))
                request = once(key, body, owner)
                if age < 24 and asked != body:
                    with pytest.raises(Conflict) as refused:
                        make(request, cut=cut)
                    assert refused.value.code == "idempotency_key_reused"
                elif age < 24:
                    assert make(request, cut=cut) == answer
                    assert request.replayed
                elif cut:
                    with pytest.raises(Cut):
                        make(request, cut=True)
                else:
                    made = make(request)
                    assert not request.replayed
                    assert made not in [answer for _, answer, _ in known.values()]
                    known[key, owner] = (body, made, 0.0)
            case ("wait", owner, hours):
                pass_time(hours, owner=owner)
                known = {
                    mine: (asked, answer, age + hours * (mine[1] == owner))
                    for mine, (asked, answer, age) in known.items()
                }
            case _:
                idempotency.tidy()
                known = {mine: found for mine, found in known.items() if found[2] < 24}
                assert count() == len(known)


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
contents = st.recursive(
    plain, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4))
)


def turned(content: Any) -> Any:
    """The same content with the members of its objects in another order."""
    if isinstance(content, dict):
        return {name: turned(content[name]) for name in reversed(content)}
    return [turned(part) for part in content] if isinstance(content, list) else content


def fingerprint(body: bytes) -> bytes:
    return once(body=idempotency._understood(body))._fingerprint


@given(contents, contents)
def test_a_request_is_known_by_what_it_says_not_by_how_it_is_spelt(content: Any, other: Any) -> None:
    spelt = fingerprint(json.dumps(content).encode())
    assert fingerprint(json.dumps(turned(content), indent=3, ensure_ascii=False).encode("utf-8", "replace")) == spelt
    if json.dumps(content, sort_keys=True) != json.dumps(other, sort_keys=True):
        assert fingerprint(json.dumps(other).encode()) != spelt


def test_path_and_body_make_a_request_another_one() -> None:
    one = once(body={"x": 1})
    assert one._fingerprint != one.about(path="/v1/other")._fingerprint
    assert fingerprint(b"no json") != fingerprint(b"no json either")


def test_a_duplicate_gets_the_answer_of_the_one_that_is_under_way(kept: str) -> None:
    answers: list[Thing] = []
    with database.transaction() as session:
        first = once()
        assert first.remembered(session, Thing) is None
        second = threading.Thread(target=lambda: answers.append(make(once())))
        second.start()
        until_waiting(kept)
        thing = first.remember(session, Thing(uuid4(), "the first"))
    second.join(10)
    assert answers == [thing]


def test_a_duplicate_takes_over_from_one_that_failed(kept: str) -> None:
    answers: list[Thing] = []
    second = threading.Thread(target=lambda: answers.append(make(once())))

    def first() -> None:
        with database.transaction() as session:
            assert once().remembered(session, Thing) is None
            second.start()
            until_waiting(kept)
            raise Cut

    with pytest.raises(Cut):
        first()
    second.join(10)
    assert [answer.name for answer in answers] == ["a thing"]
    assert make(once()) == answers[0]


def until_waiting(url: str) -> None:
    """Return when another transaction waits for a lock."""
    with psycopg.connect(url, autocommit=True) as looking:
        asked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: looking.execute(asked).fetchone() != (0,), 5)


def test_other_locks_are_waited_for_as_ever(kept: str) -> None:
    with database.transaction() as session:
        once().remembered(session, Thing)
        assert session.execute(text("SHOW lock_timeout")).scalar_one() == "0"


def test_an_operation_that_forgets_to_remember_is_found_out(kept: str) -> None:
    with database.transaction() as session:
        once().remembered(session, Thing)
    with pytest.raises(RuntimeError, match="remembered no answer"):
        make(once())


def test_forgetting_leaves_alone_what_somebody_is_at(kept: str) -> None:
    make(once("a"))
    make(once("b"))
    pass_time(24)
    with database.transaction() as session:
        assert once("a").remembered(session, Thing) is None  # taken over, and not committed yet
        idempotency.tidy()
        once("a").remember(session, Thing(uuid4(), "new"))
    assert count() == 1
    assert make(once("a")).name == "new"


def test_looking_before_takes_nothing(kept: str) -> None:
    assert once().already(Thing) is None
    assert count() == 0
    thing = make(once())
    assert once().already(Thing) == thing
    pass_time(24)
    assert once().already(Thing) is None
