"""One document describes the whole platform, and shows what is public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from gateway.openapi import merge
from gateway.routes import Table
from libs.web.describing import refuses
from libs.web.problems import Conflict
from tests.services.gateway.services import Service

Connect = Callable[..., httpx.Client]


class Wanted(BaseModel):
    width: int


def references(content: Any) -> set[str]:
    if isinstance(content, dict):
        own = {content["$ref"]} if "$ref" in content else set()
        return own.union(*map(references, content.values()))
    return set().union(*map(references, content)) if isinstance(content, list) else set()


def catalog() -> dict[str, Any]:
    class Item(BaseModel):
        id: str
        kind: Literal["recording", "clip"]

    class Page(BaseModel):
        items: list[Item]

    router = APIRouter(prefix="/v1/library")

    @router.get("", response_model=Page)
    def library() -> None: ...

    @router.get("/{media_id}", response_model=Item)
    def one(media_id: str) -> None: ...

    @router.get("/{media_id}/secrets", response_model=Item)
    def secrets(media_id: str) -> None: ...

    return document("catalog", router)


def render() -> dict[str, Any]:
    class Item(BaseModel):
        width: int

    class Page(BaseModel):
        items: list[Item]

    class Unused(BaseModel):
        x: int

    router = APIRouter()

    @router.get("/v1/clips", response_model=Page)
    def library(media_id: int | None = None) -> None: ...

    @router.post("/v1/clips", response_model=Item, responses=refuses({Conflict: "too_many_clips"}))
    def make(wanted: Wanted) -> None: ...

    @router.get("/internal/all", response_model=Unused)
    def internal() -> None: ...

    return document("render", router)


def document(name: str, router: APIRouter) -> dict[str, Any]:
    app = FastAPI(title=name, version="1")
    app.include_router(router)
    return app.openapi()


@pytest.fixture
def merged() -> dict[str, Any]:
    return merge({"catalog": catalog(), "render": render()}, Table(), "0.1.0", ("auth",))


def test_only_what_the_gateway_serves_is_shown(merged: dict[str, Any]) -> None:
    assert merged["openapi"].startswith("3.1")
    own = {"/api/v1/session", "/api/v1/system", "/api/v1/openapi.json", "/api/docs", "/api/docs/{file}"}
    assert set(merged["paths"]) == own | {
        "/api/v1/library",
        "/api/v1/library/{media_id}",
        "/api/v1/clips",
    }
    assert merged["x-missing"] == ["auth"]
    assert "Unused" not in merged["components"]["schemas"]


def test_services_that_use_one_word_for_two_things_are_told_apart(merged: dict[str, Any]) -> None:
    schemas = merged["components"]["schemas"]

    assert set(schemas["CatalogItem"]["properties"]) == {"id", "kind"}
    assert set(schemas["RenderItem"]["properties"]) == {"width"}
    assert references(schemas["CatalogPage"]) == {"#/components/schemas/CatalogItem"}
    assert references(schemas["RenderPage"]) == {"#/components/schemas/RenderItem"}
    assert "HTTPValidationError" not in schemas  # the framework's idea of a refusal, which nobody is answered with
    assert not {"Item", "Page"} & set(schemas)


def test_every_reference_leads_somewhere(merged: dict[str, Any]) -> None:
    for reference in references(merged):
        part: Any = merged
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]


def test_operations_have_names_of_their_own(merged: dict[str, Any]) -> None:
    names = [operation["operationId"] for item in merged["paths"].values() for operation in item.values()]

    assert len(names) == len(set(names))


def test_operations_say_how_to_sign_in(merged: dict[str, Any]) -> None:
    paths = merged["paths"]
    key = {"api_key": ["read"]}
    assert paths["/api/v1/clips"]["get"]["security"] == [{"session": []}, key, {**key, "on_behalf": []}]
    assert {} in paths["/api/v1/library"]["get"]["security"]
    assert {"session": [], "csrf": []} in paths["/api/v1/clips"]["post"]["security"]
    assert set(merged["components"]["securitySchemes"]) == {"session", "csrf", "api_key", "on_behalf"}
    assert merged["components"]["securitySchemes"]["session"]["name"] == "__Host-clipstead"


def test_operations_tell_every_status_that_can_come_back(merged: dict[str, Any]) -> None:
    paths = merged["paths"]
    usual = {"400", "415", "429", "431", "500"}
    of_services = {"502", "503", "504"}
    signed_in = {"401", "403", "404"}
    changing = {"403", "408", "413"}

    assert set(paths["/api/v1/openapi.json"]["get"]["responses"]) == {"200"} | usual
    assert set(paths["/api/v1/session"]["get"]["responses"]) == {"200"} | usual | signed_in | of_services
    assert set(paths["/api/v1/clips"]["get"]["responses"]) == {"200", "422"} | usual | signed_in | of_services
    making = paths["/api/v1/clips"]["post"]["responses"]
    assert set(making) == {"200", "409", "422"} | usual | signed_in | of_services | changing
    assert making["503"] == {"$ref": "#/components/responses/Unavailable"}
    assert "too_many_clips" in making["409"]["description"]
    assert set(making["409"]["content"]) == {"application/problem+json"}
    shared = merged["components"]["responses"]
    assert shared["Unavailable"]["headers"]["Retry-After"]["required"]
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(shared["TooManyRequests"]["headers"])


def test_the_document_is_served_and_names_who_is_down(connect: Connect, services: dict[str, Service]) -> None:
    services["catalog"].openapi = catalog()
    urls = {name: service.url for name, service in services.items()} | {"render": "http://127.0.0.1:1"}
    reply = connect(service_urls=urls).get("/api/v1/openapi.json")

    assert reply.status_code == 200
    assert "/api/v1/library" in reply.json()["paths"]
    assert "render" in reply.json()["x-missing"]
    assert "catalog" not in reply.json()["x-missing"]


def test_the_documentation_page_loads_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/api/docs")

    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("docs.css", "docs.js"):
        assert f"/api/docs/{name}" in page.text
        assert client.get(f"/api/docs/{name}").status_code == 200
    assert "https://" not in page.text
    assert client.get("/api/docs/other.js").status_code == 404
