"""Token buckets: so much at once, and then so much a second. Also very many of them, of which few are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")

# What adding up fractions may lose: else the last of a wait could be too short for any clock.
_LOST_SECONDS = 1e-6


class Buckets(Generic[Key]):
    """Token buckets by their keys: each holds ``burst``, and gets ``rate`` a second. ``seconds`` is a clock.

    A bucket is kept as the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371), and
    forgotten by then. Of more than ``most`` the one that was begun first is forgotten early.
    """

    __slots__ = ("_full", "_kept", "_latest", "_most", "_rate", "_seconds", "_span")

    def __init__(self, seconds: Callable[[], float], burst: float, rate: float, most: int) -> None:
        self._seconds = seconds
        self.resize(burst, rate, most)
        self._full: dict[Key, float] = {}
        self._latest = seconds()
        # How many were left when all were looked at.
        self._kept = 0

    def resize(self, burst: float, rate: float, most: int) -> None:
        """Let each bucket hold ``burst`` and get ``rate`` a second from now on; what is empty stays so for as long.

        Of more than ``most`` some are forgotten when the next one is begun.
        """
        self._most = most
        self._rate = rate
        # How long an empty one takes to be full.
        self._span = burst / rate

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._full)

    def wait(self, key: Key, amount: float = 0.0) -> float:
        """Return for how many seconds ``amount`` is not to be had."""
        now = self._now()
        ahead = max(self._full.get(key, now), now) - now + amount / self._rate - self._span
        return ahead if ahead > _LOST_SECONDS else 0.0

    def take(self, key: Key, amount: float) -> float:
        """Take ``amount`` now or in advance; return the seconds until it will have been there."""
        now = self._now()
        full = max(self._full.get(key, now), now) + amount / self._rate
        if key not in self._full:
            self._make_place(now)
        self._full[key] = full
        ahead = full - now - self._span
        return ahead if ahead > _LOST_SECONDS else 0.0

    def give_back(self, key: Key, amount: float) -> None:
        """Put ``amount`` back."""
        if key in self._full:
            self._full[key] -= amount / self._rate

    def _now(self) -> float:
        now = self._seconds()
        if now < self._latest:  # the clock was set back: nobody is to wait for that
            back = self._latest - now
            self._full = {key: full - back for key, full in self._full.items()}
        self._latest = now
        return now

    def _make_place(self, now: float) -> None:
        """Forget those that are full; looking at all of them is worth it only when many have come."""
        if len(self._full) >= min(self._most, 2 * self._kept + 64):
            self._full = {key: full for key, full in self._full.items() if full > now}
            self._kept = len(self._full)
            while len(self._full) >= self._most:
                del self._full[next(iter(self._full))]
