"""Whose turn it is: work of many addresses, done by a few threads, so that none has to wait for another's flood."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Generic, TypeVar

Job = TypeVar("Job")

# What one customer is given at the least (RFC 6177): it can speak from as many addresses of it as it likes.
_IPV6_PREFIX = 64


class Turns(Generic[Job]):
    """Jobs that wait, a bounded number for each address. Addresses take turns, and each has one job in hand at most.

    So a newcomer waits for the end of one job, and then for one of each address that came before it, however many
    jobs these have. ``at_once`` jobs are in hand, ``for_each`` may wait for one address, and ``total`` in all; the
    last two may be changed, and then count for those who come.
    """

    def __init__(self, at_once: int, for_each: int, total: int) -> None:
        self._at_once = at_once
        self.for_each = for_each
        self.total = total
        # Of every address with a job that waits or is in hand.
        self._waiting: dict[str, deque[Job]] = {}
        self._in_hand: set[str] = set()
        # Those that have a job waiting and none in hand, the next one first.
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
        if not jobs and address not in self._in_hand:
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
        if self._waiting[address]:
            self._next.append(address)
        else:
            del self._waiting[address]


def neighbourhood(address: str) -> str:
    """Return whom an address takes its turns with: itself, or the network of 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), _IPV6_PREFIX), strict=False))
    return address
