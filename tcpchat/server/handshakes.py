"""TLS handshakes under way: a bounded number of each network and of all; the others wait for their turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tcpchat.core.limits import Limits


class Handshakes:
    """Gives places for handshakes; networks that wait take turns."""

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._under_way: Counter[str] = Counter()
        self._total = 0
        # Who waits, by their networks, the next one first.
        self._waiting: dict[str, dict[Place, None]] = {}
        self._beginning = False

    def place(self, network: str) -> Place:
        """Return a place for one handshake of ``network``, which isn't taken yet."""
        return Place(self, network)

    def enter(self, place: Place) -> None:
        """Let a handshake begin as soon as there is a place."""
        self._waiting.setdefault(place.network, {})[place] = None
        self._go_on()

    def leave(self, place: Place) -> None:
        """One handshake is over."""
        self._total -= 1
        self._under_way[place.network] -= 1
        if not self._under_way[place.network]:
            del self._under_way[place.network]
        self._go_on()

    def withdraw(self, place: Place) -> None:
        """Who waits has gone."""
        waiting = self._waiting.get(place.network, {})
        waiting.pop(place, None)
        if not waiting:
            self._waiting.pop(place.network, None)

    def _go_on(self) -> None:
        """Let begin who can; one that fails at once lets another begin, which is seen to here."""
        if self._beginning:
            return
        self._beginning = True
        try:
            while (network := next(filter(self._has_place, self._waiting), None)) is not None:
                waiting = self._waiting.pop(network)
                place = next(iter(waiting))
                del waiting[place]
                if waiting:
                    self._waiting[network] = waiting
                self._total += 1
                self._under_way[network] += 1
                place.begin(self._clock, self._limits.handshake_seconds)
        finally:
            self._beginning = False

    def _has_place(self, network: str) -> bool:
        limits = self._limits
        return self._total < limits.handshakes and self._under_way[network] < limits.handshakes_per_address


class Place:
    """One handshake's place among those of its network."""

    def __init__(self, handshakes: Handshakes, network: str) -> None:
        self.network = network
        self._handshakes = handshakes
        self._begin: Callable[[], None] | None = None
        self._expired: Callable[[], None] | None = None
        self._deadline: IDelayedCall | None = None

    def enter(self, begin: Callable[[], None], expired: Callable[[], None]) -> None:
        """Call ``begin`` as soon as there is a place, and ``expired`` if the handshake then takes too long."""
        self._begin, self._expired = begin, expired
        self._handshakes.enter(self)

    def begin(self, clock: IReactorTime, seconds: float) -> None:
        """The place is taken, for so many seconds at most."""
        begin, expired = self._begin, self._expired
        assert begin is not None
        assert expired is not None
        self._begin = None
        self._deadline = clock.callLater(seconds, expired)
        begin()

    def leave(self) -> None:
        """Let another take the place, or take it no more."""
        if self._begin is not None:
            self._handshakes.withdraw(self)
        elif self._deadline is not None:
            if self._deadline.active():
                self._deadline.cancel()
            self._deadline = None
            self._handshakes.leave(self)
        self._begin = self._expired = None
