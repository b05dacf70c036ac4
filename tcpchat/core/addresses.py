"""Addresses of peers, the networks that they count as, and sets of networks that the operator names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LOCAL = "local"
"""In the place of an address: a unix socket."""
OPERATOR = "operator"
"""In the place of an address: the admin socket. Who may run the server is let in when it is full, too."""
UNIX = "unix"
"""What an operator calls all unix sockets."""

Network = IPv4Network | IPv6Network

IPV6_PREFIX = 64
"""The network that one customer is given at the least (RFC 6177): it can speak from any address of it."""
# IPv4 addresses in the form of IPv6, ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a peer may be: in some ``networks``, or behind a unix socket (``local``)."""

    networks: Sequence[Network] = ()
    local: bool = False

    def __contains__(self, address: object) -> bool:
        if address == LOCAL:
            return self.local
        try:
            parsed = ip_address(str(address))
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)

    def __bool__(self) -> bool:
        return self.local or bool(self.networks)


def address_of(host: str | None) -> str:
    """Return a peer's IP address as text, IPv4 never in its IPv6 form; ``local`` for None: a unix socket."""
    if host is None:
        return LOCAL
    try:
        return plain(ip_address(host.partition("%")[0]))
    except ValueError:
        return str(host)


def plain(address: IPv4Address | IPv6Address) -> str:
    """Return an address as text, IPv4 never in its IPv6 form."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def neighbourhood(address: str) -> str:
    """Return whom an address counts as one with: only itself, or the network of 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
    return address


def parse_network(text: str, *, strict: bool = True) -> Network:
    """Return a network as in ``192.0.2.0/24`` or ``::1``, one in ``::ffff:`` form as IPv4. Raises ValueError.

    ``strict``: an address within a network, such as ``192.0.2.7/24``, is none.
    """
    network = ip_network(text, strict)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network((int(mapped or 0), network.prefixlen - _MAPPED.prefixlen))
    return network
