"""A connection in memory: what was written, whether the peer reads, and how it ended."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.python.failure import Failure

# As Twisted's: a producer is told to pause when so much is waiting.
BUFFER_BYTES = 64 * 1024


class MemoryTransport:
    """Stands in for a TCP transport; the test plays the peer."""

    def __init__(self, protocol: Any, host: str = "192.0.2.1") -> None:
        self.protocol = protocol
        self.host = host
        # As a transport's own: so much waits before its producer is told to pause.
        self.buffer_bytes = BUFFER_BYTES
        self.reading = True
        self.peer_reads = True
        self.write_closed = False
        self.closed = False
        self.writes = 0
        self._sent = bytearray()
        self._waiting = bytearray()
        self._producer: Any = None
        self._paused = False

    # What the test does.

    def receive(self, data: bytes) -> None:
        """Let the peer send ``data``."""
        assert not self.closed
        self.protocol.dataReceived(data)

    def take(self) -> bytes:
        """Return what the peer has read since the last call."""
        data = bytes(self._sent)
        self._sent.clear()
        return data

    @property
    def waiting(self) -> int:
        """How many bytes wait for the peer to read."""
        return len(self._waiting)

    def stop_reading(self) -> None:
        """Let the peer read nothing more."""
        self.peer_reads = False

    def start_reading(self) -> None:
        """Let the peer read everything that waits."""
        self.peer_reads = True
        self.read_some(len(self._waiting) or 1)

    def read_some(self, size: int) -> None:
        """Let the peer read about ``size`` bytes of what waits, whole lines."""
        size = self._waiting.find(b"\n", size - 1) + 1 or len(self._waiting)
        self._sent += self._waiting[:size]
        del self._waiting[:size]
        if not self._waiting and self._paused and self._producer is not None:
            self._paused = False
            self._producer.resumeProducing()

    def end(self) -> None:
        """Let the peer end its half."""
        self.protocol.readConnectionLost()

    def tear(self) -> None:
        """Let the connection break."""
        self._lose(ConnectionAborted())

    # What the protocol does.

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self.host, 40000)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.100", 3000)

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        if self.closed or self.write_closed:
            return
        self.writes += 1
        if self.peer_reads:
            self._sent += data
            return
        self._waiting += data
        if len(self._waiting) > self.buffer_bytes and self._producer is not None:  # at every write, as Twisted does
            self._paused = True
            self._producer.pauseProducing()

    def unsent(self) -> int:
        return len(self._waiting)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def loseWriteConnection(self) -> None:
        self.write_closed = True
        if self.peer_reads:
            self.protocol.writeConnectionLost()

    def loseConnection(self) -> None:
        self._lose(ConnectionDone())

    def abortConnection(self) -> None:
        self._lose(ConnectionAborted())

    def _lose(self, reason: Exception) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connectionLost(Failure(reason))


class LocalTransport(MemoryTransport):
    """A connection to a unix socket, made by one of the system's users."""

    def __init__(self, protocol: Any, user: int) -> None:
        super().__init__(protocol)
        self._user = user

    def getHandle(self) -> LocalTransport:
        """Return what stands in for its socket."""
        return self

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """Tell who is at the other end, as the kernel would (unix(7))."""
        assert (level, option, size) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.pack("=iII", 1, self._user, 2)
