"""The factory of all connections, whatever endpoint they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import thread_time

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from tcpchat.core.addresses import Network, Places, address_of
from tcpchat.core.rooms import Rooms
from tcpchat.core.users import Users
from tcpchat.server.admission import Admission
from tcpchat.server.protocol import ChatProtocol
from tcpchat.server.roster import Roster
from tcpchat.server.services import Services
from tcpchat.server.tls import Security, TlsContext


class ChatFactory(ServerFactory):
    """Makes a `ChatProtocol` for each connection. ``users`` and ``rooms`` are the hub's own registries."""

    noisy = False

    def __init__(
        self,
        services: Services,
        trusted: Sequence[Network] = (),
        capacity: int | None = None,
        security: Security = Security(),
        proxies: Places = Places(),
        meter: Callable[[], float] = thread_time,
    ) -> None:
        self.services = services
        self.security = security
        self.admission = Admission(services.clock, services.limits, trusted, capacity, proxies, meter)

    @property
    def connections(self) -> Roster:
        """Every connection there is."""
        return self.admission.roster

    @property
    def users(self) -> Users:
        """Everybody logged in."""
        return self.services.hub.users

    @property
    def rooms(self) -> Rooms:
        """Every room."""
        return self.services.hub.rooms

    def buildProtocol(self, addr: IAddress | None) -> ChatProtocol:
        """Return the protocol of a new connection."""
        return self.build(addr, self.security)

    def build(self, addr: IAddress | None, security: Security) -> ChatProtocol:
        """Return the protocol of a new connection on a port of its own security."""
        return ChatProtocol(self.services, self.admission, address_of(getattr(addr, "host", None)), security)


class SecureFactory(ServerFactory):
    """Makes a `ChatProtocol` that speaks TLS from its first byte, with the certificates of ``tls``."""

    noisy = False

    def __init__(self, factory: ChatFactory, tls: TlsContext) -> None:
        self._factory = factory
        self._security = replace(factory.security, tls=tls, at_once=True)

    def buildProtocol(self, addr: IAddress | None) -> ChatProtocol:
        """Return the protocol of a new connection."""
        return self._factory.build(addr, self._security)
