"""How exceptions become problem documents."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from libs.disk import DiskShort
from libs.patience import TryLater
from libs.storage import NotStored
from libs.telemetry import ERRORS, log
from libs.web.peers import PeerRefused
from libs.web.problems import (
    MEDIA_TYPE,
    BadRequest,
    Conflict,
    Forbidden,
    InsufficientStorage,
    Malformed,
    NotFound,
    Problem,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)

__all__ = ["install", "problem_response"]

_BY_STATUS: dict[int, type[Problem]] = {
    kind.status: kind
    for kind in (BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, UnsupportedMedia, Malformed)
}


def problem_response(problem: Problem) -> Response:
    """Write a problem out."""
    return JSONResponse(problem.document(), problem.status, problem.headers, MEDIA_TYPE)


def install(app: FastAPI, service: str) -> None:
    """Teach an app to answer every exception with a problem document."""

    @app.exception_handler(Problem)
    async def refused(_: Request, problem: Problem) -> Response:
        return problem_response(problem)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        errors = [
            {"where": ".".join(str(part) for part in item["loc"]), "what": item["msg"]} for item in error.errors()[:20]
        ]
        detail = "; ".join(f"{item['where']}: {item['what']}" for item in errors[:3])
        return problem_response(Malformed(detail, errors=errors))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        kind = _BY_STATUS.get(error.status_code)
        if kind is not None:
            return problem_response(kind(str(error.detail), headers=dict(error.headers or {})))
        problem = Problem(str(error.detail), code="http_error")
        document = problem.document() | {"status": error.status_code, "title": str(error.detail)}
        return JSONResponse(document, error.status_code, error.headers, MEDIA_TYPE)

    @app.exception_handler(TryLater)
    async def unavailable(_: Request, error: TryLater) -> Response:
        log.warning("a part of the platform is unavailable", extra={"error": str(error)})
        return problem_response(Unavailable("A part of the platform is starting or down. Please try again shortly."))

    @app.exception_handler(DiskShort)
    async def no_room(_: Request, error: DiskShort) -> Response:
        log.warning("too little room on the disk", extra={"error": str(error)})
        detail = "There is not enough room on the server for this right now. Please try again later."
        return problem_response(InsufficientStorage(detail, headers={"Retry-After": "60"}))

    @app.exception_handler(DataError)
    async def unstorable(_: Request, error: DataError) -> Response:
        """PostgreSQL holds no NUL in texts, and no number beyond its types: the caller sent what nobody can mean."""
        log.warning("content that can't be stored", extra={"error": str(error.orig)})
        return problem_response(Malformed("It holds characters or numbers that can't be stored."))

    @app.exception_handler(NotStored)
    async def missing(_: Request, error: NotStored) -> Response:
        log.error("an object is missing from the store", extra={"key": str(error)})
        return problem_response(NotFound())

    @app.exception_handler(PeerRefused)
    async def peer(_: Request, error: PeerRefused) -> Response:
        if error.status == NotFound.status:
            return problem_response(NotFound())
        log.error("a peer refused", extra={"error": str(error)})
        return problem_response(Problem())

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        ERRORS.labels(service, "http").inc()
        log.exception("unexpected error", exc_info=error)
        return problem_response(Problem())
