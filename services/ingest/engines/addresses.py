"""Which addresses a URL import may reach: those that are plainly public, and nothing that could be anything else.

``ipaddress.is_global`` alone won't do: it is true for NAT64 and 6to4 addresses that carry a private IPv4 address inside, for
site-local and for multicast ones; and ``is_private`` is false for carrier-grade NAT.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

__all__ = ["Address", "canonical", "is_public", "literal"]

Address = IPv4Address | IPv6Address

_IPV4_REFUSED = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and the metadata service of some clouds
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
_IPV6_PUBLIC = ipaddress.IPv6Network("2000::/3")  # the only space IANA has assigned to global unicast
_IPV6_REFUSED = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
    )
)


def is_public(address: Address) -> bool:
    """Tell whether an address is global unicast and carries no other address inside."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in net for net in _IPV4_REFUSED)
    return (
        address.is_global
        and address in _IPV6_PUBLIC
        and address.scope_id is None
        and not any(address in net for net in _IPV6_REFUSED)
    )


def canonical(text: str) -> Address:
    """Read an address as a resolver gives it, with IPv4-mapped ones unwrapped. Raises ValueError."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def literal(host: str) -> Address | None:
    """Read a host that is an address in any spelling that some resolver would accept; None for a real name.

    ``0x7f.1``, ``2130706433``, ``017700000001`` and ``①②⑦.0.0.1`` are all 127.0.0.1 (inet_aton, and Unicode folding).
    """
    folded = _fold(host)
    try:
        return canonical(folded.strip("[]"))
    except ValueError:
        return _inet_aton(folded)


def _fold(host: str) -> str:
    """Do to a host what resolvers do before looking: compatibility forms, case, the dots of other scripts, the final dot."""
    import unicodedata

    text = unicodedata.normalize("NFKC", host).lower()
    return text.translate({0x3002: ".", 0xFF0E: ".", 0xFF61: ".", 0xAD: None, 0x200B: None}).rstrip(".")


def _inet_aton(text: str) -> IPv4Address | None:
    """Read one to four numbers in decimal, octal or hexadecimal, the last filling the rest (inet_aton(3))."""
    parts = text.split(".")
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    *leading, last = numbers
    if len(parts) > 4 or any(number > 255 for number in leading) or last >= 256 ** (5 - len(parts)):
        return None
    value = last
    for position, number in enumerate(leading):
        value |= number << (24 - 8 * position)
    return IPv4Address(value)


def _number(part: str) -> int:
    if part.startswith("0x"):
        if not set(part[2:]) <= set("0123456789abcdef"):
            raise ValueError(part)
        return int(part[2:] or "0", 16)
    if not part.isascii() or not part.isdigit():
        raise ValueError(part)
    return int(part, 8) if part.startswith("0") and len(part) > 1 else int(part)
