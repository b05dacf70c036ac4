from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from tcpchat.client.connection import ANSWERS, IDLE_SECONDS, Connection
from tcpchat.client.dialer import Dialer
from tcpchat.core.answers import Answer
from tcpchat.core.commands import Ping
from tcpchat.core.events import Event
from tcpchat.errors import ChatError, Code
from tcpchat.wire.local import LocalCommand
from tcpchat.wire.table import TABLE
from tests.client.guest import Guest, Wire


class Ear:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ends: list[str] = []

    def connected(self, connection: Connection) -> None:
        pass

    def heard(self, event: Event) -> None:
        self.events.append(event)

    def disconnected(self, reason: str, *, trusted: bool = True) -> None:
        self.ends.append(reason)


def connect(clock: Clock | None = None) -> tuple[Connection, Wire, Ear]:
    ear, wire = Ear(), Wire()
    connection = Connection(clock or Clock(), ear)
    connection.makeConnection(wire)
    return connection, wire, ear


def failure_of(answered: Deferred[Answer]) -> list[BaseException]:
    failures: list[BaseException] = []

    def failed(failure: Failure) -> None:
        assert failure.value is not None
        failures.append(failure.value)

    answered.addErrback(failed)
    return failures


def test_the_answer_to_every_command_of_the_text_wire_is_known() -> None:
    assert {row.command for row in TABLE if row.words and not issubclass(row.command, LocalCommand)} <= ANSWERS.keys()


def test_an_error_of_an_unknown_code_keeps_its_words() -> None:
    connection, _, _ = connect()
    failures = failure_of(connection.ask(Ping()))
    connection.dataReceived(b'{"op":"ping","id":1,"status":"error","error":{"code":"new","message":"Soon."}}\n')
    (error,) = failures
    assert isinstance(error, ChatError)
    assert (error.code, error.text) == (Code.INTERNAL, "Soon.")


def test_an_event_of_an_unknown_kind_is_nothing() -> None:
    connection, wire, ear = connect()
    connection.dataReceived(b'{"op":"typing","data":{"room":"lobby"}}\n{"op":"room-created","data":{"room":"tea"}}\n')
    assert [event.op for event in ear.events] == ["room-created"]
    assert not wire.aborted


def test_what_is_wrong_ends_the_connection_and_fails_what_waits() -> None:
    for line in (b"220 \x1b[2Jmail", b"\xff", b'{"op":"ping","id":1,"status":"ok","data":7}', b"[" * 100_000):
        connection, wire, ear = connect()
        failures = failure_of(connection.ask(Ping()))
        connection.dataReceived(line + b"\n")
        assert wire.aborted
        connection.connectionLost()
        assert len(failures) == 1
        assert ear.ends[0].startswith("The server says: ")
        assert ear.ends[0].isprintable()


def test_a_silent_server_is_asked_for_a_sign_of_life_and_left_when_there_is_none() -> None:
    clock = Clock()
    connection, wire, ear = connect(clock)
    clock.advance(IDLE_SECONDS - 1)
    assert wire.sent == b""
    clock.advance(1)
    assert b'"ping"' in wire.sent
    connection.dataReceived(b'{"op":"ping","id":1,"status":"ok","data":{}}\n')
    clock.advance(IDLE_SECONDS)
    clock.advance(IDLE_SECONDS - 1)
    assert not wire.aborted
    clock.advance(1)
    assert wire.aborted
    connection.connectionLost()
    assert ear.ends == ["The server does not answer."]
    assert clock.getDelayedCalls() == []


def test_a_lost_connection_answers_nothing() -> None:
    connection, _, _ = connect()
    connection.connectionLost()
    assert len(failure_of(connection.ask(Ping()))) == 1


@implementer(IStreamClientEndpoint)
class Refusing:
    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return fail(DNSLookupError())


def test_the_waits_between_attempts_grow_until_a_connection_is_good() -> None:
    clock = Clock()
    told: list[object] = []
    build: Callable[[], Connection] = lambda: Connection(clock, Ear())  # noqa: E731
    dialer = Dialer(Refusing(), build, told.append, told.append, clock, backoff=float)
    dialer.start()
    clock.advance(1)
    clock.advance(2)
    assert told[1::2] == [1, 2, 3]
    assert told[0] == "DNS lookup failed."
    dialer.settle()
    clock.advance(3)
    assert told[-1] == 1
    dialer.stop()
    assert clock.getDelayedCalls() == []


def test_a_server_that_wants_tls_is_told_of_with_the_address_it_needs() -> None:
    clock = Clock()
    guest = Guest(clock)
    guest.connect()
    guest.tell({"op": "", "status": "error", "error": {"code": "tls-required", "message": "This server wants TLS."}})
    assert guest.wire.aborted
    guest.lose()
    guest.shell.waiting(1)
    assert guest.take() == [
        "The connection is lost: This server wants TLS: give its address as tls:HOST:PORT. Trying again in 1 s."
    ]
