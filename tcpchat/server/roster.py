"""Who is connected: how often from one network, and how fast new connections come from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tcpchat.core.addresses import LOCAL, OPERATOR, Network, Places, neighbourhood
from tcpchat.core.limits import Limits
from tcpchat.core.waits import refuse_for
from tcpchat.errors import Code
from tcpchat.server.buckets import Buckets

# Refused connections that are told why at a time: half of the files that are kept free.
_REFUSED = 64


class Connected(Protocol):
    """A connection, as the roster sees it. ``address`` is where it comes from."""

    address: str

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""

    def retire(self, text: str, code: Code) -> None:
        """Tell the peer why, answer everything it has sent so far, and close."""

    def abort(self, *, quietly: bool = False) -> None:
        """Cut the connection; ``quietly``: nothing is logged of it."""


class Roster:
    """Every connection there is, at most ``capacity``. ``seconds`` is a clock.

    ``trusted`` networks are exempt from the limits on connections.
    """

    def __init__(
        self,
        limits: Limits,
        seconds: Callable[[], float],
        trusted: Sequence[Network] = (),
        capacity: int | None = None,
    ) -> None:
        self._capacity = capacity
        self._limits = limits
        self.trusted = trusted
        self._connections: set[Connected] = set()
        self._refused: set[Connected] = set()
        # What each admitted connection counts as, and how many there are of each.
        self._networks: dict[Connected, str] = {}
        self._counts: Counter[str] = Counter()
        self._arrivals: Buckets[str] = Buckets(seconds, *_arrival_pace(limits))

    def limits_changed(self) -> None:
        """Go on with the limits as they are now."""
        self._arrivals.resize(*_arrival_pace(self._limits))

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connected]:
        return iter(tuple(self._connections))

    def add(self, connection: Connected) -> None:
        """Take note of a connection, and refuse one too many; `admit` is called once its address is known."""
        self._connections.add(connection)
        if connection.address == OPERATOR:
            return
        if self._capacity is not None and len(self._connections) - len(self._refused) > self._capacity:
            self._refuse(connection, "The server is full. Please try again later.")

    def admit(self, connection: Connected) -> None:
        """Count a connection for its network, and refuse one too many or too soon."""
        address = connection.address
        network = self._networks[connection] = neighbourhood(address)
        self._counts[network] += 1
        # A unix socket is guarded by its file's mode, and may bring the clients of a whole proxy.
        if connection in self._refused or address == LOCAL or self.trusts(address):
            return
        most = self._limits.connections_per_address
        if self._counts[network] > most:
            self._refuse(
                connection, f"There are {most} connections from your address already. Close one and try again."
            )
        elif wait := self._arrivals.wait(network, 1):
            self._refuse(
                connection, refuse_for(wait, Code.TOO_MANY_CONNECTIONS, "Your address connects too often.").text
            )
        else:
            self._arrivals.take(network, 1)

    def remove(self, connection: Connected) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self._refused.discard(connection)
        network = self._networks.pop(connection, None)
        if network is not None:
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]

    def _refuse(self, connection: Connected, text: str) -> None:
        self._refused.add(connection)
        if len(self._refused) > _REFUSED:
            connection.abort(quietly=True)  # a flood must not fill the log either
        else:
            connection.dismiss(text, Code.TOO_MANY_CONNECTIONS)

    def trusts(self, address: str) -> bool:
        """Return whether the address is exempt from limits on connections and speed."""
        return address in Places(self.trusted)


def _arrival_pace(limits: Limits) -> tuple[float, float, int]:
    return limits.connection_burst, limits.connections_per_minute / 60, limits.paces_remembered
