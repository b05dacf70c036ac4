"""One WebSocket (RFC 6455): its frames, its pings, and its close, around the same dialogue as that of JSON lines."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import BINARY, CLOSE, CONT, TEXT, Close, CloseCode, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tcpchat.core.limits import Limits
from tcpchat.core.state import Person
from tcpchat.errors import Code
from tcpchat.server.http.closes import close_for, ending
from tcpchat.server.http.intake import Intake
from tcpchat.server.outbox import Outbox
from tcpchat.server.pace import Pace
from tcpchat.wire.codec import Codec
from tcpchat.wire.frames import PLAIN, FramedCodec, Framing, deflated
from tcpchat.wire.jsonlines import JsonCodec
from tcpchat.wire.older import OlderCodec, is_older

# What is inflated at a time: that may become a thousand times as much, and so about one of the longest messages.
_STEP_BYTES = 64
# A close begins with it: it is whole (RFC 6455 section 5.2).
_CLOSE_BYTE = b"\x88"


class Owner(Protocol):
    """The connection that a WebSocket belongs to."""

    transport: Any

    @property
    def holding(self) -> bool:
        """Whether it takes no messages just now."""

    @property
    def person(self) -> Person | None:
        """Who is logged in."""

    def take_messages(self, messages: list[bytes]) -> None:
        """Take whole messages; an empty one is none."""

    def web_ended(self, reason: str, *, torn: bool) -> None:
        """The peer says no more; ``torn``: not in peace, so that its session is left behind."""

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""


class WebSocket:
    """The frames of one peer: messages for the lines' queue, and whatever else WebSocket has to say.

    ``protocol`` has its handshake behind it. Pings are answered as they are read, and a close once all before it is
    answered. Nothing is read while the owner takes no messages: whoever waits for that has answered every ping so far.
    What is no message, or an empty one, in pieces or compressed, costs the peer the time that it takes. The first thing
    that is wrong ends it, whatever comes behind. ``closed`` is called once, when its place is free again.
    """

    framed = True

    __slots__ = (
        "_beat", "_broken", "_clock", "_closed", "_code", "_farewell", "_heard", "_intake", "_limits", "_outbox",
        "_owner", "_pieces", "_protocol", "_unsent_at_ping",
    )  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        protocol: ServerProtocol,
        outbox: Outbox,
        pace: Pace | None,
        clock: IReactorTime,
        limits: Limits,
        closed: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._protocol = protocol
        self._outbox = outbox
        self._clock = clock
        self._limits = limits
        self._closed = closed
        self._intake = Intake(owner, pace, clock, self._parse, self._end)
        # The pieces of a message that is not whole; the first message that was wrong, as it is closed for; and the
        # reason of ours to close.
        self._pieces = bytearray()
        self._broken: Close | None = None
        self._code: Code | None = None
        self._farewell: bytes | None = None
        # Whether anything was read since the last beat; and, if the peer was pinged then, how many bytes were on their
        # way to it.
        self._heard = True
        self._unsent_at_ping: int | None = None
        self._beat: IDelayedCall = clock.callLater(limits.ping_seconds, self._look)

    def take(self, data: bytes) -> None:
        """Take a chunk of frames."""
        self._intake.take(data)

    def proceed(self) -> None:
        """Go on with what has come, as far as messages are taken."""
        self._heard = True  # nobody has listened until now
        self._intake.proceed()

    def input_ended(self) -> None:
        """The peer has ended its half, and if no close is on its way, without one (RFC 6455 section 7.1.5: 1006)."""
        self._intake.end()

    def because(self, code: Code, text: str) -> None:
        """It is going to be closed by us, for this reason; the text is said in a notice."""
        self._code = code

    def farewell(self) -> bytes:
        """Return the close that is the last thing said: in answer to the peer's, or our own."""
        self.let_go()
        if self._farewell is None:
            close = close_for(self._code)
            self._protocol.send_close(close.code, close.reason)
            self._farewell = b"".join(self._protocol.data_to_send())
        return self._farewell

    def let_go(self) -> None:
        """Nothing is taken or said any more."""
        self._intake.close()
        if self._beat.active():
            self._beat.cancel()
        closed, self._closed = self._closed, _nothing
        closed()
        # The parser and its last error know each other, and with them the frame that was wrong: nobody is to wait for
        # the collector.
        self._protocol.parser.close()
        self._protocol.parser_exc = None

    def _parse(self, piece: bytes) -> None:
        self._heard = True
        began = self._intake.began()
        messages, odd = self._inflated(piece) if self._protocol.extensions else self._frames(piece)
        if odd:
            self._intake.charge(began)
        written = self._written()
        if self._open:
            if written:
                self._outbox.write(written)
                self._outbox.count(len(written))
            if messages:
                self._owner.take_messages(messages)
            return
        self._intake.drop()
        self._farewell = written
        if messages:
            self._owner.take_messages(messages)
        reason, torn = ending(self._protocol, self._broken)
        self._owner.web_ended(reason, torn=torn)

    def _written(self) -> bytes:
        """Return what the frames just parsed are answered with, at the end the close for a message that was wrong.

        A close, or what breaks the rules, may have come behind that in the same piece, and isn't answered then.
        """
        frames = self._protocol.data_to_send()
        if self._broken is not None:
            frames = [one for one in frames if not one.startswith(_CLOSE_BYTE)]
            frames.append(Frame(CLOSE, self._broken.serialize()).serialize(mask=False))
        return b"".join(frames)

    @property
    def _open(self) -> bool:
        return self._protocol.state is OPEN and self._broken is None

    def _inflated(self, piece: bytes) -> tuple[list[bytes], bool]:
        """Return as many of the messages in ``piece`` as are about one of the longest; the rest has to wait as it is.

        Else a KiB could be 15 messages of 64 KiB, which wait behind a command. All of it is charged, as inflating is.
        """
        messages: list[bytes] = []
        size = 0
        while piece and self._open and size < self._limits.line_bytes:
            step, piece = piece[:_STEP_BYTES], piece[_STEP_BYTES:]
            more, _ = self._frames(step)
            messages += more
            size += sum(map(len, more))
        self._intake.give_back(piece)
        return messages, True

    def _frames(self, data: bytes) -> tuple[list[bytes], bool]:
        """Parse ``data``; return the messages that are whole by now, and whether there was anything besides."""
        self._protocol.receive_data(data)
        messages: list[bytes] = []
        odd = False
        for frame in self._protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is TEXT and frame.fin:
                message = bytes(frame.data)
            elif frame.opcode is BINARY:
                self._broken = Close(CloseCode.UNSUPPORTED_DATA, "messages are text")
                break
            elif frame.opcode is TEXT or frame.opcode is CONT:
                odd = True
                self._pieces += frame.data
                if not frame.fin:
                    continue
                message = bytes(self._pieces)
                self._pieces.clear()
            else:
                odd = True
                continue
            if not message:
                odd = True
                continue
            if len(message) > self._limits.line_bytes:
                self._broken = Close(CloseCode.MESSAGE_TOO_BIG, "the message is too long")
                break
            if not message.isascii() and not _is_text(message):
                self._broken = Close(CloseCode.INVALID_DATA, "a message is not UTF-8")
                break
            messages.append(message)
        return messages, odd

    def _end(self) -> None:
        """All is parsed, and nothing more comes."""
        if self._farewell is None:
            self._farewell = b""
            self._owner.web_ended("the peer ended without a close", torn=True)

    def _look(self) -> None:
        """Ping the peer, and end with one that has not answered the last ping, though it could have read it.

        While we don't read, its answer may be among what waits: then it counts as heard.
        """
        unsent = self._outbox.unsent
        heard = self._heard or self._owner.holding or self._intake.waiting
        if self._unsent_at_ping is not None and not heard and unsent >= self._unsent_at_ping:
            self._owner.dismiss("You have not answered a ping.", Code.PING_TIMEOUT)
            return
        self._heard = False
        self._unsent_at_ping = None
        # Who is clogged is reading, or is taken care of otherwise; after a close nobody needs to answer.
        if not self._outbox.clogged and self._farewell is None:
            self._protocol.send_ping(b"")
            self._outbox.write(b"".join(self._protocol.data_to_send()))
            self._unsent_at_ping = unsent
        self._beat = self._clock.callLater(self._limits.ping_seconds, self._look)


def framed_codec(protocol: ServerProtocol) -> FramedCodec:
    """Return the codec of a new WebSocket: its frames are those agreed on, its form is told by its first message."""
    framing: Framing = PLAIN
    for extension in protocol.extensions:
        if isinstance(extension, PerMessageDeflate):
            framing = deflated(extension.local_max_window_bits)
    return FramedCodec(framing, JsonCodec(), _codec_for)


def _codec_for(message: bytes) -> Codec:
    return OlderCodec(lambda: str(uuid.uuid4())) if is_older(message) else JsonCodec()


def _is_text(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


def _nothing() -> None:
    """It is over already."""
