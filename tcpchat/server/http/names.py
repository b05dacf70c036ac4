"""As whom the server answers by HTTP, and to pages from where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

# RFC 3986 section 3.2, without what no name of ours has: a user in front, a future kind of address, or the zone of one.
_HOST = re.compile(r"(?:\[(?P<bracketed>[0-9a-f:.]+)\]|(?P<name>[^][:%@/]+))(?::[0-9]*)?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class WebNames:
    """As whom the server answers: ``hosts``, besides addresses and localhost; and the pages that may connect to it.

    ``origins`` are those of pages that are not from here, as in ``https://example.org``.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def has_host(self, host: str) -> bool:
        """Return whether a Host header means this server: a name that anybody can let point here does not."""
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        if found["bracketed"] is not None:
            return _is(IPv6Address, found["bracketed"])
        name = found["name"].removesuffix(".")
        return name == "localhost" or name in self.hosts or _is(IPv4Address, name)

    def has_origin(self, origin: str, host: str) -> bool:
        """Return whether a page of ``origin`` may connect by WebSocket to a server that it calls ``host``."""
        if origin.lower() in self.origins:
            return True
        scheme, separator, place = origin.lower().partition("://")
        default = _DEFAULT_PORTS.get(scheme)
        return bool(separator and default) and _with_port(place, default) == _with_port(host.lower(), default)


def _is(kind: type[IPv4Address | IPv6Address], name: str) -> bool:
    try:
        kind(name)
    except ValueError:
        return False
    return True


def _with_port(place: str, default: str | None) -> str:
    """Return a host with its port, also where that is the usual one."""
    return place if place.rpartition(":")[2].isdecimal() else f"{place}:{default}"
