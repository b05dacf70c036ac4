"""What is on its way to one peer: bounded while it doesn't read, and ended so that it sees the last line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from tcpchat.core.limits import Limits


@implementer(IPushProducer)
class Outbox:
    """The writing side of a connection.

    The transport says when its own buffer is full, and when that has drained: ``clogged`` is what holds between the
    two, when the peer doesn't read what it is sent. ``filled`` is called when it begins, ``drained`` when it ends.
    What is counted meanwhile may be ``unread_bytes``; when it is more ``overrun`` is called, once. ``finished`` is
    whether the last word has been said.
    """

    def __init__(
        self,
        transport: Any,
        clock: IReactorTime,
        limits: Limits,
        *,
        filled: Callable[[], None],
        overrun: Callable[[], None],
        drained: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._limits = limits
        self._filled = filled
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
        if not self.finished:
            self._transport.write(data)

    @property
    def unsent(self) -> int:
        """How many bytes the peer has yet to take, as far as the transport can tell; at least 1 while ``clogged``."""
        unsent: Callable[[], int] | None = getattr(self._transport, "unsent", None)
        return max(int(self.clogged), unsent() if unsent is not None else 0)

    @property
    def arrived(self) -> bool:
        """Whether the peer's machine has acknowledged all that was written, as far as that can be told."""
        if self.clogged or self.finished:
            return False
        arrived: Callable[[], bool] | None = getattr(self._transport, "arrived", None)
        return arrived() if arrived is not None else self.unsent == 0

    def count(self, size: int) -> None:
        """Count ``size`` bytes that were written besides what is in the logs, if they are unread."""
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
        self._filled = self._overrun = self._drained = (
            _nobody  # whom they belong to is freed at once, not when cycles are looked for
        )
        if self._abort is not None and self._abort.active():
            self._abort.cancel()

    def pauseProducing(self) -> None:
        """The peer reads more slowly than we write. The transport says so again at every write until it drains."""
        if not self.clogged and not self.finished:
            self.clogged = True
            self._unread = 0
            self._filled()

    def resumeProducing(self) -> None:
        """The peer has caught up."""
        self.clogged = False
        self._drained()

    def stopProducing(self) -> None:
        """The connection is gone; `lost` will be called."""


def _nobody() -> None:
    """Nobody wants to hear it any more."""
