"""Failed logins, by the network that they come from: each makes the next proof from there wait twice as long."""

from __future__ import annotations

from collections.abc import Callable

from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.core.waits import refuse_for
from tcpchat.errors import ChatError, Code

_DAY_SECONDS = 86_400.0
# 2 to this power times any first delay is beyond any last one.
_MOST_DOUBLINGS = 30


class Attempts:
    """Remembers failures, at most ``failures_remembered`` of each kind. ``seconds`` is a clock.

    An account that was made or has proved itself from a network is at home there: its proofs wait for its own failures
    only. So a guesser behind the same router keeps nobody out who has been there before, and the guesser's own account
    opens no other. A success forgives the failures of that account there, never those of the others in the network.
    """

    def __init__(self, seconds: Callable[[], float], limits: Limits) -> None:
        self._seconds = seconds
        self._limits = limits
        # How many failures, the time of the last one, and until when the next proof waits; the oldest first.
        self._failures: dict[str, tuple[int, float, float]] = {}
        # Who is at home where, since when; who has not been there for longest first.
        self._home: dict[str, float] = {}

    def __len__(self) -> int:
        """Return how many records are kept."""
        return len(self._failures) + len(self._home)

    def queue(self, network: str, account: PersonId | None) -> str:
        """Return what a proof waits with: its network, or its account where that is at home."""
        own = f"{network} {account}"
        return own if account is not None and own in self._home else network

    def wait(self, queue: str) -> float:
        """Return for how many seconds the next proof of a queue has to wait."""
        count, last, until = self._failures.get(queue, (0, 0.0, 0.0))
        now = self._seconds()
        if not count or until <= now or now < last:  # or the clock was set back
            return 0.0
        return until - now

    def failed(self, queue: str) -> float:
        """Note a failure; return the seconds that the next proof has to wait."""
        now = self._seconds()
        limits = self._limits
        count, last, _ = self._failures.pop(queue, (0, now, now))
        if not 0 <= now - last <= limits.failure_forgotten_seconds:
            count = 0
        delay = min(limits.failure_seconds_most, limits.failure_seconds * 2.0 ** min(count, _MOST_DOUBLINGS))
        self._failures[queue] = (count + 1, now, now + delay)
        self._forget(now)
        return delay

    def proved(self, network: str, account: PersonId) -> None:
        """An account has proved itself from a network, or was made there: it is at home there."""
        own = f"{network} {account}"
        self._failures.pop(own, None)
        self._home.pop(own, None)
        now = self._seconds()
        self._home[own] = now
        while len(self._home) > self._limits.failures_remembered or (
            now - next(iter(self._home.values())) > self._limits.home_days * _DAY_SECONDS
        ):
            del self._home[next(iter(self._home))]

    def _forget(self, now: float) -> None:
        """Forget what is old, and the oldest of too many."""
        while self._failures:
            queue, (_, last, _) = next(iter(self._failures.items()))
            old = now - last > self._limits.failure_forgotten_seconds
            if not old and len(self._failures) <= self._limits.failures_remembered:
                return
            del self._failures[queue]


def too_many(wait: float) -> ChatError:
    """Return the refusal of a proof that would have to wait too long."""
    return refuse_for(wait, Code.TOO_MANY_ATTEMPTS, "Too many logins from your network have failed.")
