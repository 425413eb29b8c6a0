"""The platform under test: the real supervisor and topology, with calls between its parts led through fault proxies."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.onehost import running, supervisor, topology
from infra.onehost.place import Place
from infra.onehost.secrets import Secrets
from infra.onehost.topology import Process
from libs.contracts.subscriptions import SERVICES

__all__ = ["main"]

PYTHON = {"libs.web", "libs.bus"}


def main(plan_path: str) -> None:
    """Run until told to stop. The plan: home, port, owner, and what differs from an ordinary platform."""
    plan: dict[str, Any] = json.loads(Path(plan_path).read_text())
    place = Place(Path(plan["home"]), plan["port"])
    whole, tell = topology.topology, topology.tell_addresses

    def altered(at: Place) -> list[Process]:
        return [_altered(process, plan) for process in whole(at) if process.name != "web-build"]

    def told(at: Place) -> None:
        tell(at)
        for service in SERVICES:
            Secrets(at.secrets).tell(service, "storage_url", plan["storage_url"])

    topology.topology, topology.tell_addresses = altered, told
    supervisor.SETTLED = 0.0  # what was killed on purpose is back at once, however often that happens
    running.serve(place, lambda state: print(state.url, flush=True), owner=plan["owner"])


def _altered(process: Process, plan: dict[str, Any]) -> Process:
    program = process.program
    if program.module not in PYTHON:
        return process
    environment = {
        **program.env,
        **plan["settings"],
        "CLIPSTEAD_SERVICE_URLS": plan["service_urls"],
        "CLIPSTEAD_FAULTS": f"{plan['orders']}/{process.name}",
    }
    return replace(process, program=replace(program, env=environment))


if __name__ == "__main__":
    main(sys.argv[1])
