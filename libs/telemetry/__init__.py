"""JSON logs with a correlation id that crosses HTTP and bus, secrets left out, and the shared metrics."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from prometheus_client import Counter, Gauge, Histogram
from pythonjsonlogger.json import JsonFormatter

__all__ = [
    "DEPLOY_FAILURES",
    "DUPLICATES",
    "ENQUEUE_ERRORS",
    "ERRORS",
    "EVENTS_HANDLED",
    "HTTP_REQUESTS",
    "HTTP_SECONDS",
    "JOBS",
    "JOB_INTERRUPTIONS",
    "JOB_RECOVERY",
    "JOB_SECONDS",
    "OUTBOX_AGE",
    "PROBE_FAILURES",
    "begin_probes",
    "configure",
    "correlated",
    "correlation_id",
    "log",
    "redact",
]

log = logging.getLogger("clipstead")

HTTP_REQUESTS = Counter("http_requests", "Requests answered.", ["service", "method", "route", "status"])
HTTP_SECONDS = Histogram("http_request_duration_seconds", "Time to the end of the answer.", ["service", "route"])
JOBS = Counter("jobs_finished", "Jobs by how they ended.", ["service", "kind", "outcome"])
JOB_SECONDS = Histogram(
    "job_duration_seconds",
    "Time from claim to end.",
    ["service", "kind"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400),
)
OUTBOX_AGE = Gauge("outbox_unsent_age_seconds", "Age of the oldest event that was not handed to the bus.", ["service"])
ENQUEUE_ERRORS = Counter("enqueue_errors", "Wake-ups that Redis did not take; workers look by themselves instead.")
EVENTS_HANDLED = Counter("events_handled", "Arrivals of events by how handling ended.", ["service", "outcome"])
JOB_INTERRUPTIONS = Counter("job_interruptions", "Jobs whose worker vanished in the middle.", ["service", "kind"])
JOB_RECOVERY = Histogram(
    "job_recovery_seconds",
    "Time from the last sign of life of a worker that vanished to its job being queued again.",
    ["service"],
    buckets=(1, 2, 5, 10, 15, 20, 30, 60, 90, 180, 600),
)
DUPLICATES = Counter("job_duplicate_suppressed", "Events and results that came a second time, and had no effect.")
PROBE_FAILURES = Counter(
    "probe_failures",
    "Times that a process was not well when it was asked: its own answers to ready, and live ones that did not come.",
    ["service", "probe"],
)
DEPLOY_FAILURES = Counter(
    "requests_failed_during_deploy",
    "Requests that failed, or broke off, because a process of this service was stopping.",
    ["service"],
)
ERRORS = Counter("errors", "Unexpected exceptions, by where they were caught.", ["service", "place"])

_correlation: ContextVar[str] = ContextVar("correlation_id", default="")

# A correlation id comes from outside at times: only plain characters may reach a log line or a header.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")

_SECRETS = re.compile(
    r"(?P<keep>(?:Bearer\s+|csk_|/(?:s|p)/|[?&](?:token|key|signature)=|(?:password|secret|token|authorization|cookie)"
    r"[\"']?\s*[=:]\s*[\"']?|://[^:/@\s]*:))(?P<secret>(?!\{)[^\s\"'&/@,}]{4,})",
    re.IGNORECASE,
)


def begin_probes(service: str, silences: int) -> None:
    """Let the counts begin. A process that hangs can't count that itself: its next life is told how often it was silent."""
    PROBE_FAILURES.labels(service, "ready")
    PROBE_FAILURES.labels(service, "live").inc(silences)


def redact(text: str) -> str:
    """Replace what looks like a token, password, API key or signed link by three dots."""
    return _SECRETS.sub(lambda found: found["keep"] + "…", text)


def correlation_id() -> str:
    """The id of the request or message being worked on, or an empty text."""
    return _correlation.get()


@contextmanager
def correlated(wanted: str | None) -> Iterator[str]:
    """Work under a correlation id: the wanted one if it is plain, else a new one."""
    chosen = wanted if wanted and _PLAIN.fullmatch(wanted) else uuid4().hex
    token = _correlation.set(chosen)
    try:
        yield chosen
    finally:
        _correlation.reset(token)


class _Formatter(JsonFormatter):
    """One JSON object a line; every text in it is redacted, also inside exceptions."""

    def __init__(self, service: str) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            static_fields={"service": service},
            timestamp=True,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Add the correlation id and redact."""
        log_data["correlation_id"] = _correlation.get()
        return {key: redact(value) if isinstance(value, str) else value for key, value in log_data.items()}


def configure(service: str, level: str = "INFO") -> None:
    """Send this process's logs to standard error as JSON. Libraries log from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level)
    # Uvicorn's own access log would print query strings with signed links; libs.web writes a better one.
    logging.getLogger("uvicorn.access").disabled = True
