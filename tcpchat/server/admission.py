"""What all connections share before they reach the chat: who is let in, how many, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import thread_time

from twisted.internet.interfaces import IReactorTime

from tcpchat.core.addresses import Network, Places, neighbourhood
from tcpchat.core.limits import Limits
from tcpchat.server.handshakes import Handshakes, Place
from tcpchat.server.pace import Pace, Paces
from tcpchat.server.roster import Roster


class Admission:
    """The bounds of all connections together. ``proxies`` are believed when they say whom a connection is from.

    ``trusted`` networks are exempt from limits on connections and speed; ``meter`` is a clock of work.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        trusted: Sequence[Network] = (),
        capacity: int | None = None,
        proxies: Places = Places(),
        meter: Callable[[], float] = thread_time,
    ) -> None:
        self.roster = Roster(limits, clock.seconds, trusted, capacity)
        self.proxies = proxies
        self.paces = Paces(clock.seconds, limits, meter)
        self._handshakes = Handshakes(clock, limits)

    def limits_changed(self) -> None:
        """Go on with the limits as they are now."""
        self.roster.limits_changed()
        self.paces.limits_changed()

    def pace(self, address: str) -> Pace | None:
        """Return the pace of a new connection from an address; None: as fast as it likes."""
        return None if self.roster.trusts(address) else self.paces.pace(neighbourhood(address))

    def handshake(self, address: str) -> Place:
        """Return the place of a handshake with an address."""
        return self._handshakes.place(neighbourhood(address))
