"""Where a request came from: the peer of the connection, or what a proxy that is trusted by name says about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import Scope

from gateway.headers import value_of, values_of
from gateway.settings import Network

UNKNOWN = IPv4Address("0.0.0.0")  # noqa: S104 - a value, nothing is bound to it: a peer without an address


@dataclass(frozen=True, slots=True)
class Client:
    """The client's address, how it reached the platform (``http`` or ``https``), and under which name."""

    address: IPv4Address | IPv6Address
    scheme: str
    host: str
    device: str = ""  # its User-Agent

    @property
    def bucket(self) -> str:
        """Who shares a rate limit: an IPv4 address, or the /64 that one IPv6 subscriber owns."""
        if isinstance(self.address, IPv4Address):
            return str(self.address)
        return str(ip_network((int(self.address) >> 64 << 64, 64)))


def client_of(scope: Scope, trusted: Sequence[Network]) -> Client:
    """Find the client. Of X-Forwarded-For, the last address that no trusted proxy has, since anyone can write the first."""
    peer = _parsed((scope.get("client") or ("", 0))[0])
    headers = scope["headers"]
    host, device = value_of(headers, b"host") or "", value_of(headers, b"user-agent") or ""
    if not _within(peer, trusted):
        return Client(peer, scope["scheme"], host, device)
    hops = [_parsed(hop) for value in values_of(headers, b"x-forwarded-for") for hop in value.split(",")]
    address = next((hop for hop in reversed(hops) if not _within(hop, trusted)), peer)
    scheme = value_of(headers, b"x-forwarded-proto")
    return Client(address, scheme if scheme in ("http", "https") else scope["scheme"], host, device)


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _parsed(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address
