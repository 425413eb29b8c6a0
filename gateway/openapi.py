"""One OpenAPI 3.1 document for the whole platform, made of those of the services.

Of each service only the operations in the route table are shown. Components of the same name and another content get the
service's name in front.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import anyio

from gateway import describing
from gateway.routes import API, OWN, ROUTES, Route, Table
from gateway.upstreams import Upstreams
from libs.telemetry import log
from libs.web.problems import Problem

Document = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_REFERENCE = "#/components/"
_FRESH = 60.0  # seconds for which a service's document is believed
_RETRY = 5.0  # seconds after which one that was missing is asked for again

_ONCE = "Idempotency-Key"  # the parameter of requests that may be sent again
_USED_UP = (
    "Of the Idempotency-Key: idempotency_key_reused (it came with another request), idempotency_in_progress (the first "
    "request with it is under way; see Retry-After), idempotency_answer_lost."
)
_REPLAYED: Document = {
    "description": "true where this is the answer to an earlier request with this Idempotency-Key, given again.",
    "schema": {"type": "string", "enum": ["true"]},
}
_BEGUN: Document = {"description": "The session, where one begins.", "schema": {"type": "string"}}
_WITHOUT_BODY = ("head",)  # methods


def merge(
    documents: Mapping[str, Document],
    table: Table,
    version: str,
    missing: tuple[str, ...] = (),
    *,
    cookie: str = "__Host-clipstead",
) -> Document:
    """Merge the services' documents into the public one.

    ``missing`` names services that could not be asked; ``cookie`` is the name of the session's.
    """
    routes = {name: _public_paths(name, document, table) for name, document in documents.items()}
    offered = {name: _offered(documents[name], routes[name]) for name in documents}
    used = {name: _reachable(offered[name], documents[name].get("components", {})) for name in documents}
    renamed = _clashes(used)
    paths = _own_paths(table)
    components: Document = {
        "schemas": {"Problem": describing.PROBLEM},
        "securitySchemes": describing.schemes(cookie),
        "headers": describing.HEADERS,
        "responses": _shared(),
    }
    for name in sorted(documents):
        names = {key: _prefixed(name, key) if key in renamed else key for key in used[name]}
        for path, item in offered[name].items():
            own = _referring(item, names)  # before what is the gateway's is added, whose names stand
            paths[path] = {
                **paths.get(path, {}),
                **{
                    method: _operation(own[method], route, path, method) for method, route in routes[name][path].items()
                },
            }
        for (section, key), content in used[name].items():
            components.setdefault(section, {})[names[section, key][1]] = _referring(content, names)
    _make_ids_unique(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Clipstead", "version": version, "description": "Recordings in, captioned clips out."},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in ("gateway", *sorted(documents))],
        "paths": dict(sorted(paths.items())),
        "components": components,
        "x-missing": sorted(missing),
    }


Key = tuple[str, str]  # a component: ("schemas", "Clip")
Components = dict[Key, Any]


Routes = dict[str, dict[str, Route]]  # of operations, by public path and method


def _public_paths(service: str, document: Document, table: Table) -> Routes:
    """The routes to those operations of a service that the table leads to."""
    found: Routes = defaultdict(dict)
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            route = table.offers(service, method.upper(), path) if method in item else None
            if route is not None:
                found[API + path if route.path.startswith(API) else path][method] = route
    return dict(found)


def _offered(document: Document, routes: Routes) -> Document:
    """A service's own words about what is public, without what only the gateway says and what nobody is answered with."""
    found: Document = defaultdict(dict)
    for path, methods in routes.items():
        item = document["paths"][path.removeprefix(API)]
        for method in methods:
            operation = item[method]
            parameters = [
                parameter
                for parameter in (*item.get("parameters", []), *operation.get("parameters", []))
                if parameter.get("name", "").lower() != "x-service-token"
            ]
            answers = operation.get("responses", {})
            found[path][method] = {
                **{key: value for key, value in operation.items() if key != "parameters"},
                **({"parameters": parameters} if parameters else {}),
                "responses": {status: _without_frameworks(answer) for status, answer in answers.items()},
            }
    return found


def _without_frameworks(answer: Document) -> Document:
    """An answer, or nothing said where it is the framework's idea of a refusal: libs.web sends a problem instead."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return {"description": ""} if str(schema.get("$ref", "")).endswith("/HTTPValidationError") else answer


def _own_paths(table: Table) -> Document:
    """The gateway's own operations."""
    return {
        route.path: {"get": _operation(describing.OWN_PATHS[route.path], route, route.path)}
        for route in table.routes
        if route.service == OWN
    }


def _operation(operation: Document, route: Route, path: str, method: str = "get") -> Document:
    """An operation as the outside sees it: with the ways to sign in, and all answers."""
    return {
        **operation,
        "tags": [route.service],
        "security": describing.security(route, method.upper()),
        "responses": _answers(operation, route, path, method),
    }


def _answers(operation: Document, route: Route, path: str, method: str) -> Document:
    """All answers of an operation: its own, those that Idempotency-Key brings along, and the gateway's refusals."""
    told = {status: _told(status, answer) for status, answer in operation.get("responses", {}).items()}
    if any(parameter.get("name") == _ONCE for parameter in operation.get("parameters", [])):
        conflict = told.get("409", {"description": "It clashes with how things stand."})
        told["409"] = _told("409", {"description": f"{conflict['description']} {_USED_UP}"})
        told["409"]["headers"] |= describing.headers_of(("Retry-After",))
        _add_header(told, "Idempotent-Replayed", _REPLAYED)
    if route.opens:
        _add_header(told, "Set-Cookie", _BEGUN)
    for status in {*describing.refusals(route, method.upper(), path), *(told.keys() & describing.REFUSALS.keys())}:
        told[status] = _refusal(status, told.get(status))
    if method in _WITHOUT_BODY:
        told = {status: _without_body(answer) for status, answer in told.items()}
    return {status: told[status] for status in sorted(told)}


def _shared() -> Document:
    """The answers that operations share, by name; to HEAD they come without their body."""
    whole = {name: describing.component(status) for status, (name, _) in describing.REFUSALS.items()}
    return whole | {_to_head(name): _without_body(answer) for name, answer in whole.items()}


def _to_head(name: str) -> str:
    return f"{name}ToHead"


def _told(status: str, answer: Document) -> Document:
    """A service's answer. What it refuses with is a problem, unless it says otherwise."""
    content = answer.get("content", {} if status < "400" else describing.PROBLEMS)
    headers = {**answer.get("headers", {}), **describing.headers_of()}
    return {"description": answer["description"], "headers": headers, **({"content": content} if content else {})}


def _add_header(told: Document, name: str, header: Document) -> None:
    for answer in (answer for status, answer in told.items() if status.startswith("2")):
        answer["headers"][name] = header


def _refusal(status: str, told: Document | None) -> Document:
    """The shared answer of a status, or where a service has more to say of it, one that says both."""
    name, usual = describing.REFUSALS[status]
    if told is None or not told["description"]:
        return {"$ref": f"#/components/responses/{name}"}
    shared = describing.component(status)
    return {
        "description": f"{usual} {told['description']}",
        "headers": {**told["headers"], **shared["headers"]},
        "content": {**told["content"], **shared["content"]},
    }


def _without_body(answer: Document) -> Document:
    """An answer to HEAD."""
    if "$ref" in answer:
        return {"$ref": _to_head(answer["$ref"])}
    return {key: value for key, value in answer.items() if key != "content"}


def _reachable(paths: Document, components: Document) -> Components:
    """The components that some paths refer to, directly or through others."""
    found: Components = {}
    waiting = sorted(_references(paths))
    while waiting:
        section, name = waiting.pop()
        content = components.get(section, {}).get(name)
        if content is None or (section, name) in found:
            continue
        found[section, name] = content
        waiting.extend(_references(content))
    return found


def _clashes(used: Mapping[str, Components]) -> set[Key]:
    """Components that two services mean differently, and those of several services that refer to such."""
    contents: dict[Key, set[str]] = defaultdict(set)
    for components in used.values():
        for key, content in components.items():
            contents[key].add(json.dumps(content, sort_keys=True))
    holders = Counter(key for components in used.values() for key in components)
    clashing = {key for key, variants in contents.items() if len(variants) > 1}
    # The public document's own component; a service's may look different.
    clashing |= {key for key in contents if key == ("schemas", "Problem")}
    while True:
        more = {
            key
            for components in used.values()
            for key, content in components.items()
            if key not in clashing and holders[key] > 1 and _references(content) & clashing
        }
        if not more:
            return clashing
        clashing |= more


def _prefixed(service: str, key: Key) -> Key:
    return key[0], f"{service.capitalize()}{key[1]}"


def _references(content: Any) -> set[Key]:
    if isinstance(content, dict):
        reference = content.get("$ref")
        own = {_key(reference)} if isinstance(reference, str) and reference.startswith(_REFERENCE) else set()
        return own.union(*map(_references, content.values()))
    if isinstance(content, list):
        return set[Key]().union(*map(_references, content))
    return set()


def _key(reference: str) -> Key:
    section, _, name = reference.removeprefix(_REFERENCE).partition("/")
    return section, name


def _referring(content: Any, names: Mapping[Key, Key]) -> Any:
    """A copy of content, its references renamed."""
    if isinstance(content, list):
        return [_referring(part, names) for part in content]
    if not isinstance(content, dict):
        return content
    copy = {key: _referring(value, names) for key, value in content.items()}
    reference = content.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        key = _key(reference)
        copy["$ref"] = _REFERENCE + "/".join(names.get(key, key))
    return copy


def _make_ids_unique(paths: Document) -> None:
    """Operation ids name functions in generated clients, so each may stand once: the later ones get the service in front."""
    seen: set[str] = set()
    for item in paths.values():
        for method, operation in item.items():
            wanted = operation.get("operationId")
            if wanted in seen:
                operation["operationId"] = f"{operation['tags'][0]}_{method}_{wanted}"
            seen.add(operation.get("operationId"))


class Documents:
    """Fetches the services' documents and keeps the merged one."""

    def __init__(self, upstreams: Upstreams, version: str, cookie: str) -> None:
        """``cookie``: the name of the session's."""
        self._upstreams = upstreams
        self._version = version
        self._cookie = cookie
        self._table = Table()
        self._services = tuple(sorted({route.service for route in ROUTES} - {OWN}))
        self._merged: Document = {}
        self._stale_at = 0.0
        self._versions: dict[str, str] = {}
        self._turn = anyio.Lock()

    async def merged(self) -> Document:
        """The public document. Services that are down are left out, and named in ``x-missing``."""
        async with self._turn:
            if time.monotonic() >= self._stale_at:
                await self._refresh()
            return self._merged

    def seen(self, service: str, version: str) -> None:
        """A service told its version: if that is another than its document's, the merged one is stale."""
        if self._versions.get(service, version) != version:
            self._stale_at = 0.0

    async def _refresh(self) -> None:
        documents: dict[str, Document] = {}
        async with anyio.create_task_group() as group:
            for service in self._services:
                group.start_soon(self._fetch, service, documents)
        missing = tuple(service for service in self._services if service not in documents)
        self._merged = merge(documents, self._table, self._version, missing, cookie=self._cookie)
        self._versions = {name: document["info"]["version"] for name, document in documents.items()}
        self._stale_at = time.monotonic() + (_RETRY if missing else _FRESH)

    async def _fetch(self, service: str, into: dict[str, Document]) -> None:
        try:
            status, reply = await self._upstreams[service].ask("GET", "/openapi.json", patience=3)
        except Problem as failure:
            log.info("no OpenAPI document from %s: %s", service, failure)
            return
        if status == 200 and isinstance(reply, dict) and "info" in reply:
            into[service] = reply
