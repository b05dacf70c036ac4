"""Sending at once must change nothing but the time: not one byte, nor its place."""

from __future__ import annotations

import socket
from typing import Any, cast

import pytest
from OpenSSL import SSL
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import ContextFactory
from twisted.internet.task import Clock
from zope.interface import implementer

from tcpchat.server.departures import Departures
from tcpchat.server.transport import DirectServer


class Kernel:
    """A socket that takes as many bytes as the test allows."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = b""
        self.error: OSError | None = None
        self.sends = 0
        self.shut = False

    def send(self, data: Any) -> int:
        self.sends += 1
        if self.error is not None:
            raise self.error
        if self.room == 0:
            raise BlockingIOError(11, "again")
        part = bytes(data[: self.room])
        self.room -= len(part)
        self.taken += part
        return len(part)

    def fileno(self) -> int:
        return 1000

    def setblocking(self, flag: bool) -> None:
        pass

    def shutdown(self, how: int) -> None:
        self.shut = True

    def close(self) -> None:
        pass


@implementer(IReactorFDSet)
class Watcher:
    """Notes whether the reactor would call back when the socket can be written to."""

    def __init__(self) -> None:
        self.writing = False

    def addWriter(self, writer: object) -> None:
        self.writing = True

    def removeWriter(self, writer: object) -> None:
        self.writing = False

    def addReader(self, reader: object) -> None:
        pass

    def removeReader(self, reader: object) -> None:
        pass

    def removeAll(self) -> list[Any]:
        return []

    def getReaders(self) -> list[Any]:
        return []

    def getWriters(self) -> list[Any]:
        return []


class Producer:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


def connection(room: int) -> tuple[DirectServer, Kernel, Watcher]:
    kernel, watcher = Kernel(room), Watcher()
    server = DirectServer(Departures(Clock()), kernel, Protocol(), ("192.0.2.1", 1), None, 0, watcher)
    server.protocol.makeConnection(server)
    return server, kernel, watcher


CHUNKS = (b"first line\n", b"second\n", b"x" * 40 + b"\n", b"\n")
STREAM = b"".join(CHUNKS)


def test_what_the_kernel_takes_needs_no_reactor() -> None:
    server, kernel, watcher = connection(1000)
    for chunk in CHUNKS:
        server.write(chunk)
    assert kernel.taken == STREAM
    assert kernel.sends == len(CHUNKS)
    assert not watcher.writing


@pytest.mark.parametrize("room", range(len(STREAM) + 1))
@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("reactor_first", [True, False])
def test_partial_sends_at_every_byte_keep_the_order(room: int, step: int, reactor_first: bool) -> None:
    server, kernel, watcher = connection(room)
    for chunk in CHUNKS[:-1]:
        server.write(chunk)
    assert watcher.writing is (room < len(STREAM) - 1)
    kernel.room += step
    if watcher.writing and reactor_first:
        server.doWrite()
        kernel.room += 2
    server.write(CHUNKS[-1])  # what waits goes first, though there is room again
    for _ in range(len(STREAM)):
        if not watcher.writing:
            break
        kernel.room = step
        server.doWrite()
    assert kernel.taken == STREAM
    assert not watcher.writing


def test_a_broken_socket_raises_nothing_and_is_found_by_the_reactor() -> None:
    server, kernel, watcher = connection(1000)
    kernel.error = ConnectionResetError(104, "reset")
    server.write(b"lost")
    assert watcher.writing
    assert server.doWrite() is CONNECTION_LOST


def test_a_producer_is_paused_and_resumed_as_ever() -> None:
    server, kernel, watcher = connection(10)
    producer = Producer()
    server.registerProducer(producer, True)
    server.write(b"x" * 60_000)
    assert producer.calls == []
    server.write(b"x" * 60_000)
    assert producer.calls == ["pause"]
    while watcher.writing:
        kernel.room = 50_000
        server.doWrite()
    assert producer.calls == ["pause", "resume"]
    assert len(kernel.taken) == 120_000


def test_closing_keeps_what_was_written_before() -> None:
    server, kernel, watcher = connection(5)
    server.write(b"last words\n")
    server.loseWriteConnection()
    assert kernel.taken == b"last "
    assert not kernel.shut
    kernel.room = 1000
    while watcher.writing:
        server.doWrite()
    assert kernel.taken == b"last words\n"
    assert kernel.shut
    server.write(b"too late")
    assert kernel.taken == b"last words\n"


class Contexts(ContextFactory):
    def getContext(self) -> SSL.Context:
        return SSL.Context(SSL.TLS_METHOD)


def test_no_plaintext_on_the_socket_once_tls_was_started_in_place() -> None:
    server, kernel, watcher = connection(100_000)
    server.startTLS(Contexts())
    while watcher.writing:
        server.doWrite()
    server.write(b"secret")
    cast(Any, server.protocol).write(b"secret too")
    assert b"secret" not in kernel.taken


def test_a_closed_connection_takes_nothing() -> None:
    server, kernel, _ = connection(1000)
    server.connected = 0
    server.write(b"nobody")
    assert kernel.sends == 0


def test_what_the_peer_has_yet_to_take_is_counted_here_and_in_the_kernel() -> None:
    server, kernel, _ = connection(10)
    server.write(b"x" * 100)
    server.write(b"x" * 50)
    assert server.unsent() == 140
    kernel.room = 30
    server.doWrite()
    assert server.unsent() == 110
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        server, _, _ = connection(0)
        server.socket = ours
        server.write(b"x" * 100)
        assert server.unsent() > 0
        theirs.recv(100)
        assert server.unsent() == 0
