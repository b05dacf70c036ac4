"""How fast commands are taken: who floods is slowed, and refused where slowing doesn't help."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from tcpchat.core import commands
from tcpchat.core.commands import Command
from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.core.requests import AuditPage, Page, Supply
from tcpchat.core.state import Person
from tcpchat.core.waits import refuse_for
from tcpchat.errors import ChatError, Code
from tcpchat.server.buckets import Buckets

# What a command costs in tokens, if it isn't one: a token is the work for one message in a small room.
COSTS: dict[type[Command], int] = {
    # A room hears of it, and its members' lists change.
    commands.Arrive: 5,
    commands.EnterAsGuest: 5,
    commands.SpeakAsGuest: 5,
    commands.Join: 5,
    commands.Leave: 5,
    commands.Topic: 5,
    # Every room that one is in hears of it.
    commands.Rename: 10,
    commands.Recolor: 10,
    commands.GoAway: 5,
    # They are made from many names or entries.
    commands.History: 5,
    commands.ListMembers: 5,
    commands.ListUsers: 10,
    commands.ListRooms: 10,
    commands.Complete: 2,
    # They last: rows on disk, names that are taken.
    commands.Create: 20,
    commands.Delete: 20,
    # A password is hashed: 50 ms of a core, in turns.
    commands.Register: 20,
    commands.Enrol: 20,
    commands.ChangePassword: 20,
    commands.Unregister: 20,
}

REGISTRATIONS: frozenset[type[object]] = frozenset((commands.Register, commands.Enrol))
"""The commands that make an account."""

_HOUR_SECONDS = 3600
# What adding up fractions may lose: else the last of a wait could be too short for any clock.
_LOST_SECONDS = 1e-6


class Paces:
    """What the connections of one account, or of one network, share. ``seconds`` is the reactor's clock.

    ``meter`` is a clock of work: by default the time that this thread has had of a core, so that a busy machine costs
    nobody anything.
    """

    def __init__(
        self, seconds: Callable[[], float], limits: Limits, meter: Callable[[], float] = time.thread_time
    ) -> None:
        self.seconds = seconds
        self.limits = limits
        self.meter = meter
        self.accounts: Buckets[PersonId] = Buckets(seconds, *_account_pace(limits))
        self.work: Buckets[PersonId | str] = Buckets(seconds, *_work_pace(limits))
        self.registrations: Buckets[str] = Buckets(seconds, *_hourly(limits, limits.registrations_per_hour))
        self.rooms: Buckets[str] = Buckets(seconds, *_hourly(limits, limits.rooms_per_hour))

    def limits_changed(self) -> None:
        """Go on with the limits as they are now."""
        self.accounts.resize(*_account_pace(self.limits))
        self.work.resize(*_work_pace(self.limits))
        self.registrations.resize(*_hourly(self.limits, self.limits.registrations_per_hour))
        self.rooms.resize(*_hourly(self.limits, self.limits.rooms_per_hour))

    def pace(self, network: str) -> Pace:
        """Return the pace of a new connection from ``network``."""
        return Pace(self, network)


class Pace:
    """The pace of one connection: a bucket of tokens of its own, and those that it shares.

    What has to wait has its tokens already, in advance, and so keeps its place among those that share them.
    ``refusal`` is what the request that was charged last is to be answered with, after it has waited.
    """

    __slots__ = ("_full", "_latest", "_network", "_shared", "_stretch", "refusal")

    def __init__(self, shared: Paces, network: str) -> None:
        self._shared = shared
        self._network = network
        # When the bucket will be full again.
        self._full = self._latest = shared.seconds()
        # Work since the others were let go first.
        self._stretch = 0.0
        self.refusal: ChatError | None = None

    def charge(self, asks: object, person: Person | None, hurried: bool) -> float | None:
        """Return for how many seconds a request has to wait, if at all; it may be refused after that.

        Nobody waits for the answers of who is going (``hurried``). What was said still counts, and is no more than a
        burst; work is refused that would have to wait, else who floods would only have to hang up.
        """
        if hurried and not (isinstance(asks, Command) and not asks.pipelined):
            return None
        try:
            delay = self.take(asks, person)
        except ChatError as error:
            self.refusal = error.detached()
            delay = self.debt
        if hurried and delay:
            self.refusal = self.refusal or too_much(delay)
            return None
        return delay

    def take(self, asks: object, person: Person | None) -> float | None:
        """Let a command go on at once (None), or return the seconds that it has to wait first.

        Raises ``rate-limited`` if that would be too long, and ``too-many-attempts`` for one more account than a
        network may make: nothing has been taken of what is shared then, and the refusal waits for `debt`. ``asks`` may
        also be what a line is answered with that is no command. Who leaves doesn't wait.
        """
        if type(asks) is commands.Quit:
            return None
        cost = COSTS.get(type(asks), 1) if isinstance(asks, Command) else 1
        wait = self._take_own(cost)
        works = isinstance(asks, Command) and not asks.pipelined
        if works:
            wait = max(wait, self._check(self._shared.work.wait(self._worker(person))))
        if type(asks) in REGISTRATIONS:
            self._take_registration()
        if person is not None and person.registered:
            accounts = self._shared.accounts
            self._check(accounts.wait(person.id, cost))
            wait = max(wait, accounts.take(person.id, cost))
        if works and not wait and self._stretch > self._shared.limits.work_turn_seconds:
            self._stretch = 0.0
            return 0.0
        return wait or None

    @property
    def debt(self) -> float | None:
        """The seconds until what was taken from the connection's own bucket will have been there, if it wasn't."""
        limits = self._shared.limits
        ahead = self._full - self._latest - limits.command_burst / limits.commands_per_second
        return ahead if ahead > _LOST_SECONDS else None

    def worked(self, began: float, person: Person | None, entries: int = 0) -> None:
        """Charge what was done since the meter showed ``began``, and for ``entries`` that a thread has read."""
        seconds = self._shared.meter() - began + entries * self._shared.limits.work_entry_seconds
        if seconds > 0:
            self._stretch += seconds
            self._shared.work.take(self._worker(person), seconds)

    def spent(self, began: float, person: Person | None) -> float:
        """Charge work as `worked` does; return the seconds until more of it may be done, 0 for at once."""
        self.worked(began, person)
        return self._shared.work.wait(self._worker(person))

    def meter(self) -> float:
        """Return what the meter shows."""
        return self._shared.meter()

    def measure(self, person: Person | None, supply: Supply | None = None) -> Callable[[], None]:
        """Begin to measure work with what was read for it; return what ends that, and charges it to ``person``."""
        entries = 0
        if isinstance(supply, Page):
            entries = len(supply.entries)
        elif isinstance(supply, AuditPage):
            entries = len(supply.records)
        return partial(self.worked, self._shared.meter(), person, entries)

    def give_back_registration(self) -> None:
        """An account that was asked for has not been made."""
        self._shared.registrations.give_back(self._network, 1)

    def take_room(self) -> None:
        """Count a room that is to be created; raises ``rate-limited`` for one more than a network may create."""
        rooms = self._shared.rooms
        if wait := rooms.wait(self._network, 1):
            raise refuse_for(wait, Code.RATE_LIMITED, "Many rooms have been created from your network.")
        rooms.take(self._network, 1)

    def give_back_room(self) -> None:
        """A room that was counted has not been created."""
        self._shared.rooms.give_back(self._network, 1)

    def _worker(self, person: Person | None) -> PersonId | str:
        """Return who pays for work: the account, or all guests of a network, who can be others at any time."""
        return person.id if person is not None and person.registered else self._network

    def _take_own(self, cost: int) -> float:
        now = self._shared.seconds()
        full = self._full
        if now < self._latest:  # the clock was set back: nobody is to wait for that
            full -= self._latest - now
        self._latest = now
        full = max(full, now)
        limits = self._shared.limits
        rate = limits.commands_per_second
        self._full = full + 1 / rate  # a refusal is work, too
        self._check(full + cost / rate - now - limits.command_burst / rate)
        self._full = full + cost / rate
        return self.debt or 0.0

    def _take_registration(self) -> None:
        registrations = self._shared.registrations
        if wait := registrations.wait(self._network, 1):
            raise refuse_for(wait, Code.TOO_MANY_ATTEMPTS, "Many accounts have been made from your network.")
        registrations.take(self._network, 1)

    def _check(self, wait: float) -> float:
        """Return a wait, or raise ``rate-limited`` if it is too long."""
        if wait > self._shared.limits.wait_seconds:
            raise too_much(wait)
        return wait


def _account_pace(limits: Limits) -> tuple[float, float, int]:
    return limits.account_burst, limits.account_commands_per_second, limits.paces_remembered


def _work_pace(limits: Limits) -> tuple[float, float, int]:
    return limits.work_burst_seconds, limits.work_share, limits.paces_remembered


def _hourly(limits: Limits, most: int) -> tuple[float, float, int]:
    return most, most / _HOUR_SECONDS, limits.paces_remembered


def too_much(wait: float) -> ChatError:
    """Return the refusal of a command that would have to wait too long."""
    return refuse_for(wait, Code.RATE_LIMITED, "That is too much at once, so it was not done.", rule="rate-limited")
