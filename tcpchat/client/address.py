"""Where to connect: what a person writes as the server's address."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint

DEFAULT_PORT = 3000

_HOST_AND_PORT = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/\s]+))(?::([0-9]{1,5}))?")


def parse_address(address: str) -> tuple[str, int] | None:
    """Return the host and port of ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``; None for anything else.

    An IPv6 address alone needs no brackets. Raises ValueError for a port that can't be.
    """
    if _is_ipv6(address):
        return address, DEFAULT_PORT
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or (found[1] and not _is_ipv6(found[1])):
        return None
    port = int(found[3]) if found[3] else DEFAULT_PORT
    if not 0 < port < 65536:
        raise ValueError(f"the port {port} is not a number from 1 to 65535")
    return found[1] or found[2], port


def client_endpoint(reactor: Any, address: str) -> IStreamClientEndpoint:
    """Return the endpoint for a host, or for a description of Twisted's such as ``tls:HOST:PORT`` or ``unix:/PATH``.

    Raises ValueError, in one line.
    """
    if parsed := parse_address(address):
        return HostnameEndpoint(reactor, *parsed)
    try:
        endpoint: IStreamClientEndpoint = clientFromString(reactor, address)
    except (ValueError, TypeError, KeyError, OSError):
        raise ValueError(
            f"{address!r} is no HOST[:PORT], and no endpoint such as tls:HOST:PORT or unix:/PATH"
        ) from None
    return endpoint


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False
