"""Where to connect: what a person writes as the server's address."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, clientFromString, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from tcpchat.client.trust import Trust, Verifier

DEFAULT_PORT = 3000
_TLS = "tls:"

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


def client_endpoint(reactor: Any, address: str, trust: Trust | None = None) -> IStreamClientEndpoint:
    """Return the endpoint for a host, for ``tls:`` and a host, or for a description of Twisted's (``unix:/PATH``).

    ``trust`` is whom to believe under TLS, None for whomever the system does. Raises ValueError, in one line.
    """
    if address.startswith(_TLS) and (parsed := parse_address(address.removeprefix(_TLS))):
        host, port = parsed
        return wrapClientTLS(Verifier(host, trust or Trust()), HostnameEndpoint(reactor, host, port))
    if trust is not None:
        raise ValueError(f"{address!r} is not tls:HOST[:PORT], so there is no certificate to look at")
    if parsed := parse_address(address):
        return HostnameEndpoint(reactor, *parsed)
    try:
        endpoint: IStreamClientEndpoint = clientFromString(reactor, address)
    except (ValueError, TypeError, KeyError, OSError):
        raise ValueError(
            f"{address!r} is no HOST[:PORT], no tls:HOST[:PORT], and no endpoint such as unix:/PATH"
        ) from None
    return endpoint


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False
