"""The breaker and the pauses between tries."""

from __future__ import annotations

from libs.patience import Breaker, backoff


def test_a_breaker_rests_and_then_tries_once() -> None:
    breaker = Breaker(threshold=3, rest=2.0)
    for _ in range(3):
        assert breaker.admits(10.0)
        breaker.failed(10.0)

    assert not breaker.admits(11.9)
    assert breaker.admits(12.0)
    assert not breaker.admits(12.1)  # one is out already
    breaker.succeeded()
    assert breaker.admits(12.2)


def test_a_breaker_minds_failures_in_a_row_only() -> None:
    breaker = Breaker(threshold=2)
    for _ in range(5):
        breaker.failed(0.0)
        breaker.succeeded()

    assert breaker.admits(0.0)


def test_pauses_grow_to_a_limit_and_no_two_are_alike() -> None:
    pauses = [[backoff(tries, 2.0, 60.0) for _ in range(50)] for tries in range(8)]

    assert all(1.5 <= pause <= 2.5 for pause in pauses[0])
    assert all(45 <= pause <= 75 for pause in pauses[7])
    assert len(set(pauses[3])) > 40
    assert backoff(10_000, 2.0, 60.0) <= 75  # no overflow
