"""What has come by HTTP or WebSocket and is not parsed yet: a piece at a time, for which the peer pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tcpchat.core.state import Person
from tcpchat.server.pace import Pace

# What is parsed at a time: so much may be 170 frames or 50 requests, or become a thousand times as much when it is
# inflated. That takes a millisecond or a few, and then others go first.
_PIECE_BYTES = 1024


class Owner(Protocol):
    """The connection that it comes from."""

    transport: Any

    @property
    def holding(self) -> bool:
        """Whether it takes nothing just now."""

    @property
    def person(self) -> Person | None:
        """Who is logged in."""


class Intake:
    """Hands on what comes: pieces to ``parse``, and once, after the last one, that there is no more to ``ended``.

    What `charge` is told of costs the peer the time that it took; it rests until that is paid, and for a turn of the
    reactor at the least. Without a ``pace`` (a trusted address) all is parsed at once.
    """

    __slots__ = ("_clock", "_end", "_ended", "_owner", "_pace", "_parse", "_parsing", "_raw", "_resting")

    def __init__(
        self,
        owner: Owner,
        pace: Pace | None,
        clock: IReactorTime,
        parse: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._pace = pace
        self._clock = clock
        self._parse = parse
        self._ended = ended
        self._raw = b""
        self._parsing = False
        # Until when nothing is parsed, since it was much work; and whether nothing more comes.
        self._resting: IDelayedCall | None = None
        self._end = False

    def take(self, data: bytes) -> None:
        """Take a chunk."""
        self._raw = self._raw + data if self._raw else data
        if self._resting is not None or self._owner.holding:
            self._owner.transport.pauseProducing()
        self.proceed()

    def end(self) -> None:
        """Nothing more comes."""
        self._end = True
        self.proceed()

    def proceed(self) -> None:
        """Go on with what has come, as far as anything is taken."""
        if self._parsing:
            return
        self._parsing = True
        try:
            while self._raw and not self._owner.holding and self._resting is None:
                piece, self._raw = self._raw[:_PIECE_BYTES], self._raw[_PIECE_BYTES:]
                self._parse(piece)
        finally:
            self._parsing = False
        if self._end and not self._raw:
            self._end = False
            self._ended()

    @property
    def waiting(self) -> bool:
        """Whether something waits to be parsed, or the peer rests."""
        return bool(self._raw) or self._resting is not None

    @property
    def unparsed(self) -> bool:
        """Whether something has come that is not parsed yet."""
        return bool(self._raw)

    def began(self) -> float:
        """Return what the meter of work shows."""
        return self._pace.meter() if self._pace is not None else 0.0

    def charge(self, began: float) -> None:
        """Let the peer pay for what was done since ``began``, before anything more is."""
        if self._pace is None:
            return
        rest = self._pace.spent(began, self._owner.person)
        if rest or self._raw:
            self._owner.transport.pauseProducing()
            self._resting = self._clock.callLater(rest, self._rested)

    def give_back(self, rest: bytes) -> None:
        """Keep the rest of a piece that was not parsed for the next one."""
        self._raw = rest + self._raw

    def resume(self) -> None:
        """The owner takes something again."""
        if self._resting is None:
            self._rested()

    def drop(self) -> bytes:
        """Return what is not parsed, and forget it."""
        rest, self._raw = self._raw, b""
        return rest

    def close(self) -> None:
        """Take nothing more, and let go of those whom it is for."""
        self.drop()
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
        self._parse, self._ended = _no_parser, _nobody

    def _rested(self) -> None:
        self._resting = None
        if not self._owner.holding:
            self._owner.transport.resumeProducing()
        self.proceed()


def _no_parser(piece: bytes) -> None:
    """It is closed."""


def _nobody() -> None:
    """It is closed."""
