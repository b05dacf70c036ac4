"""Whose turn it is: work of many addresses, done by a few threads, so that none has to wait for another's flood."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Turns(Generic[Job]):
    """Jobs that wait, a bounded number for each address. Addresses take turns, and each has one job in hand at most.

    So a newcomer waits for the end of one job, and then for one of each address that came before it, however many
    jobs these have. An address may have to rest: its jobs keep their places meanwhile. ``at_once`` jobs are in hand,
    ``for_each`` may wait for one address, and ``total`` in all; the last two may be changed, and then count for those
    who come.
    """

    def __init__(self, at_once: int, for_each: int, total: int) -> None:
        self._at_once = at_once
        self.for_each = for_each
        self.total = total
        # Of every address with a job that waits or is in hand.
        self._waiting: dict[str, deque[Job]] = {}
        self._in_hand: set[str] = set()
        self._resting: set[str] = set()
        # Those that have a job waiting, none in hand and no rest, the next one first.
        self._next: deque[str] = deque()
        self._count = 0

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return self._count

    def waiting(self, address: str) -> int:
        """Return how many jobs of one address wait."""
        return len(self._waiting.get(address, ()))

    def add(self, address: str, job: Job) -> bool:
        """Let a job wait for its turn; False, and nothing is changed, if there are too many."""
        jobs = self._waiting.get(address)
        if self._count >= self.total or (jobs is not None and len(jobs) >= self.for_each):
            return False
        if jobs is None:
            jobs = self._waiting[address] = deque()
        if not jobs and address not in self._in_hand and address not in self._resting:
            self._next.append(address)
        jobs.append(job)
        self._count += 1
        return True

    def make_place(self, address: str) -> Job | None:
        """Take out and return a job, so that another can wait, when all places are taken.

        It is the last one of the address with most jobs waiting, if these are several and ``address`` has none: a few
        that keep all places taken must not keep out everybody else. None if nothing was taken out.
        """
        if self._count < self.total or self.waiting(address):
            return None
        jobs = max(self._waiting.values(), key=len)
        if len(jobs) < 2:
            return None
        self._count -= 1
        return jobs.pop()

    def take(self) -> tuple[str, Job] | None:
        """Return the next job, with its address, to be done now; None if there is none, or enough are in hand."""
        if not self._next or len(self._in_hand) >= self._at_once:
            return None
        address = self._next.popleft()
        self._in_hand.add(address)
        self._count -= 1
        return address, self._waiting[address].popleft()

    def done(self, address: str) -> None:
        """The job of ``address`` that was in hand is done: its next one waits behind all other addresses."""
        self._in_hand.remove(address)
        self._follow(address)

    def rest(self, address: str) -> None:
        """Give out no job of ``address`` until `wake`."""
        self._resting.add(address)
        if address in self._next:
            self._next.remove(address)

    def wake(self, address: str) -> None:
        """Go on with the jobs of ``address``."""
        self._resting.remove(address)
        if address not in self._in_hand:
            self._follow(address)

    def clear(self, address: str) -> list[Job]:
        """Return the jobs of ``address`` that wait, and forget them."""
        jobs = self._waiting.get(address, deque())
        cleared = list(jobs)
        self._count -= len(cleared)
        jobs.clear()
        if address in self._next:
            self._next.remove(address)
        if address not in self._in_hand:
            self._waiting.pop(address, None)
        return cleared

    def _follow(self, address: str) -> None:
        """See when the next job of ``address``, which is free, has its turn."""
        if not self._waiting.get(address):
            self._waiting.pop(address, None)
        elif address not in self._resting:
            self._next.append(address)
