"""HTTP on a connection of the one port: Twisted's parser and site, within our bounds of size, time and methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime, ITransport
from twisted.web.http import HTTPChannel
from twisted.web.server import Request, Site
from websockets.server import ServerProtocol
from zope.interface import implementer

from tcpchat.core.limits import Limits
from tcpchat.core.state import Person
from tcpchat.errors import Code
from tcpchat.server.http.headers import ALLOWED, READING, last_answer
from tcpchat.server.http.intake import Intake
from tcpchat.server.outbox import Outbox
from tcpchat.server.pace import Pace

_HEADERS = 100
# RFC 9112 section 3.2.2; what is behind a "#" is never sent.
_WHOLE_ADDRESS = re.compile(rb"https?://(?P<host>[^/?#]+)(?P<path>[/?][^#]*)?", re.IGNORECASE)
_STATUS = {Code.LOGIN_TIMEOUT: 408, Code.LINE_TOO_LONG: 431}


class Owner(Protocol):
    """The connection that speaks HTTP."""

    transport: Any

    @property
    def holding(self) -> bool:
        """Whether it takes nothing just now."""

    @property
    def person(self) -> Person | None:
        """Who is logged in."""

    def abort(self) -> None:
        """Cut the connection."""

    def web_ended(self, reason: str, *, torn: bool) -> None:
        """No more requests come."""

    def remark(self, reason: str) -> None:
        """Something was refused: the log is to say so when the connection ends."""

    def answered(self) -> None:
        """A request is answered, or its answer taken at last: the time for the next one begins."""

    def speak_websocket(self, protocol: ServerProtocol, response: bytes, rest: bytes) -> None:
        """Go on with WebSocket: send the ``response``, and take the ``rest`` of what has come."""


@implementer(ITransport, IPushProducer)
class _Line:
    """What HTTP's parser takes for its transport: it writes to the outbox, and ends the connection as all end."""

    # As a transport's: whether what has come is not to be read any more.
    disconnecting = False

    def __init__(self, owner: Owner, outbox: Outbox) -> None:
        self.owner = owner
        self._outbox = outbox

    def write(self, data: bytes) -> None:
        self._outbox.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._outbox.write(b"".join(data))

    def loseConnection(self) -> None:
        self.end("its last request by HTTP is answered")

    def end(self, reason: str) -> None:
        """Take nothing more, for this reason, and close once all is sent."""
        self.disconnecting = True
        self.owner.web_ended(reason, torn=False)

    def abortConnection(self) -> None:
        self.disconnecting = True
        self.owner.abort()

    def getPeer(self) -> IAddress:
        return self.owner.transport.getPeer()  # type: ignore[no-any-return]

    def getHost(self) -> IAddress:
        return self.owner.transport.getHost()  # type: ignore[no-any-return]

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """The channel would be told when to pause; it writes whole pages only."""

    def unregisterProducer(self) -> None:
        """Nothing is registered."""

    def pauseProducing(self) -> None:
        """What is read and when is for the intake to say."""

    def resumeProducing(self) -> None:
        """As above: a request that is answered is no reason to read on."""

    def stopProducing(self) -> None:
        self.loseConnection()


class Visit(Request):
    """One request."""

    channel: Any

    def remark(self, reason: str) -> None:
        """Let the log say what is refused, when the connection ends."""
        self.channel.remark(reason)

    def upgrade(self, protocol: ServerProtocol, response: bytes) -> None:
        """Answer with ``response``, after which WebSocket is spoken."""
        self.channel.upgrade(protocol, response)


class HttpChannel(HTTPChannel):
    """The requests of one connection, one after the other: GET and HEAD, without bodies."""

    framed = False
    requestFactory = Visit
    maxHeaders = _HEADERS
    # Ours are the connection's: a request has its time in all, however it trickles in.
    timeOut = None

    def __init__(
        self, owner: Owner, outbox: Outbox, site: Site, limits: Limits, pace: Pace | None, clock: IReactorTime
    ) -> None:
        super().__init__()
        self._intake = Intake(owner, pace, clock, self._parse, self._end)
        self.site = self.factory = site
        self.totalHeadersSize = self.MAX_LENGTH = limits.http_header_bytes
        self._owner: Owner | None = owner
        self._upgrading: tuple[ServerProtocol, bytes] | None = None
        self._reason: tuple[Code, str] | None = None
        self._outbox = outbox
        self._clock = clock
        self._last_begins = clock.seconds() + limits.http_connection_seconds
        self._line = _Line(owner, outbox)
        self.makeConnection(self._line)

    @property
    def busy(self) -> bool:
        """Whether a request has come, or a part of one, and no answer yet."""
        return not self._line.disconnecting and bool(self.requests or self._buffer or self._intake.unparsed)

    def take(self, data: bytes) -> None:
        """Take a chunk."""
        self._intake.take(data)

    def input_ended(self) -> None:
        """The peer says no more; it may still read."""
        self._intake.end()

    def proceed(self) -> None:
        """Go on with what has come."""
        self._intake.proceed()

    def drained(self) -> None:
        """The peer has read what it was sent: go on with what it asked meanwhile."""
        if self._owner is not None:
            self._owner.answered()
            self._intake.resume()

    def remark(self, reason: str) -> None:
        """Let the log say what was refused."""
        if self._owner is not None:
            self._owner.remark(reason)

    def because(self, code: Code, text: str) -> None:
        """The connection is going to be closed by us, for this reason."""
        self._reason = code, text

    def farewell(self) -> bytes:
        """Return what a request that isn't answered yet is answered with when the connection closes."""
        unanswered = self.busy
        self.let_go()
        if self._reason is None or not unanswered:
            return b""
        code, text = self._reason
        return last_answer(_STATUS.get(code, 503), text)

    def let_go(self) -> None:
        """Nothing is taken or said any more."""
        self._line.disconnecting = True
        self._intake.close()
        # What is not whole knows us: nobody is to wait for the collector.
        self.requests.clear()
        self._transferDecoder = None

    def upgrade(self, protocol: ServerProtocol, response: bytes) -> None:
        """Go on with WebSocket once what has come is parsed."""
        self._upgrading = protocol, response

    def _parse(self, piece: bytes) -> None:
        began = self._intake.began()
        self.dataReceived(piece)
        if self.paused:
            self.paused = False
            self._intake.give_back(self.clearLineBuffer())
        if self._upgrading is None or self._owner is None:
            self._intake.charge(began)
            return
        owner, self._owner = self._owner, None
        protocol, response = self._upgrading
        rest = b"".join((*self._dataBuffer, self.clearLineBuffer(), self._intake.drop()))
        self.let_go()
        owner.speak_websocket(protocol, response, rest)

    def _end(self) -> None:
        """All is parsed, and nothing more comes."""
        if self._owner is not None:
            self._owner.web_ended("", torn=False)

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; Twisted takes any digits for a length that Python reads."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:
        """Refuse what is not for reading, before any body is."""
        if self._command not in READING:
            self._refuse(405, "Only GET and HEAD are understood here.", {"Allow": ALLOWED})
        elif self.requests[-1].requestHeaders.hasHeader(b"Transfer-Encoding"):
            self._refuse(400, "Requests here have no body, and so no Transfer-Encoding.")
        elif self.length != 0:
            self._refuse(413, "Requests here have no body.")
        elif not self._find_path():
            self._refuse(400, "What is asked for must begin with a slash, or be a whole address by http or https.")
        else:
            super().allHeadersReceived()

    def _find_path(self) -> bool:
        """Reduce a whole address to its path: its host is the one that counts. Return whether there is a path."""
        if self._path.startswith(b"/"):
            return True
        address = _WHOLE_ADDRESS.fullmatch(self._path)
        if address is None:
            return False
        path = address["path"] or b""
        self._path = path if path.startswith(b"/") else b"/" + path
        headers = self.requests[-1].requestHeaders
        # HTTP/1.1 wants one Host header all the same, as the site will tell.
        if self._version != b"HTTP/1.1" or len(headers.getRawHeaders(b"Host", [])) == 1:
            headers.setRawHeaders(b"Host", [address["host"]])
        return True

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Return whether more requests may come after this one; says so in its answer, if not."""
        if self._clock.seconds() < self._last_begins:
            return bool(super().checkPersistence(request, version))
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def _send100Continue(self) -> None:
        """Tell nobody to go on: there is no body to wait for (RFC 9110 section 10.1.1)."""

    def lineReceived(self, line: bytes) -> None:
        """Take a line, unless the request is refused."""
        if not self._line.disconnecting:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """One header is too long."""
        self._refuse(431, "The headers are too long.")

    def rawDataReceived(self, data: bytes) -> None:
        """Keep what comes before the request is answered; nothing of one that is refused."""
        if not self._line.disconnecting:
            super().rawDataReceived(data)

    def requestDone(self, request: Request) -> None:
        """One request is answered."""
        super().requestDone(request)
        # A KiB may ask for hundreds: no more is answered than the peer reads.
        self.paused = self._outbox.clogged
        if self._owner is not None:
            self._owner.answered()

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self._refuse(431, "The headers are too long, or too many.")
            return
        self._refuse(400, "That is not HTTP/1.1 as RFC 9112 has it.")

    def _refuse(self, status: int, text: str, more: Mapping[str, str] = MappingProxyType({})) -> None:
        self.length = 0
        self._line.write(last_answer(status, text, more))
        self._line.end(f"its request by HTTP was refused with {status}")

    def allContentReceived(self) -> None:
        """Answer the request, unless it is refused."""
        if not self._line.disconnecting:
            super().allContentReceived()
