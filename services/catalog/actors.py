"""What catalog hears."""

from __future__ import annotations

from libs import bus
from libs.contracts import events
from services.catalog.facts import PIPELINE
from services.catalog.operations import circles, hearing, people, retention

actors = bus.Actors("catalog")

for told in PIPELINE:
    actors.on(told)(hearing.heard)
actors.on(events.ShareViewed)(hearing.viewed)
actors.on(events.UserChanged)(people.renamed)
actors.on(events.UserDeleted)(people.left)
actors.on(events.UserSuspended)(circles.suspended)
actors.on(events.GroupChanged)(circles.group_changed)
actors.on(events.MemberLeft)(circles.member_left)
actors.every(retention.EVERY)(retention.expire)
actors.every(retention.EVERY)(retention.drop_imports)
