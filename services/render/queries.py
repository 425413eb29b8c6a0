"""Reads of clips and renditions."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload, selectinload

from libs import database
from services.render.models import Clip, Recording, Rendition, Retention
from services.render.plans import SAME, Plan
from services.render.states import RenditionState


def locked(session: Session, media_id: UUID) -> Recording:
    """Take a recording for planning: nobody else plans or deletes its clips until the transaction ends."""
    session.execute(insert(Recording).values(media_id=media_id).on_conflict_do_nothing())
    return session.scalars(select(Recording).where(Recording.media_id == media_id).with_for_update()).one()


def clip(session: Session, clip_id: UUID, owner_id: UUID, *, hold: bool = False) -> Clip | None:
    """An owner's clip with its files; somebody else's is as good as none. ``hold``: nobody else changes it meanwhile."""
    wanted = select(Clip).where(Clip.id == clip_id, Clip.owner_id == owner_id)
    if hold:
        wanted = wanted.with_for_update(key_share=True)
    return session.scalar(wanted.options(selectinload(Clip.renditions)))


def clips(session: Session, owner_id: UUID, media_id: UUID | None, after: UUID | None, limit: int) -> list[Clip]:
    """A page of an owner's clips, newest first, from the one after ``after``."""
    wanted = select(Clip).where(Clip.owner_id == owner_id)
    if media_id is not None:
        wanted = wanted.where(Clip.media_id == media_id)
    if after is not None:
        wanted = wanted.where(Clip.id < after)
    return list(session.scalars(wanted.order_by(Clip.id.desc()).limit(limit).options(selectinload(Clip.renditions))))


def planned(session: Session, plan: Plan) -> Clip | None:
    """The clip of the very same plan."""
    wanted = select(Clip).where(Clip.media_id == plan.media_id, Clip.digest == plan.digest())
    return session.scalar(wanted.options(selectinload(Clip.renditions)))


def alike(session: Session, plan: Plan) -> Clip | None:
    """A clip of the same span, give or take what nobody would notice, in the same frame."""
    return session.scalar(
        select(Clip)
        .where(
            Clip.media_id == plan.media_id,
            Clip.preset == plan.preset,
            func.abs(Clip.start - plan.start) <= SAME,
            func.abs(Clip.end - plan.end) <= SAME,
        )
        .limit(1)
    )


def rendition(session: Session, rendition_id: UUID) -> Rendition | None:
    """A rendition with its clip, taken for writing; None where the clip is deleted."""
    wanted = select(Rendition).where(Rendition.id == rendition_id).with_for_update(of=Rendition)
    return session.scalar(wanted.options(joinedload(Rendition.clip, innerjoin=True)))


def too_old(session: Session, limit: int) -> list[Rendition]:
    """Take the files that were kept for as long as the rule says, oldest first; others' work is not waited for."""
    days = select(Retention.days).scalar_subquery()
    wanted = (
        select(Rendition)
        .where(
            Rendition.state == RenditionState.READY,
            Rendition.ready_at < database.now() - func.make_interval(0, 0, 0, days),
        )
        .order_by(Rendition.ready_at)
        .limit(limit)
        .with_for_update(of=Rendition, skip_locked=True)
    )
    return list(session.scalars(wanted.options(joinedload(Rendition.clip, innerjoin=True))))


def below(session: Session, media_id: UUID) -> list[Clip]:
    """A clip itself, or all clips of a recording, with their files."""
    wanted = select(Clip).where(or_(Clip.id == media_id, Clip.media_id == media_id))
    return list(session.scalars(wanted.options(selectinload(Clip.renditions))))


def known_keys(session: Session, keys: list[str]) -> set[str]:
    """Those of the keys that a rendition refers to."""
    found = session.execute(
        select(Rendition.object_key, Rendition.poster_key).where(
            or_(Rendition.object_key.in_(keys), Rendition.poster_key.in_(keys))
        )
    )
    return {key for row in found for key in row if key}


def all_keys(session: Session, *, posters: bool) -> set[str]:
    """The keys of all files, or of all posters."""
    column = Rendition.poster_key if posters else Rendition.object_key
    return {key for key in session.scalars(select(column).where(column.is_not(None))) if key}
