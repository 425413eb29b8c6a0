"""The route table and the services tell the same story."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from gateway.routes import ROUTES, Table
from libs.contracts.subscriptions import SERVICES
from libs.web import Service


def offered(name: str) -> Iterator[tuple[str, str]]:
    """Each method and path in a service's own OpenAPI document."""
    service: Service = importlib.import_module(f"services.{name}.app").service
    app = FastAPI()
    for router in service.routers:
        app.include_router(router)
    for path, item in app.openapi()["paths"].items():
        for method in item:
            yield method.upper(), path


@pytest.mark.parametrize("name", SERVICES)
def test_every_public_operation_of_a_service_has_a_route(name: str) -> None:
    table = Table()

    assert not [(method, path) for method, path in offered(name) if table.offers(name, method, path) is None]


@pytest.mark.parametrize("name", SERVICES)
def test_every_route_leads_to_an_operation(name: str) -> None:
    there = list(offered(name))
    for route in ROUTES:
        if route.service == name:
            for method in route.methods:
                assert any(
                    method == offered_method and Table([route]).offers(name, method, path) is route
                    for offered_method, path in there
                ), f"{method} {route.path}"
