"""What a route's answers are, for the OpenAPI document. The gateway adds what can happen to any request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.web.problems import Problem

__all__ = ["Answers", "bare", "carries", "refuses"]

Answers = dict[int | str, dict[str, Any]]  # what FastAPI takes as ``responses``

_BYTES = {"type": "string", "format": "binary"}
_OBJECT = {"type": "object"}


def refuses(codes: Mapping[type[Problem], str]) -> Answers:
    """The problems that a route answers with beyond the usual, each with its codes (or a sentence) for the reader.

    ``refuses({Conflict: "email_taken", Gone: "upload_expired"})``
    """
    return {kind.status: {"description": f"{kind.title}: {said}."} for kind, said in codes.items()}


def carries(*media_types: str, status: int = 200, description: str = "Successful Response") -> Answers:
    """An answer whose body is no model's: bytes, text or JSON of one of these media types."""
    content = {kind: {"schema": _schema(kind)} for kind in media_types}
    return {status: {"description": description, "content": content}}


def _schema(media_type: str) -> dict[str, Any]:
    if media_type == "application/json":
        return _OBJECT
    return {"type": "string"} if media_type.startswith("text/") else _BYTES


def bare(status: int, description: str) -> Answers:
    """An answer without a body."""
    return {status: {"description": description}}
