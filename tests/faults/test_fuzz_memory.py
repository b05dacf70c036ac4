"""Damaged sessions against the daemon in memory: the same seed repeats every step, and no object is left."""

from __future__ import annotations

import gc
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, globalLogPublisher
from zope.interface import implementer

from tcpchat.core.limits import Limits
from tcpchat.core.state import Direct, Person, Session
from tcpchat.server.connection import Connection
from tcpchat.server.http.channel import HttpChannel
from tcpchat.server.http.websocket import WebSocket
from tcpchat.server.protocol import ChatProtocol
from tcpchat.wire.telnet import Telnet
from tests.faults.fuzz import AT_ONCE, MEETING, STEPS, WIRES, Attempt, End, attempt
from tests.house import House, Script, Terminal
from tests.transport import MemoryTransport


@implementer(ILogObserver)
class Faults(list[str]):
    """What is logged as a fault while it is observed."""

    def __call__(self, event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.warn:
            self.append(f"{event['log_level'].name}: {event.get('log_format')} {event.get('log_failure')}")


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    observer = Faults()
    # Until somebody begins to log, Twisted keeps what is logged, and with it whoever logged it.
    monkeypatch.setattr(ChatProtocol, "_log", Logger(observer=observer))
    globalLogPublisher.addObserver(observer)
    yield observer
    globalLogPublisher.removeObserver(observer)


class MemoryFuzzer:
    """One attempt over a connection in memory: the order of everything follows from the seed."""

    def __init__(self, house: House, plan: Attempt) -> None:
        self._transport: MemoryTransport = house.connect(f"192.0.2.{len(plan.pieces) % 5}")
        self._plan = plan
        self._pieces = list(plan.pieces)[::-1]
        self._half_closed = False
        if not plan.reads:
            self._transport.stop_reading()

    @property
    def over(self) -> bool:
        return self._transport.closed

    def step(self) -> None:
        """Send a piece if the daemon reads; after the last one come to the end."""
        self._transport.take()
        if self._half_closed or (self._pieces and not self._transport.reading):
            return
        if self._pieces:
            self._transport.receive(self._pieces.pop())
        elif self._plan.end is End.HALF_CLOSE:
            self._half_closed = True
            self._transport.end()
        elif self._plan.end is not End.STAY:
            self.hang_up()

    def hang_up(self) -> None:
        """End it now, with a proper close if it was to have one."""
        if not self._half_closed and not self.over and self._plan.end is End.CLOSE:
            self._transport.end()
        self._transport.tear()


_ALIVE = (ChatProtocol, Connection, Session, Person, Direct, Telnet, MemoryTransport, HttpChannel, WebSocket)


def _alive() -> Counter[str]:
    """Return how many there are of what each connection, session and person brings along."""
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in _ALIVE)


def _settle(house: House) -> None:
    """As `House.settle`, for many who have sent much."""
    house.clock.advance(0)
    while not house.store.idle:
        house.store.read()
        house.store.prove()
        house.store.commit()
        house.clock.advance(0)


def _storm(house: House, chance: random.Random, attempts: Iterator[Attempt]) -> None:
    """Let damaged sessions come and go for a while, with two witnesses who must hear each other, and then none."""
    walter, wendy = Terminal(house, "walter"), Script(house, "wendy")
    walter.enter(MEETING)
    wendy.enter(MEETING)
    before = _alive()
    fuzzers: list[MemoryFuzzer] = []
    for step in range(20 * STEPS):
        if len(fuzzers) < AT_ONCE:
            fuzzers.append(MemoryFuzzer(house, next(attempts)))
        fuzzer = chance.choice(fuzzers)
        fuzzer.step()
        if chance.random() < 0.3:
            _settle(house)
        if chance.random() < 0.05:
            house.clock.advance(chance.choice((0.01, 1, 30)))
        if chance.random() < 0.01:
            fuzzer.hang_up()
        fuzzers = [one for one in fuzzers if not one.over]
        if step % STEPS == 0:
            walter.say(MEETING, f"number {step}")
            wendy.say(MEETING, f"number {step}")
            _settle(house)
            expected = [f"{name} in {MEETING}: number {step}" for name in ("walter", "wendy")]
            for witness in (walter, wendy):
                assert [line for line in witness.heard() if line in expected] == expected
    for fuzzer in fuzzers:
        fuzzer.hang_up()
    _settle(house)
    house.clock.advance(Limits().resume_guest_seconds + 1)  # nobody's time limit is left, and nobody comes back
    house.hub.tick()
    _settle(house)
    assert sorted(person.name for person in house.hub.users) == ["walter", "wendy"]
    assert sum(len(room.members) for room in house.hub.rooms) == 3
    assert len(list(house.factory.connections)) == 2
    assert not house.chat.opening
    assert not house.clock.getDelayedCalls()
    del fuzzer, fuzzers
    assert _alive() == before


@pytest.mark.parametrize("wire", WIRES)
def test_nothing_in_memory_remembers_who_has_gone(
    wire: str, seed: int, seconds: float, faults: Faults, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(seed)
    numbers = itertools.count()
    attempts = (attempt(wire, seed, number) for number in numbers)
    deadline = time.monotonic() + seconds / 5
    while time.monotonic() < deadline:
        _storm(House(Limits(ended_directs=0)), chance, attempts)
        assert not faults
    with capsys.disabled():
        print(f"\n{wire} in memory, seed {seed}: {next(numbers)} cases")  # noqa: T201
