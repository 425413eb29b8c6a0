"""What administrators rule, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from libs.web import Caller
from services.catalog.operations import retention
from services.catalog.operations.retention import Ruled, Rules

router = APIRouter(prefix="/v1/admin")

ADMIN = "admin"
LONGEST = 36_500  # days

Days = Annotated[int, Field(ge=1, le=LONGEST)] | None


class NewRetention(BaseModel):
    """For how many days each kind is kept; null is for ever. All three have to be said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    originals: Days  # the file that a recording came as; the recording, its transcript and clips stay
    renditions: Days  # the files of clips; the clips stay, and can be rendered again
    imports: Days  # whole recordings that were imported, with their clips


class RetentionView(NewRetention):
    """The rules, and since when they are so; null while they were never set."""

    changed_at: datetime | None


@router.get("/retention")
def retention_rules(caller: Caller) -> RetentionView:
    """Show for how long each kind is kept."""
    caller.require(ADMIN)
    return _view(retention.rules())


@router.put("/retention")
def set_retention_rules(wanted: NewRetention, caller: Caller) -> RetentionView:
    """Set for how long each kind is kept. What is older than that already goes within minutes."""
    by = caller.require(ADMIN)
    return _view(retention.rule(Rules(wanted.originals, wanted.renditions, wanted.imports), by))


def _view(ruled: Ruled) -> RetentionView:
    rules = ruled.rules
    return RetentionView(
        originals=rules.originals, renditions=rules.renditions, imports=rules.imports, changed_at=ruled.changed_at
    )
