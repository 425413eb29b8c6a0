"""What auth does by itself."""

from __future__ import annotations

from libs import bus
from libs.web import idempotency
from services.auth.operations import challenges, changing, codes, invitations, leaving, mailing, throttling

actors = bus.Actors("auth")

actors.work(mailing.KIND, failed=mailing.undeliverable, attempts=8, lanes=2)(mailing.deliver)
actors.work(changing.FORGOTTEN)(changing.mail_reset)
for tidy in (
    mailing.forget_old,
    codes.forget_old,
    invitations.forget_old,
    challenges.forget_old,
    throttling.forget_old,
):
    actors.every(3600.0)(tidy)
actors.every(60.0)(leaving.remove_due)
actors.every(idempotency.TIDY_EVERY)(idempotency.tidy)
