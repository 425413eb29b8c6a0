"""Work that can't be lost: events through an outbox and an inbox, jobs as rows with leases, Dramatiq as the wake-up.

See ``outbox.py`` for telling, ``actors.py`` for hearing, ``jobs.py`` for work, ``worker.py`` and ``relay.py`` for the two
processes that carry it.
"""

from libs.bus.actors import Actors, Delivery
from libs.bus.jobs import Job, JobFailed, LeaseLost, cancel, enqueue, jobs_of, retry
from libs.bus.lease import Lease
from libs.bus.outbox import publish
from libs.bus.states import JobState
from libs.bus.tables import create_tables, deliver_into_inboxes

__all__ = [
    "Actors",
    "Delivery",
    "Job",
    "JobFailed",
    "JobState",
    "Lease",
    "LeaseLost",
    "cancel",
    "create_tables",
    "deliver_into_inboxes",
    "enqueue",
    "jobs_of",
    "publish",
    "retry",
]
