"""URL imports over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from libs.contracts.media import Wishes
from libs.web import Caller, Keyed
from libs.web.describing import refuses
from libs.web.problems import Conflict, InsufficientStorage, TooManyRequests, Unusable
from services.ingest.operations import imports
from services.ingest.operations.imports import Import
from services.ingest.states import State

__all__ = ["router"]

router = APIRouter(prefix="/v1/imports", tags=["imports"])


class NewImport(BaseModel):
    """What to fetch."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    title: Annotated[str, Field(max_length=300)] = ""
    wishes: Wishes = Wishes()


class Trouble(BaseModel):
    """Why an import ended without a recording."""

    code: str
    detail: str


class ImportView(BaseModel):
    """How far an import is; ``done`` and ``total`` are bytes."""

    id: UUID
    url: str
    title: str
    status: State
    done: int
    total: int | None
    problem: Trouble | None


def _view(found: Import) -> ImportView:
    return ImportView(
        id=found.id,
        url=found.url,
        title=found.title,
        status=found.status,
        done=found.done,
        total=found.total,
        problem=Trouble(code=found.code, detail=found.detail) if found.code else None,
    )


@router.post(
    "",
    status_code=202,
    response_model=ImportView,
    responses=refuses(
        {
            Unusable: "the URL itself shows that it can't be fetched",
            TooManyRequests: "too many recordings are still on their way",
            InsufficientStorage: "later, when there is more room",
        }
    ),
)
def create(wanted: NewImport, caller: Caller, once: Keyed) -> Any:
    """Fetch a recording from a URL."""
    owner = caller.require("upload")
    return _view(imports.create(owner, wanted.url.strip(), wanted.title, wanted.wishes, once))


@router.get("/{import_id}", response_model=ImportView)
def look(import_id: UUID, caller: Caller) -> Any:
    """Tell how far an import is."""
    return _view(imports.look(caller.user_id, import_id))


@router.delete("/{import_id}", status_code=204, responses=refuses({Conflict: "it is complete"}))
def cancel(import_id: UUID, caller: Caller) -> Response:
    """Stop an import and drop what it fetched."""
    imports.cancel(caller.require("upload"), import_id)
    return Response(status_code=204)
