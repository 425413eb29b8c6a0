"""What doctor says of the means that keep children apart, whichever this system has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from infra.onehost import diagnosis
from infra.onehost.place import Place
from libs import process


def said(monkeypatch: pytest.MonkeyPatch, found: process.Isolation) -> dict[str, diagnosis.Finding]:
    monkeypatch.setattr(process, "isolation", lambda: found)
    return {finding.what: finding for finding in diagnosis._isolation()}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have none of these means")
def test_doctor_names_what_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    both = said(monkeypatch, process.Isolation(namespace=True, filter=True))
    assert "a namespace of their own and a filter" in both["isolation"].found
    assert "only the checking proxy answers" in both["imports"].found
    assert all(finding.good for finding in both.values())
    alone = said(monkeypatch, process.Isolation(filter=True))
    assert "without network, by a filter of system calls" in alone["isolation"].found
    assert alone["isolation"].good
    assert "in this machine's network" in alone["imports"].found
    assert alone["imports"].improve
    neither = said(monkeypatch, process.Isolation())
    assert "run with network" in neither["isolation"].found
    assert not any(finding.good for finding in neither.values())


def test_doctor_tries_it_out_on_this_machine(tmp_path: Path) -> None:
    findings = {finding.what: finding for finding in diagnosis.examine(Place(tmp_path, 3900))}
    assert ("without network" in findings["isolation"].found) == process.network_can_be_cut()
