"""The time that a peer has, and the bytes that it may send, until it has logged in, or has been answered."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """One limit that runs, or none."""

    __slots__ = ("_bytes", "_call", "_clock")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._bytes = 0

    @property
    def running(self) -> bool:
        """Whether there is a limit."""
        return self._call is not None and self._call.active()

    def begin(self, seconds: float, missed: Callable[[], None]) -> None:
        """Let ``missed`` be called in so many seconds, unless something else is done first."""
        self.stop()
        self._bytes = 0
        self._call = self._clock.callLater(seconds, missed)

    def renew(self, seconds: float) -> None:
        """Let what runs, if anything does, begin anew."""
        if self._call is not None and self._call.active():
            self._bytes = 0
            self._call.reset(seconds)

    def count(self, size: int) -> int:
        """Count bytes that have come; return how many there were since it began, 0 without a limit."""
        if self._call is None or not self._call.active():
            return 0
        self._bytes += size
        return self._bytes

    def stop(self) -> None:
        """Have no limit."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
