"""What a route's answers are, for the OpenAPI document. The gateway adds what can happen to any request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libs.web.problems import Problem

__all__ = ["Answers", "bare", "carries", "refuses"]

Answers = dict[int | str, dict[str, Any]]  # what FastAPI takes as ``responses``

_BYTES = {"type": "string", "format": "binary"}


def refuses(codes: Mapping[type[Problem], str]) -> Answers:
    """The problems that a route answers with beyond the usual, each with its codes (or a sentence) for the reader.

    ``refuses({Conflict: "email_taken", Gone: "upload_expired"})``
    """
    return {kind.status: {"description": f"{kind.title}: {said}."} for kind, said in codes.items()}


def carries(*media_types: str, status: int = 200, description: str = "Successful Response") -> Answers:
    """An answer whose body is no JSON of a model's: bytes or text of one of these media types."""
    content = {kind: {"schema": {"type": "string"} if kind.startswith("text/") else _BYTES} for kind in media_types}
    return {status: {"description": description, "content": content}}


def bare(status: int, description: str) -> Answers:
    """An answer without a body."""
    return {status: {"description": description}}
