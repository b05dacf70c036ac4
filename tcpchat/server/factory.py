"""The factory of all connections, whatever endpoint they come from."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from tcpchat.core.rooms import Rooms
from tcpchat.core.users import Users
from tcpchat.server.connection import Services
from tcpchat.server.pace import Pace
from tcpchat.server.protocol import ChatProtocol
from tcpchat.server.roster import Network, Roster, address_of


@implementer(IProtocolNegotiationFactory)
class ChatFactory(ServerFactory):
    """Makes a `ChatProtocol` for each connection. ``users`` and ``rooms`` are the hub's own registries."""

    noisy = False

    def __init__(self, services: Services, trusted: Sequence[Network] = (), capacity: int | None = None) -> None:
        self.services = services
        self.connections = Roster(services.limits, trusted, capacity)

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
        trusted = self.connections.trusts(address)
        pace = None if trusted else Pace(self.services.clock.seconds, self.services.limits)
        return ChatProtocol(self.services, self.connections, address, pace)
