"""What happens again and again while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tcpchat.core.limits import Limits


class Ticker:
    """Calls ``tick`` every ``count_seconds``, which may change meanwhile and then counts from the next time on."""

    _log = Logger()

    def __init__(self, tick: Callable[[], None], limits: Limits, reactor: Any) -> None:
        self._call = tick
        self._limits = limits
        self._looping = LoopingCall(self._tick)
        self._looping.clock = reactor

    def start(self) -> None:
        """Begin; the first time is after ``count_seconds``."""
        self._looping.start(self._limits.count_seconds, now=False)

    def stop(self) -> None:
        """Call no more."""
        if self._looping.running:
            self._looping.stop()

    def _tick(self) -> None:
        try:
            self._call()
        except Exception:  # or there would be no other tick
            self._log.failure("a tick failed")
        self._looping.interval = self._limits.count_seconds
