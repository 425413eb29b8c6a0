"""What happens to a request: its route is found, the door lets it pass, and it is answered here or relayed to a service."""

from __future__ import annotations

from asyncio import Event, timeout
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.addresses import Client, client_of
from gateway.door import Caller, Door, has_body
from gateway.failures import Down, MethodNotAllowed
from gateway.headers import Headers, cookie_inward, cookie_outward, framed_anew, inward, outward, value_of
from gateway.limits import Tally
from gateway.proxy import Body, Relay
from gateway.routes import API, OWN, Reply, Route, Table
from gateway.routes import Body as BodyKind
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from libs.contracts.identity import Identity
from libs.telemetry import correlation_id
from libs.web.access import target_of
from libs.web.problems import NotFound, Problem, TooLarge
from libs.web.tokens import Asked, Signer

Handler = Callable[[Scope, Caller], Awaitable[Response]]

# Below these, a path that is not in the table does not exist; anything else belongs to the web app.
_NEVER_PAGES = (API, "/s", "/p", "/health", "/metrics", "/internal", "/v1")


@dataclass(frozen=True)
class Dispatch:
    """The ASGI app inside the edge. ``own`` answers the gateway's own routes, by their path in the table."""

    table: Table
    door: Door
    upstreams: Upstreams
    signer: Signer
    own: Mapping[str, Handler]
    web_app: ASGIApp
    settings: GatewaySettings
    stopping: Event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or raise the Problem that it is refused with."""
        path: str = scope["raw_path"].decode("ascii")
        if not _is_under(path, _NEVER_PAGES):
            scope["gateway.route"] = "web"
            await self.web_app(scope, receive, send)
            return
        found = self.table.find(scope["method"], path)
        if found.route is None:
            raise MethodNotAllowed(found.allowed) if found.allowed else NotFound(f"There is no {scope['path']} here.")
        scope["gateway.route"] = found.route.path
        scope["gateway.tally"] = tally = Tally()
        client = client_of(scope, self.settings.trusted_proxies)
        caller = await self.door.admit(
            found.route, scope["method"], scope["query_string"], scope["headers"], client, tally
        )
        if found.route.service == OWN:
            response = await self.own[found.route.path](scope, caller)
            await response(scope, receive, send)
        elif found.route.closes and caller.identity is None:
            await Response(status_code=204, headers=_text(self.door.cookie.clear()))(scope, receive, send)
        else:
            await self._relay(found.route, caller, scope, receive, send)

    async def _relay(self, route: Route, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._body(route, scope, receive)
        method, target = scope["method"], _target(scope)
        headers = inward(scope["headers"]) + self._cookie(route, scope)
        if route.body is BodyKind.JSON or not body.present:
            held = await body.hold()
            await self.door.admit_about(route, held, scope["gateway.tally"])
            asked = Asked.with_body(method, target, held)
            headers = framed_anew(headers)
        else:
            asked = Asked(method, target)
        if caller.identity is not None and caller.identity.delegate is not None:
            await self._record_act(caller.identity, caller.client, scope)
        headers += self._added(route, caller, asked)
        relay = Relay(self.upstreams[route.service], method, target.encode(), headers, body)
        await relay.run(
            send,
            lambda status, headers: self._shape(route, caller, status, headers),
            read_timeout=self._patience(route),
            over=(lambda: self._over(caller)) if route.reply is Reply.FEED else None,
        )

    async def _record_act(self, identity: Identity, client: Client, scope: Scope) -> None:
        """Have an act in somebody's name written down before it is done. Raises Down if it can't be: nor is it done then."""
        act = {
            "user_id": str(identity.user_id),
            "key_id": str(identity.key_id),
            "delegate": identity.delegate,
            "method": scope["method"],
            "path": scope["raw_path"].decode("ascii"),
            "correlation_id": correlation_id(),
        }
        status, _ = await self.upstreams["auth"].ask("POST", "/internal/acts", json=act, client=client)
        if status != 204:
            raise Down("auth")

    async def _over(self, caller: Caller) -> None:
        """Return when a feed has to end: the gateway stops, or the session that opened it has ended (or can't be asked)."""
        while not self.stopping.is_set():
            with suppress(TimeoutError):
                async with timeout(self.settings.feed_check):
                    await self.stopping.wait()
            if not await self._still_valid(caller):
                return

    async def _still_valid(self, caller: Caller) -> bool:
        if caller.credential is None or caller.identity is None:
            return True
        try:
            now = await self.door.sessions.identify(caller.credential, caller.client)
        except Problem:
            return False
        # A feed goes on with the rights that it began with: with others, it has to begin anew.
        before = caller.identity
        return now is not None and (now.scopes, set(now.groups)) == (before.scopes, set(before.groups))

    def _added(self, route: Route, caller: Caller, asked: Asked) -> Headers:
        """What a service learns about a request beside the client's own headers."""
        added = {
            "x-service-token": self._token(route.service, caller.identity, asked),
            "x-correlation-id": correlation_id(),
            "x-forwarded-for": str(caller.client.address),
            "x-forwarded-proto": caller.client.scheme,
            "x-forwarded-host": caller.client.host,
        }
        return [(name.encode(), value.encode("latin-1")) for name, value in added.items()]

    def _token(self, service: str, identity: Identity | None, asked: Asked) -> str:
        if identity is None:
            return self.signer.sign(service, asked)
        return self.signer.sign(
            service,
            asked,
            acting=identity.user_id,
            scopes=identity.scopes,
            session_id=identity.session_id,
            groups=identity.groups,
            role=identity.role,
            key_id=identity.key_id,
            delegate=identity.delegate,
        )

    @staticmethod
    def _cookie(route: Route, scope: Scope) -> Headers:
        return cookie_inward(scope["headers"], route.cookie) if route.cookie is not None else []

    def _body(self, route: Route, scope: Scope, receive: Receive) -> Body:
        limit = self.settings.json_limit if route.body is BodyKind.JSON else None
        said = value_of(scope["headers"], b"content-length") or "0"
        if limit is not None and said.isdigit() and int(said) > limit:
            raise TooLarge(f"This takes at most {limit} bytes.")
        return Body(receive, present=has_body(scope["headers"]), limit=limit, patience=self.settings.body_timeout)

    def _patience(self, route: Route) -> float:
        return {
            Reply.PLAIN: self.settings.read_timeout,
            Reply.CHECKED: self.settings.upload_timeout,
            Reply.FEED: self.settings.stream_timeout,
        }[route.reply]

    def _shape(self, route: Route, caller: Caller, status: int, headers: Headers) -> Headers:
        """A service's headers as the client gets them: sessions begin and end in the cookie alone."""
        shaped = outward(headers)
        if route.cookie is not None:
            shaped += cookie_outward(headers, route.cookie)
        if route.opens and status < 400:
            shaped += self._opened(headers)
        if route.closes and status < 400:
            if caller.credential is not None:
                self.door.sessions.forget(caller.credential)
            shaped.append(self.door.cookie.clear())
        return shaped

    def _opened(self, headers: Headers) -> Headers:
        """The session that a reply begins, as a cookie. Not each does: some ask for a second factor first."""
        token, expires = value_of(headers, b"x-session-token"), value_of(headers, b"x-session-expires")
        if token is None or expires is None:
            return []
        return [self.door.cookie.set(token, datetime.fromisoformat(expires))]


def _target(scope: Scope) -> str:
    """Path and query as the service knows them, exactly as they came."""
    return target_of(scope).removeprefix(API)


def _is_under(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def _text(header: tuple[bytes, bytes]) -> dict[str, str]:
    return {header[0].decode(): header[1].decode("latin-1")}
