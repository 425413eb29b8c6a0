"""What one service tells, the others hear: the table of subscriptions, the handlers and the events agree."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from libs.contracts.events import EVENTS
from libs.contracts.subscriptions import SERVICES, SUBSCRIPTIONS, subscribed

ROOT = Path(__file__).resolve().parents[2]


def test_every_event_is_in_the_table_and_names_known_services() -> None:
    assert set(SUBSCRIPTIONS) == set(EVENTS.values())
    assert {service for services in SUBSCRIPTIONS.values() for service in services} <= set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_service_handles_just_what_the_table_says(service: str) -> None:
    actors = importlib.import_module(f"services.{service}.app").service.actors
    if subscribed(service):
        assert actors is not None
        actors.check()
    else:
        assert actors is None or not actors.handlers


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_is_told_by_somebody(name: str) -> None:
    """Events that are only promised may stand in the list below, with the reason."""
    later = {"user.deleted": "deleting an account comes with the guard at the door"}
    class_name = EVENTS[name].__name__
    told = [
        path
        for path in ROOT.glob("services/*/**/*.py")
        if re.search(rf"\b{class_name}\b", path.read_text())
        and path.name != "actors.py"
        and "migrations" not in path.parts
    ]
    assert told or name in later


def test_events_carry_no_payloads() -> None:
    """An event is ids and small facts; the largest of them stays below a few kilobytes."""
    for event in EVENTS.values():
        assert len(json.dumps(event.model_json_schema())) < 8000
        heavy = {"segments", "moments", "text", "loudness", "words_list"} & set(event.model_fields)
        assert not heavy, f"{event.name} carries {heavy}"
