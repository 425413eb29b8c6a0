"""Small parts whose edges a request can't easily reach."""

from __future__ import annotations

import pytest

from gateway.routes import OWN, ROUTES, Table, Who
from gateway.settings import GatewaySettings
from libs.contracts.identity import SCOPES
from libs.contracts.subscriptions import SERVICES


def test_the_table_names_real_services_scopes_and_limits() -> None:
    limits = GatewaySettings().rates()
    for route in ROUTES:
        assert route.service in (*SERVICES, OWN)
        assert route.scope is None or route.scope in SCOPES
        assert route.address_limit in limits
        assert {route.user_limit, route.email_limit or "user", route.search_limit or "user"} <= set(limits)
        assert route.path.startswith("/api/") or route.who is Who.NOBODY


def test_no_route_hides_another() -> None:
    table = Table()
    for route in ROUTES:
        path = route.path.replace("{id}", "x1").replace("{path}", "x1").replace("{file}", "x1")
        for method in route.methods:
            assert table.find(method, path).route is route


def test_internal_paths_are_not_in_the_table() -> None:
    assert not any("internal" in route.path for route in ROUTES)


def test_production_insists_on_tls_and_a_real_secret() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    with pytest.raises(ValueError, match="https"):
        GatewaySettings(environment="production", csrf_secret=secret, public_url="http://clips.example.org")
    with pytest.raises(ValueError, match="csrf_secret"):
        GatewaySettings(environment="production", csrf_secret="short", public_url="https://clips.example.org")
    assert GatewaySettings(environment="production", csrf_secret=secret, public_url="https://clips.example.org").https
