"""What auth does by itself."""

from __future__ import annotations

from libs import bus
from libs.web import idempotency
from services.auth.operations import mailing

actors = bus.Actors("auth")

actors.work(mailing.KIND, failed=mailing.undeliverable, attempts=8, lanes=2)(mailing.deliver)
actors.every(3600.0)(mailing.forget_old)
actors.every(idempotency.TIDY_EVERY)(idempotency.tidy)
