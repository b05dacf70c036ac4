"""What is on its way to one peer: bounded while it doesn't read, and ended so that it sees the last line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from tcpchat.core.limits import Limits


@implementer(IPushProducer)
class Outbox:
    """The writing side of a connection. ``overrun`` is called once when a peer is too far behind.

    ``clogged`` is whether the peer doesn't read what it is sent; ``drained`` is called when it has caught up.
    ``finished`` is whether the last word has been said.

    The transport says when its own buffer is full; what is written after that is counted against
    ``unread_bytes`` until it says that it has drained.
    """

    def __init__(
        self,
        transport: Any,
        clock: IReactorTime,
        limits: Limits,
        *,
        overrun: Callable[[], None],
        drained: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._limits = limits
        self._overrun = overrun
        self._drained = drained
        self.clogged = False
        self.finished = False
        self._unread = 0
        self._overrun_told = False
        self._abort: IDelayedCall | None = None
        transport.registerProducer(self, True)

    def move(self, transport: Any) -> None:
        """Write to ``transport`` from here on, which passes everything on to the one there was."""
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send ``data``, unless the last word has been said."""
        if self.finished:
            return
        clogged = self.clogged
        self._transport.write(data)
        if clogged:
            self.count(len(data))

    def count(self, size: int) -> None:
        """Count ``size`` bytes that were sent, if they are unread."""
        if self.clogged:
            self._unread += size
            if self._unread > self._limits.unread_bytes and not self._overrun_told:
                self._overrun_told = True
                # Not now: whoever writes may be going through a room's readers.
                self._clock.callLater(0, self._overrun)

    def finish(self, last: bytes = b"", *, half_closed: bool = False) -> None:
        """Say ``last`` and close. ``half_closed``: the peer has ended its half, so that nothing unread can come.

        A peer that doesn't take the rest within ``drain_seconds``, or doesn't close in turn within
        ``linger_seconds`` after it, is cut off.
        """
        if self.finished:
            return
        if last:
            self._transport.write(last)
        self.finished = True
        self.clogged = False
        self._transport.unregisterProducer()
        self._abort = self._clock.callLater(self._limits.drain_seconds, self._transport.abortConnection)
        # Closing a socket with unread input would make the kernel reset it, and the peer would lose the last
        # line: end only our half.
        if half_closed:
            self._transport.loseConnection()
        else:
            self._transport.loseWriteConnection()

    def sent(self) -> None:
        """The last word is out of our hands."""
        if self._abort is not None and self._abort.active():
            self._abort.reset(self._limits.linger_seconds)

    def lost(self) -> None:
        """The connection is gone."""
        self.finished = True
        self.clogged = False
        self._overrun = self._drained = _nobody  # whom they belong to is freed at once, not when cycles are looked for
        if self._abort is not None and self._abort.active():
            self._abort.cancel()

    def pauseProducing(self) -> None:
        """The peer reads more slowly than we write. The transport says so again at every write until it drains."""
        if not self.clogged:
            self.clogged = not self.finished
            self._unread = 0

    def resumeProducing(self) -> None:
        """The peer has caught up."""
        self.clogged = False
        self._drained()

    def stopProducing(self) -> None:
        """The connection is gone; `lost` will be called."""


def _nobody() -> None:
    """Nobody wants to hear it any more."""
