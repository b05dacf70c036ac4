"""One TCP connection: its lines, its time limits, and its end."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from websockets.server import ServerProtocol
from zope.interface import implementer

from tcpchat.core.channel import Channel
from tcpchat.core.state import Person
from tcpchat.errors import ChatError, Code
from tcpchat.server.admission import Admission
from tcpchat.server.connection import Connection
from tcpchat.server.deadline import Deadline
from tcpchat.server.entrance import Entrance
from tcpchat.server.http.channel import HttpChannel
from tcpchat.server.http.layer import WebLayer
from tcpchat.server.http.websocket import WebSocket, framed_codec
from tcpchat.server.lines import LineSplitter
from tcpchat.server.outbox import Outbox
from tcpchat.server.pace import Pace
from tcpchat.server.services import Services
from tcpchat.server.tls import Security
from tcpchat.server.tlslayer import TlsLayer
from tcpchat.wire.codec import Codec, Request
from tcpchat.wire.jsonlines import JsonCodec
from tcpchat.wire.sniff import Speaker

_BY_PEER = "ended by the peer"
_TLS_ONLY = "This server wants TLS. Please connect again, with a client that speaks it."
# In the log, in place of what the person is told: that tells names, and the words of who decided it.
_LOGGED = {
    Code.REVOKED: "its login was revoked",
    Code.SUSPENDED: "its account is suspended",
    Code.BANNED: "it is banned",
    Code.KICKED: "an admin ended it",
}


# With these the session is left behind, to be resumed: it isn't the peer who ends it, and it has done nothing wrong.
_KEPT = (Code.SLOW_READER, Code.SHUTTING_DOWN, Code.LOGIN_TIMEOUT, Code.PING_TIMEOUT)


@implementer(IHalfCloseableProtocol)
class ChatProtocol(LineSplitter):
    """The transport's side of a `Connection`: splits lines and hands them over while nothing blocks.

    Five things say what becomes of input. ``paused``: lines are kept, until the connection calls `proceed`.
    ``_input_ended``: nothing more is taken, and once the kept lines are handed over the dialogue ends.
    ``_half_closed``: the peer has ended its half, and may still read. ``_lost``: there is no peer any more. ``_torn``:
    nobody has said goodbye, so that the session is left behind when the dialogue ends.

    Under TLS the transport is a `TlsLayer`, and after its handshake everything begins anew: who speaks, the silence.
    Who speaks HTTP has a `WebLayer` in between (``_web``): an `HttpChannel`, and after an upgrade a `WebSocket`, whose
    messages are handed over as lines are.
    """

    _log = Logger()

    def __init__(
        self,
        services: Services,
        admission: Admission,
        address: str,
        security: Security = Security(),
    ) -> None:
        super().__init__()
        self.address = address
        # Which of the system's users is at the other end, if it may run the server.
        self._operator = ""
        self._services = services
        self._limits = services.limits
        self._admission = admission
        self._roster = admission.roster
        self._pace: Pace | None = None
        self._entrance = Entrance(self, services.clock, services.limits, security, admission)
        self._connection: Connection | None = None
        self._web: WebLayer | None = None
        self._deadline = Deadline(services.clock)
        self._skipped_bytes = 0
        # Nothing more is taken from the peer; whether that is because it has ended its half.
        self._input_ended = False
        self._half_closed = False
        self._lost = False
        self._torn = False
        self._reason = _BY_PEER
        self._unlogged = False
        self.MAX_LENGTH = self._limits.early_line_bytes

    # What Twisted calls.

    def connectionMade(self) -> None:
        """Wait a moment for the first bytes."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        clock = self._services.clock
        self._began = clock.seconds()
        self._outbox = Outbox(
            self.transport, clock, self._limits, filled=self._filled, overrun=self._too_slow, drained=self._drained
        )
        self._deadline.begin(self._limits.login_seconds, self._too_late)
        self._roster.add(self)
        if not self._input_ended:  # it may be refused already
            self._entrance.open()

    def dataReceived(self, data: bytes) -> None:
        """Take a chunk: find out who speaks, then split it into lines."""
        if self._input_ended:
            return
        if self._deadline.count(len(data)) > self._limits.early_bytes:
            self.dismiss("That is too much before logging in.", Code.LINE_TOO_LONG)
            return
        data = self._entrance.take(data)
        if self._web is not None:
            self._web.take(data)
            self._check_end()
        elif self._connection is not None and not self._input_ended:
            data = self._connection.codec.strip(data, self._connection)
            super().dataReceived(data)
            self._check_end()

    def lineReceived(self, line: bytes) -> None:
        """Hand one line over."""
        assert self._connection is not None
        if not self._connection.receive(line):
            self._hold()

    def messageLengthExceeded(self) -> None:
        """Say that a whole message was too long."""
        assert self._connection is not None
        text = f"That line is longer than {self.MAX_LENGTH} bytes, so it was not read."
        self._connection.refuse(ChatError(Code.LINE_TOO_LONG, text, max_bytes=self.MAX_LENGTH))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say so, and skip the line up to its end."""
        self.messageLengthExceeded()
        self._skipped_bytes = 0
        self.setRawMode()
        self.rawDataReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """Skip to the end of a line that is too long."""
        _, newline, rest = data.partition(b"\n")
        self._skipped_bytes += len(data) - len(rest)
        if self._skipped_bytes > self._limits.skipped_bytes:
            self.dismiss("That line does not end.", Code.LINE_TOO_LONG)
        elif newline:
            self.setLineMode()
            super().dataReceived(rest)

    def readConnectionLost(self) -> None:
        """The peer has ended its half, and may still read: answer what it said, with or without a last LF."""
        self._end_half(complete=True)

    def writeConnectionLost(self) -> None:
        """Our last word is out."""
        self._outbox.sent()

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:
        """The connection is gone: the lines that came whole still count."""
        self._lost = True
        clean = bool(reason.check(ConnectionDone))
        self._torn = self._torn or (not clean and not self._input_ended)
        if not clean and not self._outbox.finished and self._reason == _BY_PEER:
            self._reason = "the connection broke" if reason.check(ConnectionLost) else reason.getErrorMessage()
        self._outbox.lost()
        if self._web is not None:
            self._web.let_go()
        self._cancel_timers()
        # No more than it could have sent at once if it had stayed: whoever has gone is slowed by nothing.
        if self._pace is not None and self.line_mode:
            self.keep_first_lines(self._limits.command_burst)
        self._end_input(complete=clean)
        if self._connection is not None:
            self._connection.hurry()
        self._roster.remove(self)
        self._entrance.leave()
        if self._connection is None or self._connection.over:
            self._connection = self._web = None
        if self._unlogged or (self._reason == _BY_PEER and self._entrance.unheard):
            return
        self._log.info(
            "connection from {address} ({speaker}) ended after {seconds:.1f} s: {reason}",
            address=self.address,
            speaker=self._entrance.manner,
            seconds=self._services.clock.seconds() - self._began,
            reason=self._reason,
        )

    # What the layer of TLS calls besides.

    def handshake_done(self, channel: Channel) -> None:
        """From here on it is as on a new connection, only secret."""
        self._entrance.handshake_done(channel, listening=not self._input_ended)

    def input_torn(self) -> None:
        """The peer has ended its half without a goodbye: anybody may have cut off the rest of the last line."""
        self._torn = self._torn or not self._input_ended
        self._end_half(complete=False)

    def tls_has_said(self, size: int) -> None:
        """TLS has answered the peer by itself: who doesn't read that is too slow like any other."""
        self._outbox.count(size)

    # What the connection calls.

    @property
    def hung_up(self) -> bool:
        """Whether the peer sends nothing more: it may still read, or be gone."""
        return self._input_ended

    def finish(self, last: bytes = b"") -> None:
        """Send ``last`` and close."""
        self._cancel_timers()
        if self._reason == _BY_PEER and not self._input_ended and not self._lost:
            self._reason = "said goodbye"
        self._input_ended = True
        self.clearLineBuffer()
        if self._web is not None:
            last += self._web.farewell()
        if self._lost:  # they know us, and nobody is to wait for the collector
            self._connection = self._web = None
        self._outbox.finish(last, half_closed=self._half_closed)
        if not self._half_closed and not self._lost:
            self.transport.resumeProducing()  # to see the peer close, and to let go of what it still sends

    def proceed(self) -> None:
        """Go on with the lines that waited."""
        self._watch_login()
        if self.paused:
            self.paused = False
            if not self._input_ended:
                self.transport.resumeProducing()
            super().dataReceived(b"")
            if self._web is not None:
                self._web.proceed()
            self._check_end()

    # What the server calls.

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close. What it has sent and was not begun is dropped."""
        if self._outbox.finished:  # nobody hears it, but what was kept of a lost connection must not begin any more
            self._drop_lines()
            return
        self._reason = _LOGGED.get(code, text)
        self._torn = code in _KEPT
        if self._web is not None:
            self._web.because(code, text)
        if self._connection is not None:
            self._connection.release()  # what it was about to be told comes first
        self.finish(self._notice(text, code))
        self._drop_lines()
        if self._connection is not None:
            self._connection.hurry()

    def retire(self, text: str, code: Code) -> None:
        """Tell the peer why, answer everything it has sent so far, and close."""
        if self._outbox.finished:
            return
        if self._entrance.shaking:
            self._hang_up(text)
            return
        self._reason = text
        self._torn = self._torn or (code in _KEPT and not self._input_ended)
        if self._web is not None:
            self._web.because(code, text)
        if notice := self._notice(text, code):
            self._outbox.write(notice)
        if not self._input_ended:
            self.transport.pauseProducing()
        self._end_input(complete=False)
        if self._connection is not None:
            self._connection.hurry()

    def abort(self, *, quietly: bool = False) -> None:
        """Cut the connection; ``quietly``: nothing is logged of it."""
        self._unlogged = quietly
        if not self._lost:
            self.transport.abortConnection()

    # What the entrance calls.

    def admit(self) -> bool:
        """Count the connection where it comes from; False if it is one too many."""
        self._pace = self._admission.pace(self.address)
        self._roster.admit(self)
        return not self._input_ended

    def meet(self, codec: Codec) -> None:
        """It is known what the peer speaks; one that was greeted for its silence may still be a program."""
        if self._connection is not None:
            self._connection.codec = codec
        elif self._entrance.barred:
            self._refuse_plain(codec)
        else:
            self._connection = Connection(self._services, codec, self, self._outbox, self._pace)
            self._connection.session.channel = replace(
                self._entrance.channel, address=self.address, trusted=self._pace is None
            )
            self._connection.session.operator = self._operator
            self._connection.greet()

    def put_under(self, layer: TlsLayer) -> None:
        """Let everything pass through TLS from here on."""
        self.transport = layer
        self._outbox.move(layer)

    def turn_away(self, reason: str, farewell: bytes = b"") -> None:
        """Nobody here understands the peer."""
        self._reason = reason
        self._outbox.write(farewell)
        self._end_input(complete=False)

    def serve_http(self) -> None:
        """The peer speaks HTTP."""
        self._web = HttpChannel(self, self._outbox, self._services.site, self._limits, self._pace, self._services.clock)
        self._deadline.renew(self._limits.http_seconds)

    # What HTTP and WebSocket call.

    @property
    def person(self) -> Person | None:
        """Who is logged in."""
        return self._connection.session.person if self._connection is not None else None

    @property
    def framed(self) -> bool:
        """Whether messages come whole, in WebSocket's frames."""
        return self._web is not None and self._web.framed

    @property
    def holding(self) -> bool:
        """Whether nothing is taken just now; by HTTP that is so while the peer doesn't read, too."""
        return self.paused or self._input_ended or (self._connection is None and self._outbox.clogged)

    def answered(self) -> None:
        """The time for the next request begins, and what it may send; not for who doesn't read the answer."""
        if not self._outbox.clogged:
            self._deadline.renew(self._limits.http_seconds)

    def speak_websocket(self, protocol: ServerProtocol, response: bytes, rest: bytes) -> None:
        """Send the ``response``, and speak WebSocket from here on; ``rest`` has come already."""
        site, services = self._services.site, self._services
        self._entrance.speaker = Speaker.WEBSOCKET
        self._outbox.write(response)
        self._deadline.renew(self._limits.login_seconds)
        web = WebSocket(self, protocol, self._outbox, self._pace, services.clock, self._limits, site.closed)
        self._web = web
        site.opened()
        self.meet(framed_codec(protocol))
        if rest:
            web.take(rest)
        if self._half_closed:
            web.input_ended()

    def take_messages(self, messages: list[bytes]) -> None:
        """Take what came in frames: each is a line."""
        self._lines[:0] = reversed(messages)
        super().dataReceived(b"")

    def remark(self, reason: str) -> None:
        """Something was refused by HTTP: it is what the log says of the end, if nothing else is."""
        if self._reason == _BY_PEER:
            self._reason = reason

    def web_ended(self, reason: str, *, torn: bool) -> None:
        """No more requests or messages will come; ``torn``: nobody has said goodbye."""
        self._torn = self._torn or torn
        if self._reason == _BY_PEER and reason:
            self._reason = reason
        self._end_input(complete=False)

    def _notice(self, text: str, code: Code) -> bytes:
        if self._entrance.nameless:  # a proxy would pass it on to somebody
            return b""
        if self._web is not None and self._connection is None:  # an answer by HTTP says it
            return b""
        if self._connection is None:  # it hasn't said yet what it speaks
            return text.encode() + b"\r\n"
        return self._connection.notify(text, code)

    def _filled(self) -> None:
        if self._connection is not None:
            self._connection.filled()

    def _drained(self) -> None:
        if self._input_ended and self._logged_in:
            self._deadline.renew(self._limits.login_seconds)
        if self._connection is not None:
            self._connection.drained()
        elif isinstance(self._web, HttpChannel):
            self._web.drained()

    def _refuse_plain(self, codec: Codec) -> None:
        """Say that TLS is wanted, and close."""
        self._reason = "it doesn't speak TLS"
        if isinstance(codec, JsonCodec):
            error = ChatError(Code.TLS_REQUIRED, _TLS_ONLY)
            self.finish(codec.reply(Request(error), error))
        else:
            self.finish(self._notice(_TLS_ONLY, Code.TLS_REQUIRED))

    # When it ends.

    def _hang_up(self, reason: str) -> None:
        """Close in the middle of a handshake."""
        self._reason = reason
        self._cancel_timers()
        self._input_ended = True
        self._entrance.hang_up()

    def _hold(self) -> None:
        """Keep the lines that follow, and read no more of them, until `proceed`."""
        self.paused = True
        if not self._input_ended:
            self.transport.pauseProducing()

    def _end_half(self, *, complete: bool) -> None:
        """The peer has ended its half; ``complete``: its last line needs no end."""
        self._half_closed = True
        if self._outbox.finished:
            self.transport.loseConnection()
        elif self._web is not None:
            self._web.input_ended()
        else:
            self._end_input(complete=complete)

    def _end_input(self, *, complete: bool) -> None:
        """Take nothing more; ``complete``: what came after the last line end is a line, too."""
        if self._input_ended:
            return
        self._entrance.close()
        self._input_ended = True
        if complete and (data := self._entrance.end()):
            self._buffer = data if self._connection is not None else b""
        if complete and self._buffer and self.line_mode:
            super().dataReceived(b"\n")
        else:
            self._buffer = b""
        self._check_end()
        # Else who doesn't read its answers would never end, and be here for ever.
        if not self._outbox.finished and not self._deadline.running:
            self._deadline.begin(self._limits.login_seconds, self._too_late)

    def _drop_lines(self) -> None:
        self.clearLineBuffer()
        self.paused = False
        self._check_end()

    def _check_end(self) -> None:
        """Once nothing more will come and everything is handed over, end the dialogue."""
        if self._input_ended and not self.paused and not self._busyReceiving:
            if self._connection is not None:
                self._connection.end(torn=self._torn)
            elif not self._outbox.finished:
                self.finish()

    def _cancel_timers(self) -> None:
        self._entrance.close()
        self._deadline.stop()

    @property
    def _logged_in(self) -> bool:
        return self._connection is not None and self._connection.logged_in

    def _watch_login(self) -> None:
        """Only a peer without a name has a time limit and a small line buffer."""
        assert self._connection is not None
        if self._input_ended:
            return
        if self._connection.logged_in and self._deadline.running:
            self._deadline.stop()
            self.MAX_LENGTH = self._limits.line_bytes
        elif not self._connection.logged_in and not self._deadline.running:
            self.MAX_LENGTH = self._limits.early_line_bytes
            self._deadline.begin(self._limits.login_seconds, self._too_late)

    def _too_late_by_http(self, web: HttpChannel) -> None:
        if self._outbox.clogged:
            self._too_slow()
        elif web.busy:
            self.dismiss("A request took too long.", Code.LOGIN_TIMEOUT)
        else:  # it has all that it asked for, as a browser that keeps a connection for later
            self._unlogged = self._reason == _BY_PEER
            self.finish()

    def _too_late(self) -> None:
        if self._entrance.shaking:
            self._hang_up("the TLS handshake took too long")
            return
        if isinstance(self._web, HttpChannel):
            self._too_late_by_http(self._web)
            return
        if self._logged_in:  # and its input has ended
            if self._outbox.clogged:
                self._too_slow()
            else:
                self._deadline.begin(self._limits.login_seconds, self._too_late)
            return
        self.dismiss("It took too long to log in. Please connect again.", Code.LOGIN_TIMEOUT)

    def _too_slow(self) -> None:
        self.dismiss("You read too slowly: too much is waiting for you.", Code.SLOW_READER)
