"""TLS between a transport and a protocol that is on it already: the bytes of both pass through here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from OpenSSL import SSL, crypto
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from tcpchat.core.channel import Channel
from tcpchat.core.limits import Limits
from tcpchat.server.handshakes import Place
from tcpchat.server.tls import reason_of, steps_of

# A record has at most 16 KiB and a little (RFC 8446 section 5.2).
_CHUNK_BYTES = 32 * 1024
# What OpenSSL is given at once: with messages of its own, the smallest of 27 bytes, it would be busy for long.
_PIECE_BYTES = 8 * 1024
# RFC 9266 section 2: this label, no context, 32 bytes.
_EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
_EXPORTER_BYTES = 32


class TlsFailed(Exception):
    """The peer doesn't speak TLS as it should; the text is a few words for the log."""


class Above(Interface):
    """The protocol above: what Twisted calls on a TCP connection, and three things more."""

    def dataReceived(self, data: bytes) -> None:
        """Take what the peer has said."""

    def readConnectionLost(self) -> None:
        """The peer has said that it says no more, and may still read."""

    def writeConnectionLost(self) -> None:
        """Our last word is out."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""

    def handshake_done(self, channel: Channel) -> None:
        """Everything from here on is secret, and this is what is known of the peer."""

    def input_torn(self) -> None:
        """The peer has ended without saying so: what it said last may be cut off."""

    def tls_has_said(self, size: int) -> None:
        """TLS itself has sent ``size`` bytes besides what was written."""


@implementer(IHalfCloseableProtocol)
class TlsLayer(Protocol):
    """A protocol for the transport below, and a transport for the protocol ``above``.

    Twisted's own (`twisted.protocols.tls`) closes a connection as soon as the peer says that it won't send any more;
    since TLS 1.3 (RFC 8446 section 6.1) such a peer still reads, as on a plain connection. Here both halves end one
    by one, and what is written at once leaves in one piece. The producer above is the transport's: what OpenSSL keeps
    is never more than one record. What follows the peer's closure alert is not read (RFC 8446 section 6.1).

    The handshake begins when the first bytes of the peer have come and there is a ``place`` for it. No more than
    ``early_bytes`` are taken from the peer in it, and after it a few messages of TLS itself
    (``tls_messages`` and ``tls_messages_per_second``), such as KeyUpdate (RFC 8446 section 4.6.3): a connection that
    sends more of them is cut. ``seconds`` is the reactor's clock.
    """

    transport: Any

    def __init__(
        self, tls: SSL.Connection, above: Above, limits: Limits, seconds: Callable[[], float], place: Place
    ) -> None:
        self._tls = tls
        self._above = above
        self._limits = limits
        self._seconds = seconds
        self._handshake_left = limits.early_bytes
        # How many steps OpenSSL had made when we looked last, how many are too recent to forget, and when that was.
        self._steps = 0
        self._recent_steps = 0.0
        self._looked_at = 0.0
        self._place = place
        # What has come before the handshake could begin; None: it has begun.
        self._hello: bytes | None = b""
        # The handshake is over.
        self.shaken = False
        # What is to be sent, and then done, after it.
        self._early: list[bytes] = []
        self._last: Callable[[], None] | None = None
        # Nothing is read or written any more; we have said goodbye; the peer has ended its half.
        self._over = False
        self._said_goodbye = False
        self._peer_ended = False
        self._reason: Failure | None = None

    def start(self, transport: Any, hello: bytes) -> None:
        """Take the place of the protocol on ``transport``; ``hello`` is what has come of the handshake."""
        self.transport = transport
        if isinstance(transport, ProtocolWrapper):  # of another endpoint, such as haproxy:
            transport.wrappedProtocol = self
        else:
            transport.protocol = self
        if hello:
            self.dataReceived(hello)

    # What the transport calls.

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of the handshake, or records."""
        if not self.shaken:
            self._handshake_left -= len(data)
            if self._handshake_left < 0:
                self._fail("the handshake does not end")
                return
        if self._hello is not None:
            first = not self._hello
            self._hello += data
            if first and data:
                self._place.enter(self._begin, self._stalled)
            return
        if len(data) <= _PIECE_BYTES:
            self._take(data)
        else:
            for start in range(0, len(data), _PIECE_BYTES):
                self._take(data[start : start + _PIECE_BYTES])

    def readConnectionLost(self) -> None:
        """The peer has ended its half of the TCP connection."""
        if not self.shaken:
            self._fail("the peer ended the handshake")
        elif not self._peer_ended and not self._over:
            self._peer_ended = True
            self._above.input_torn()

    def writeConnectionLost(self) -> None:
        """Our half has ended."""
        self._above.writeConnectionLost()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:
        """The connection is gone."""
        self._over = True
        self._place.leave()
        self._above.connectionLost(self._reason or reason)
        del self._above, self._tls  # they know us, or hold much: nobody is to wait for the collector

    # What the protocol above calls.

    def write(self, data: bytes) -> None:
        """Send ``data``, after the handshake."""
        if not self.shaken:
            self._early.append(data)
            return
        if self._over or self._said_goodbye:
            return
        left = memoryview(data)
        try:
            while left:
                left = left[self._tls.send(left[:_CHUNK_BYTES]) :]
        except SSL.Error as error:
            self._fail(reason_of(error))
            return
        self._flush()

    def loseConnection(self) -> None:
        """Send what was written, say goodbye and close."""
        self._end(self.transport.loseConnection)

    def loseWriteConnection(self) -> None:
        """Send what was written, say goodbye and end our half."""
        self._end(self.transport.loseWriteConnection)

    def abortConnection(self) -> None:
        """Cut the connection."""
        self._over = True
        self.transport.abortConnection()

    def getPeer(self) -> IAddress:
        """Return whom the connection below is with; HTTP asks."""
        return self.transport.getPeer()  # type: ignore[no-any-return]

    def getHost(self) -> IAddress:
        """Return where the connection below has come in."""
        return self.transport.getHost()  # type: ignore[no-any-return]

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Let the transport slow ``producer`` down."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self.transport.unregisterProducer()

    def unsent(self) -> int:
        """Return how many bytes the peer has yet to take, with what TLS puts around them."""
        unsent: Callable[[], int] | None = getattr(self.transport, "unsent", None)
        return unsent() if unsent is not None else 0

    def pauseProducing(self) -> None:
        """Read nothing more for now; what has been read is still handed over."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Read on, unless the peer has ended its half."""
        if not self._peer_ended:
            self.transport.resumeProducing()

    # How it goes.

    def _begin(self) -> None:
        """There is a place for the handshake."""
        hello, self._hello = self._hello, None
        self._take(hello or b"")

    def _stalled(self) -> None:
        """The handshake has had its time."""
        self._fail("it took too long")

    def _take(self, data: bytes) -> None:
        if self._over or self._peer_ended:
            return
        self._tls.bio_write(data)
        if not self.shaken:
            self._shake_hands()
        if self.shaken:
            self._read()
        if not self._over:
            if size := self._flush():
                self._above.tls_has_said(size)
            if self.shaken and (steps := steps_of(self._tls)) != self._steps:
                self._check_steps(steps)

    def _check_steps(self, steps: int) -> None:
        """Cut a peer that keeps OpenSSL busy with itself: that costs much more than what it sends."""
        now = self._seconds()
        forgotten = max(0.0, now - self._looked_at) * self._limits.tls_messages_per_second
        self._recent_steps = max(0.0, self._recent_steps - forgotten) + steps - self._steps
        self._steps, self._looked_at = steps, now
        if self._recent_steps > self._limits.tls_messages:
            self._fail("it sends too much that is no content")

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._fail(reason_of(error))
            return
        self.shaken = True
        self._steps, self._looked_at = steps_of(self._tls), self._seconds()
        self._place.leave()
        self._flush()
        self._above.handshake_done(_channel(self._tls))
        early, self._early = b"".join(self._early), []
        if early:
            self.write(early)
        if self._last is not None:
            self._end(self._last)

    def _read(self) -> None:
        while not self._over and not self._peer_ended:
            try:
                data = self._tls.recv(_CHUNK_BYTES)
            except SSL.WantReadError:
                return
            except SSL.ZeroReturnError:
                self._peer_ended = True
                self.transport.pauseProducing()  # as when TCP's half has ended: nothing can come that counts
                self._above.readConnectionLost()
            except SSL.Error as error:
                self._fail(reason_of(error))
            else:
                self._above.dataReceived(data)

    def _end(self, end: Callable[[], None]) -> None:
        if not self.shaken and self._early:
            self._last = end
            return
        if self.shaken and not self._over and not self._said_goodbye:
            self._said_goodbye = True
            try:
                self._tls.shutdown()
            except SSL.Error:  # then the peer hears it from TCP
                self._over = True
            self._flush()
        end()

    def _fail(self, words: str) -> None:
        """Send the alert that OpenSSL has for it, if any, and close."""
        if self._over:
            return
        self._place.leave()
        self._reason = Failure(TlsFailed(f"TLS failed: {words}" if self.shaken else f"no TLS handshake: {words}"))
        self._flush()
        self._over = True
        if self.shaken:  # what waits to be read may be much, and nobody may ever read it
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()

    def _flush(self) -> int:
        """Send what OpenSSL has to send, in one piece; return its bytes."""
        if self._over:
            return 0
        pieces: list[bytes] = []
        try:
            while True:
                pieces.append(self._tls.bio_read(_CHUNK_BYTES))
        except SSL.Error:  # there is no more
            pass
        if not pieces:
            return 0
        sent = b"".join(pieces)
        self.transport.write(sent)
        return len(sent)


def _channel(tls: SSL.Connection) -> Channel:
    certificate = tls.get_peer_certificate()
    fingerprint: str | None = None
    if certificate is not None:
        fingerprint = hashlib.sha256(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)).hexdigest()
    exporter: bytes | None = None
    if tls.get_protocol_version() >= SSL.TLS1_3_VERSION:
        exporter = tls.export_keying_material(_EXPORTER_LABEL, _EXPORTER_BYTES, b"")
    return Channel(True, fingerprint, exporter)
