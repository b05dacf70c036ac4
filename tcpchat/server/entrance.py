"""Where a connection comes in: whom a proxy has it from, TLS, and who speaks, told from the first bytes or silence."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tcpchat.core.addresses import plain
from tcpchat.core.channel import PLAIN, Channel
from tcpchat.core.limits import Limits
from tcpchat.server.admission import Admission
from tcpchat.server.http.headers import last_answer
from tcpchat.server.tls import Security
from tcpchat.server.tlslayer import Above, TlsLayer
from tcpchat.wire.codec import Codec
from tcpchat.wire.jsonlines import JsonCodec
from tcpchat.wire.proxy import BadHeader, parse_header
from tcpchat.wire.sniff import PREFIX_BYTES, Speaker, sniff
from tcpchat.wire.text import TextCodec

# Who speaks in lines. The others get one answer, or none, and never reach the chat.
_CODECS: dict[Speaker, type[Codec]] = {Speaker.JSON: JsonCodec, Speaker.PERSON: TextCodec}

_TLS_PAGE = "There is no page here. This is a chat server: speak to it under TLS (https)."


class Visitor(Above, Protocol):
    """The connection that comes in: what it is told, besides what TLS tells it. ``address`` is where it comes from."""

    transport: Any
    address: str

    def admit(self) -> bool:
        """The address is known for certain; return whether the peer may come in."""

    def meet(self, codec: Codec) -> None:
        """It is known what the peer speaks, or it is so by now although it was greeted as a person."""

    def put_under(self, layer: TlsLayer) -> None:
        """Everything passes through ``layer`` from here on."""

    def serve_http(self) -> None:
        """The peer speaks HTTP."""

    def turn_away(self, reason: str, farewell: bytes = b"") -> None:
        """Nobody here understands the peer: say ``farewell``, and end."""


class Entrance:
    """Finds out from where a connection comes and who speaks on it, and begins TLS in place.

    From one of the believed proxies a header of the PROXY protocol must come first: the standard forbids to guess
    whether there is one. From others there must be none.

    ``nameless``: a proxy has not said yet whose connection it is. ``speaker`` is who the first bytes were from, so far;
    under TLS that begins anew once hands are shaken. ``channel`` is what is known of how the bytes come.
    """

    __slots__ = (
        "_admission",
        "_clock",
        "_first_bytes",
        "_greeted",
        "_layer",
        "_limits",
        "_proxy_s_own",
        "_security",
        "_silence",
        "_visitor",
        "channel",
        "nameless",
        "speaker",
    )

    def __init__(
        self, visitor: Visitor, clock: IReactorTime, limits: Limits, security: Security, admission: Admission
    ) -> None:
        self.speaker: Speaker | None = None
        self.channel: Channel = PLAIN
        self._visitor = visitor
        self._clock = clock
        self._limits = limits
        self._security = security
        self._admission = admission
        self.nameless = visitor.address in admission.proxies
        # The proxy has made the connection for itself.
        self._proxy_s_own = False
        self._layer: TlsLayer | None = None
        self._greeted = False
        self._first_bytes = b""
        self._silence: IDelayedCall | None = None

    @property
    def shaking(self) -> bool:
        """Whether a TLS handshake is under way: nothing can be said."""
        return self._layer is not None and not self._layer.shaken

    @property
    def barred(self) -> bool:
        """Whether nobody may talk here like this: TLS is wanted."""
        return self._security.required and not self.channel.secure

    @property
    def manner(self) -> str:
        """Who spoke and how, in a word or three for the log."""
        who = self.speaker.name.lower() if self.speaker else "silent"
        return who + (" under TLS" if self.channel.secure else "")

    @property
    def unheard(self) -> bool:
        """Whether a proxy has only looked whether anybody is there."""
        return (self.nameless and not self._first_bytes) or (self._proxy_s_own and self.speaker is None)

    def open(self) -> None:
        """Wait for the header of a proxy, or a moment for the first bytes."""
        if self.nameless:
            self._silence = self._clock.callLater(self._limits.proxy_header_seconds, self._no_header)
        else:
            self._begin()
            self._visitor.admit()

    def take(self, data: bytes) -> bytes:
        """Take a chunk and return what is for the codec: nothing, while it isn't known who speaks."""
        if self.speaker is not None:
            return data
        waiting = len(self._first_bytes)
        self._first_bytes += data
        if self.nameless:
            return self._take_header()
        if waiting > PREFIX_BYTES and b"\n" not in data:  # else a line that comes byte by byte is read as often
            return b""
        speaker = sniff(self._first_bytes)
        if speaker is None:
            return b""
        data, self._first_bytes = self._first_bytes, b""
        if speaker is Speaker.TLS and self._security.tls and not self._layer and not self._greeted:
            self._start_tls(data)
            return b""
        self._recognise(speaker)
        return data

    def end(self) -> bytes:
        """The peer says no more: return what came and was too little to know who speaks, which a person may say."""
        if self.nameless:
            return b""
        data, self._first_bytes = self._first_bytes, b""
        if data:
            self._recognise(Speaker.PERSON)
        return data

    def handshake_done(self, channel: Channel, *, listening: bool) -> None:
        """Hands are shaken; who speaks is found out anew, if anybody is still ``listening``."""
        self.channel = channel
        self.speaker = None
        if listening:
            self._listen()

    def hang_up(self) -> None:
        """Close in the middle of a handshake."""
        assert self._layer is not None
        self._layer.loseConnection()

    def leave(self) -> None:
        """The visitor has gone, and is freed at once: until Python looks for cycles, a flood would be much memory."""
        self.close()
        del self._visitor

    def close(self) -> None:
        """Wait for nobody's first bytes."""
        if self._silence is not None and self._silence.active():
            self._silence.cancel()

    def _take_header(self) -> bytes:
        """Read the header of a proxy, and then what follows it."""
        try:
            header = parse_header(self._first_bytes, self._limits.proxy_header_bytes)
        except BadHeader as error:
            self._first_bytes = b""
            self._visitor.turn_away(str(error))
            return b""
        if header is None:
            return b""
        rest, self._first_bytes = self._first_bytes[header.size :], b""
        self.close()
        self.nameless = False
        self._proxy_s_own = header.own
        if header.source is not None:
            self._visitor.address = plain(header.source)
        self._begin()
        admitted = self._visitor.admit()
        if self._layer is None:
            return self.take(rest) if admitted and rest else b""
        self._layer.dataReceived(rest)  # who is refused hears why after the handshake
        return b""

    def _no_header(self) -> None:
        self._visitor.turn_away("it sent no PROXY header in time" if self._first_bytes else "it sent no PROXY header")

    def _begin(self) -> None:
        self._listen()
        if self._security.at_once:
            self._start_tls(b"")

    def _listen(self) -> None:
        self._silence = self._clock.callLater(self._limits.silence_seconds, self._greet_silent)

    def _greet_silent(self) -> None:
        """A peer that waits for a word is a person, as far as one can tell."""
        self._meet(TextCodec())

    def _recognise(self, speaker: Speaker) -> None:
        """The first bytes have told who speaks; a peer that was greeted for its silence may still be a program."""
        self.speaker = speaker
        self.close()
        codec = _CODECS.get(speaker)
        if speaker is Speaker.HTTP and not self._greeted and not self.barred:
            self._visitor.serve_http()
        elif codec is None:
            self._visitor.turn_away(self._unspoken(speaker), self._farewell(speaker))
        elif not self._greeted or speaker is not Speaker.PERSON:
            self._meet(codec())

    def _meet(self, codec: Codec) -> None:
        self._greeted = True
        self._visitor.meet(codec)

    def _unspoken(self, speaker: Speaker) -> str:
        if speaker is Speaker.PROXY:
            return "it sent a PROXY header and is none of the proxies that are believed"
        if speaker is Speaker.TLS and self._security.tls:
            return "TLS inside TLS" if self._layer else "TLS was begun after the greeting"
        return f"{speaker.name} is not spoken here"

    def _farewell(self, speaker: Speaker) -> bytes:
        if speaker is not Speaker.HTTP or self._greeted:
            return b""
        return last_answer(404, _TLS_PAGE)

    def _start_tls(self, hello: bytes) -> None:
        """Let everything pass through TLS from here on; ``hello`` is what has come of it."""
        assert self._security.tls is not None
        self.close()
        self.speaker = Speaker.TLS
        below = self._visitor.transport
        place = self._admission.handshake(self._visitor.address)
        self._layer = TlsLayer(self._security.tls.connection(), self._visitor, self._limits, self._clock.seconds, place)
        self._visitor.put_under(self._layer)
        self._layer.start(below, hello)
