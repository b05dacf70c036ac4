"""The factory of all connections, whatever endpoint they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from zope.interface import implementer

from tcpchat.core.rooms import Rooms
from tcpchat.core.users import Users
from tcpchat.server.connection import Services
from tcpchat.server.pace import Pace
from tcpchat.server.protocol import ChatProtocol

Network = IPv4Network | IPv6Network


@implementer(IProtocolNegotiationFactory)
class ChatFactory(ServerFactory):
    """Makes a `ChatProtocol` for each connection. ``users`` and ``rooms`` are the hub's own registries."""

    noisy = False
    _log = Logger()

    def __init__(self, services: Services, trusted: Sequence[Network] = ()) -> None:
        self.services = services
        self.connections: set[ChatProtocol] = set()
        self._trusted = trusted
        self._addresses: Counter[str] = Counter()

    @property
    def users(self) -> Users:
        """Everybody logged in."""
        return self.services.hub.users

    @property
    def rooms(self) -> Rooms:
        """Every room."""
        return self.services.hub.rooms

    def acceptableProtocols(self) -> list[bytes]:
        """Return what is offered under TLS (RFC 7301). Without it browsers and curl could not connect at all."""
        return [b"http/1.1"]

    def buildProtocol(self, addr: IAddress | None) -> ChatProtocol:
        """Return the protocol of a new connection."""
        address = address_of(addr)
        return ChatProtocol(self, address, trusted=self._is_trusted(address))

    def connected(self, protocol: ChatProtocol) -> None:
        """Count a connection; one too many from its address is told so and closed."""
        self.connections.add(protocol)
        self._addresses[protocol.address] += 1
        limit = self.services.limits.connections_per_address
        if self._addresses[protocol.address] > limit and not self._is_trusted(protocol.address):
            protocol.refuse(f"There are {limit} connections from your address already. Close one and try again.")

    def disconnected(self, protocol: ChatProtocol) -> None:
        """Forget a connection."""
        self.connections.discard(protocol)
        self._addresses[protocol.address] -= 1
        if not self._addresses[protocol.address]:
            del self._addresses[protocol.address]

    def pace(self) -> Pace:
        """Return the pace of a connection that isn't trusted."""
        return Pace(self.services.clock.seconds, self.services.limits)

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def address_of(addr: IAddress | None) -> str:
    """Return the peer's IP address as text, IPv4 never in its IPv6 form; ``local`` for a unix socket."""
    host = getattr(addr, "host", None)
    if host is None:
        return "local"
    try:
        parsed: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
