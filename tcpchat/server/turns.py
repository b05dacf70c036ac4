"""Whose turn it is: work of many addresses, done by a few threads, so that none has to wait for another's flood."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Turns(Generic[Job]):
    """Jobs that wait, a bounded number for each address. Addresses take turns, and each has one job in hand at most.

    So a newcomer waits for the end of one job, and then for one of each address that came before it, however many
    jobs these have. The jobs of an address wait in queues, which take turns within its turn; a queue may have to rest,
    and its jobs keep their places meanwhile. ``at_once`` jobs are in hand, ``for_each`` may wait for one address, and
    ``total`` in all; the last two may be changed, and then count for those who come.
    """

    def __init__(self, at_once: int, for_each: int, total: int) -> None:
        self._at_once = at_once
        self.for_each = for_each
        self.total = total
        # Of every address, its queues in which a job waits, the next one first.
        self._waiting: dict[str, dict[str, deque[Job]]] = {}
        self._in_hand: set[str] = set()
        self._resting: set[str] = set()
        # Addresses with a job that waits in a queue without a rest, and with none in hand, the next one first.
        self._next: OrderedDict[str, None] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return self._count

    def waiting(self, address: str) -> int:
        """Return how many jobs of one address wait."""
        return sum(map(len, self._waiting.get(address, {}).values()))

    def is_waiting(self, address: str, queue: str) -> bool:
        """Return whether a job waits in a queue of ``address``."""
        return queue in self._waiting.get(address, ())

    def add(self, address: str, queue: str, job: Job) -> bool:
        """Let a job wait for its turn in a queue of ``address``; False, and nothing is changed, if too many wait."""
        if self._count >= self.total or self.waiting(address) >= self.for_each:
            return False
        self._waiting.setdefault(address, {}).setdefault(queue, deque()).append(job)
        self._count += 1
        self._follow(address)
        return True

    def make_place(self, address: str, queue: str) -> Job | None:
        """Take out and return a job, so that another can wait in ``queue``, when all places are taken.

        It is the last one of the fullest queue of the address with most jobs waiting, if these are several and
        ``address`` has none. When ``address`` has all its places taken, and none in ``queue``, it is the last one of
        its own fullest queue, if that has several. So a few that keep all places taken don't keep out everybody else.
        None if nothing was taken out.
        """
        queues = self._waiting.get(address)
        if queues is None:
            if self._count < self.total:
                return None
            fullest = max(self._waiting, key=self.waiting)
            return self._take_last(fullest) if self.waiting(fullest) > 1 else None
        if queue in queues or self.waiting(address) < self.for_each or max(map(len, queues.values())) < 2:
            return None
        return self._take_last(address)

    def take(self) -> tuple[str, Job] | None:
        """Return the next job, with its address, to be done now; None if there is none, or enough are in hand."""
        if not self._next or len(self._in_hand) >= self._at_once:
            return None
        address, _ = self._next.popitem(last=False)
        self._in_hand.add(address)
        queue = self._ready(address)
        assert queue is not None
        jobs = self._waiting[address].pop(queue)
        job = jobs.popleft()
        self._count -= 1
        if jobs:
            self._waiting[address][queue] = jobs  # behind the others
        self._tidy(address)
        return address, job

    def done(self, address: str) -> None:
        """The job of ``address`` that was in hand is done: its next one waits behind all other addresses."""
        self._in_hand.remove(address)
        self._follow(address)

    def rest(self, address: str, queue: str) -> None:
        """Give out no job of a queue of ``address`` until `wake`."""
        self._resting.add(queue)
        self._follow(address)

    def wake(self, address: str, queue: str) -> None:
        """Go on with the jobs of a queue of ``address``."""
        self._resting.remove(queue)
        self._follow(address)

    def clear(self, address: str, queue: str) -> list[Job]:
        """Return the jobs that wait in a queue of ``address``, and forget them."""
        cleared = self._waiting.get(address, {}).pop(queue, ())
        self._count -= len(cleared)
        self._tidy(address)
        return list(cleared)

    def _take_last(self, address: str) -> Job:
        """Take out the last job of the fullest queue of ``address``."""
        queues = self._waiting[address]
        fullest = max(queues, key=lambda queue: len(queues[queue]))
        job = queues[fullest].pop()
        self._count -= 1
        if not queues[fullest]:
            del queues[fullest]
        self._tidy(address)
        return job

    def _tidy(self, address: str) -> None:
        """Forget an address that waits for nothing any more."""
        if not self._waiting.get(address, True):
            del self._waiting[address]
        self._follow(address)

    def _ready(self, address: str) -> str | None:
        """Return the queue of ``address`` that is next, if there is one without a rest."""
        return next((queue for queue in self._waiting.get(address, ()) if queue not in self._resting), None)

    def _follow(self, address: str) -> None:
        """See whether ``address`` waits for its turn by now; it keeps its place if it did before."""
        if address not in self._in_hand and self._ready(address) is not None:
            self._next.setdefault(address)
        else:
            self._next.pop(address, None)
