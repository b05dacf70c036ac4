"""Peers that have gone are seen off a few at a time: when a network breaks down, thousands go in one moment."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

# For how long ends are seen to in one turn of the reactor. By time, since each takes 0.1 ms, and 1 ms while another
# thread has the interpreter: it is given away a dozen times for each.
_TURN_SECONDS = 0.005
# How many of those who wait are asked in one turn: about as many as can go.
_TURN_DEPARTURES = 50


class Leaving(Protocol):
    """A connection whose peer has gone."""

    def depart(self) -> None:
        """It is its turn."""


class Departures:
    """Whose end is seen to now, and who waits for that: in each turn of the reactor it is one at least, and some ms."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # When this turn has had its share; None before the first end.
        self._over: float | None = None
        self._scheduled = False
        self._waiting: deque[Leaving] = deque()

    def admit(self, leaving: Leaving) -> bool:
        """Return whether the end of a connection may be seen to now; else it is told when to ask again."""
        now = self._clock.seconds()
        if self._over is None:
            self._over = now + _TURN_SECONDS
        elif now >= self._over:
            self._waiting.append(leaving)
            return False
        self._schedule()
        return True

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        """The reactor's next turn."""
        self._scheduled = False
        self._over = None
        if self._waiting:
            self._schedule()
            for leaving in [self._waiting.popleft() for _ in range(min(_TURN_DEPARTURES, len(self._waiting)))]:
                leaving.depart()


class Departing:
    """A transport whose end waits for its turn. What the peer has said before is read as ever."""

    _departures: Departures
    # What Twisted is to be told of the end that is known.
    _end: Exception | None = None

    def doRead(self: Any) -> Any:
        """Read; an end is told to Twisted when its turn has come, and until then nothing is read any more."""
        end = self._end
        if end is None:
            end = super().doRead()  # type: ignore[misc]
        if end is None or self._departures.admit(self):
            return end
        self._end = end
        self.stopReading()
        return None

    def depart(self: Any) -> None:
        """Let Twisted read again, which is told of the end then."""
        if self.connected:
            self.startReading()
