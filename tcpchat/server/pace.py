"""How fast one connection's commands are taken: a token bucket that delays and never refuses."""

from __future__ import annotations

from collections.abc import Callable

from tcpchat.core.limits import Limits

# One token, but for what adding up fractions loses: else the last of a wait could be too short for any clock.
_WHOLE = 1 - 1e-6


class Pace:
    """Lets a burst through at once, and then so many commands a second. ``seconds`` is the reactor's clock."""

    __slots__ = ("_limits", "_seconds", "_tokens", "_updated")

    def __init__(self, seconds: Callable[[], float], limits: Limits) -> None:
        self._seconds = seconds
        self._limits = limits
        self._tokens = float(limits.command_burst)
        self._updated = seconds()

    def take(self) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        now = self._seconds()
        limits = self._limits
        elapsed = max(0.0, now - self._updated)  # the clock may have been set back
        self._tokens = min(limits.command_burst, self._tokens + elapsed * limits.commands_per_second)
        self._updated = now
        if self._tokens < _WHOLE:
            return (1 - self._tokens) / limits.commands_per_second
        self._tokens -= 1
        return 0.0
