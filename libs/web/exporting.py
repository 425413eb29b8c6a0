"""What a service knows of one person, for the export that everybody may ask for: ``/internal/export/{user_id}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import ColumnElement, inspect, select
from sqlalchemy.orm import Session

from libs import database
from libs.web.access import Internal

__all__ = ["About", "export_router", "rows_of"]

About = Mapping[str, tuple[Any, Callable[[UUID], ColumnElement[bool]]]]
"""What is known about people: by the name of the file that it becomes, a model and which of its rows are somebody's."""


def export_router(about: About) -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/internal/export", include_in_schema=False, dependencies=[Depends(Internal("auth"))])

    @router.get("/{user_id}")
    def export(user_id: UUID) -> dict[str, Any]:
        """Tell all that is known of somebody."""
        with database.transaction() as session:
            return {name: rows_of(session, model, whose(user_id)) for name, (model, whose) in about.items()}

    return router


def rows_of(
    session: Session, model: Any, whose: ColumnElement[bool], *, hidden: Sequence[str] = ("hash",)
) -> list[dict[str, Any]]:
    """Somebody's rows of a model, as they are, but for what helps nobody.

    Left out are bytes, columns that are loaded on demand alone, and those whose name holds one of ``hidden``.
    """
    deferred = {attribute.key for attribute in inspect(model).column_attrs if attribute.deferred}
    names = [
        name
        for name in inspect(model).columns.keys()  # noqa: SIM118  a collection of SQLAlchemy's: iterating gives columns
        if name not in deferred and not any(part in name for part in hidden)
    ]
    rows = session.scalars(select(model).where(whose)).all()
    return [{name: value for name in names if not isinstance(value := getattr(row, name), bytes)} for row in rows]
