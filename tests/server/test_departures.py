"""When thousands go in one moment, a few are seen off in each turn of the reactor, and what they said is read first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure

from tcpchat.server.departures import Departures
from tcpchat.server.transport import DirectServer


class Wire:
    """A socket of which there is something to read, and then an end."""

    def __init__(self, end: OSError | None, said: bytes = b"") -> None:
        self._end = end
        self._said = said
        self.reads = 0

    def recv(self, size: int) -> bytes:
        self.reads += 1
        said, self._said = self._said, b""
        if said or self._end is None:
            return said
        raise self._end

    def fileno(self) -> int:
        return 1000

    def setblocking(self, flag: bool) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass


class Told(Protocol):
    """Notes what it is told. Its end takes some ``seconds``."""

    def __init__(self, reactor: Turns) -> None:
        self._reactor = reactor
        self.seconds = 0.002
        self.heard = b""
        self.ended: type[BaseException] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:
        self.ended = reason.type
        self._reactor.now += self.seconds


class Turns(MemoryReactor):
    """A reactor of which the test makes every turn."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[Callable[[], None]] = []
        itself: Any = self
        self.departures = Departures(itself)
        self.now = 0.0
        # In the order in which they began, as the kernel keeps them.
        self._reading: dict[Any, None] = {}

    def seconds(self) -> float:
        return self.now

    def addReader(self, reader: Any) -> None:
        self._reading[reader] = None

    def removeReader(self, reader: Any) -> None:
        self._reading.pop(reader, None)

    def getReaders(self) -> list[Any]:
        return list(self._reading)

    def callLater(self, delay: float, call: Callable[[], None]) -> None:
        """Call in the next turn, and not in this one, as a `Clock` would."""
        self._calls.append(call)

    def connect(self, wire: Wire) -> Told:
        told = Told(self)
        server = DirectServer(self.departures, wire, told, ("192.0.2.1", 1), None, 0, self)
        told.makeConnection(server)
        server.startReading()
        return told

    def turn(self) -> None:
        """Call who has asked for that, then read from all that can be read from, as Twisted does."""
        self.call()
        for reader in self.getReaders():
            end: Any = reader.doRead()
            if end is not None:
                self.removeReader(reader)
                reader.connectionLost(Failure(end))

    def call(self) -> None:
        """Call who has asked for that."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()


RESET = ConnectionResetError(104, "reset")


@pytest.mark.parametrize(("end", "reason"), [(RESET, ConnectionLost), (None, ConnectionDone)])
def test_of_many_who_go_at_once_a_few_are_seen_off_in_one_turn(end: OSError | None, reason: type[Exception]) -> None:
    reactor = Turns()
    told = [reactor.connect(Wire(end)) for _ in range(8)]
    gone = []
    for _ in range(4):
        reactor.turn()
        gone.append(sum(one.ended is reason for one in told))
        assert reactor.getReaders() == []  # who waits would be told again and again that there is something
    assert gone == [3, 6, 8, 8]
    late = [reactor.connect(Wire(end)) for _ in range(4)]
    reactor.turn()
    assert sum(one.ended is reason for one in late) == 3


def test_an_end_that_takes_long_is_alone_in_its_turn() -> None:
    reactor = Turns()
    told = [reactor.connect(Wire(RESET)) for _ in range(3)]
    for one in told:
        one.seconds = 1.0
    for gone in (1, 2, 3):
        reactor.turn()
        assert sum(one.ended is ConnectionLost for one in told) == gone


def test_a_lost_turn_keeps_nobody_waiting() -> None:
    """Those whose turn it was have ended otherwise: the next ones are asked all the same."""
    reactor = Turns()
    told = [reactor.connect(Wire(RESET)) for _ in range(60)]
    for one in told:
        one.seconds = 1.0
    reactor.turn()
    for one in told[1:55]:
        assert isinstance(one.transport, DirectServer)
        one.transport.connectionLost(Failure(CONNECTION_LOST))
    for _ in range(8):
        reactor.turn()
    assert [one.ended for one in told] == [ConnectionLost] * 60


def test_what_was_said_before_is_heard_at_once_and_the_end_is_read_once() -> None:
    reactor = Turns()
    wires = [Wire(RESET, b"last words\n") for _ in range(5)]
    told = [reactor.connect(wire) for wire in wires]
    reactor.turn()
    assert [one.heard for one in told] == [b"last words\n"] * 5
    reactor.turn()
    reactor.turn()
    assert [one.ended for one in told] == [ConnectionLost] * 5
    assert [wire.reads for wire in wires] == [2] * 5


def test_others_are_read_from_while_many_go() -> None:
    reactor = Turns()
    for _ in range(10):
        reactor.connect(Wire(RESET))
    other = reactor.connect(Wire(BlockingIOError(11, "again"), b"ping\n"))
    reactor.turn()
    assert other.heard == b"ping\n"


@pytest.mark.parametrize("end", [CONNECTION_LOST, CONNECTION_DONE])
def test_who_has_ended_otherwise_meanwhile_is_not_asked_again(end: Exception) -> None:
    reactor = Turns()
    told = [reactor.connect(Wire(RESET)) for _ in range(4)]
    reactor.turn()
    (last,) = [one for one in told if one.ended is None]
    assert isinstance(last.transport, DirectServer)
    last.transport.connectionLost(Failure(end))
    reactor.call()
    assert reactor.getReaders() == []
