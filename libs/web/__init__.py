"""HTTP as every service speaks it: the service factory, problem documents, service tokens, and asking each other."""

from libs.web import idempotency, problems
from libs.web.access import Caller, Internal, OptionalCaller
from libs.web.idempotency import UNKEYED, Keyed, Once
from libs.web.peers import PeerRefused, PeerUnavailable, client
from libs.web.service import Service, serve
from libs.web.tokens import Principal

__all__ = [
    "UNKEYED",
    "Caller",
    "Internal",
    "Keyed",
    "Once",
    "OptionalCaller",
    "PeerRefused",
    "PeerUnavailable",
    "Principal",
    "Service",
    "client",
    "idempotency",
    "problems",
    "serve",
]
