"""Logs: one line of JSON each, correlated, with nothing secret in them."""

from __future__ import annotations

import io
import json
import logging

import pytest

from libs import telemetry

CANARIES = [
    "Authorization: Bearer csk_ab12_canarycanary",
    "GET /s/canarycanary HTTP/1.1",
    "GET /p/canarycanary?download=1",
    "postgresql://clipstead_auth:canarycanary@127.0.0.1/x",
    "password=canarycanary",
    '{"token": "canarycanary"}',
    "https://x/y?token=canarycanary&z=1",
]


@pytest.fixture
def lines() -> io.StringIO:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(telemetry._Formatter("toy"))
    logger = logging.getLogger("clipstead.test")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel("INFO")
    return output


@pytest.mark.parametrize("text", CANARIES)
def test_secrets_are_left_out(lines: io.StringIO, text: str) -> None:
    logger = logging.getLogger("clipstead.test")
    logger.info("saw %s", text, extra={"detail": text})
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")
    assert "canary" not in lines.getvalue()


def test_a_message_stays_one_line_and_carries_the_correlation_id(lines: io.StringIO) -> None:
    with telemetry.correlated("abc-1"):
        logging.getLogger("clipstead.test").warning('x\n{"level": "INFO"}\x1b[31m')
    assert lines.getvalue().count("\n") == 1
    record = json.loads(lines.getvalue())
    assert (record["service"], record["level"], record["correlation_id"]) == ("toy", "WARNING", "abc-1")


@pytest.mark.parametrize("forged", ["a b", "x\r\ny", "é", "x" * 65, ""])
def test_forged_correlation_ids_are_replaced(forged: str) -> None:
    with telemetry.correlated(forged) as chosen:
        assert chosen != forged
        assert chosen.isalnum()


def test_route_templates_stay_readable() -> None:
    assert telemetry.redact("/s/{token}/media") == "/s/{token}/media"
