"""The older message form: a type, a body and a token in each JSON text, spoken over WebSocket (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest

from tcpchat.core.answers import Answer, Greeting, JoinedRoom, LeftRoom, LoggedIn
from tcpchat.core.names import fold
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Outlet, Request
from tcpchat.wire.older_events import PRIVATE, VIEW, OlderEncoder, info
from tcpchat.wire.older_messages import OlderMessage, is_older, understand
from tcpchat.wire.phrases import phrase_answer

__all__ = ["OlderCodec", "is_older"]

# What one can do about a refusal, where its text doesn't tell it in the words of this form.
_ADVICE = {
    Code.ACCOUNT_NEEDED: "Send Auth with sender_username and password.",
    Code.NAME_REGISTERED: "If it is yours, send Auth with sender_username and password.",
}

_ENCODERS = {tagged: OlderEncoder(tagged=tagged) for tagged in (False, True)}


class _OlderRequest(Request, frozen=True):
    """A message, understood. ``me`` is its sender's name; the answer is ``tagged`` if the message was."""

    me: str = ""
    tagged: bool = False


class OlderCodec:
    """One connection that speaks the older form.

    ``new_token`` makes the token that is given at Auth and must then be in every message: the text of a random UUID.
    """

    __slots__ = ("_new_token", "_tagged", "_token")

    def __init__(self, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        # Until there is one, authentication is off.
        self._token: str | None = None
        # Whether the last body was tagged with its type's name: the peer is spoken to in the same way.
        self._tagged = False

    def greet(self, greeting: Greeting) -> bytes:
        """Nothing: programs speak first."""
        return b""

    def strip(self, data: bytes, outlet: Outlet) -> bytes:
        """Return ``data``: everything is text."""
        return data

    def feed(self, line: bytes, outlet: Outlet) -> Request:
        """Understand one message; what is wrong with it becomes the answer."""
        try:
            message = understand(line)
            self._adapt(message, outlet)
            self._check_token(message.token)
            _check_sender(message, outlet.name)
            asks = message.command(outlet.name)
        except ChatError as error:
            return _OlderRequest(error.detached(), tagged=self._tagged)
        return _OlderRequest(asks, me=outlet.name or message.sender, tagged=self._tagged)

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return a sentence for the sender alone; what was said needs none, since its author hears it like everybody.

        With the answer to Auth comes the token.
        """
        me, tagged = (request.me, request.tagged) if isinstance(request, _OlderRequest) else ("", self._tagged)
        match answer:
            case ChatError(code=code):
                return info(PRIVATE, _refusal(answer), code=code.value, tagged=tagged)
            case LoggedIn():
                self._token = self._new_token()
                return info(PRIVATE, _welcome(answer), tagged=tagged, token=self._token)
            case JoinedRoom():
                return info(PRIVATE, _entered(answer, me), tagged=tagged)
            case LeftRoom(room):
                return info(PRIVATE, f"You left {room}.", tagged=tagged)
        return b""

    def encoder(self, *, current: bool) -> OlderEncoder:
        """Return the encoder that all share who are spoken to in the same way."""
        return _ENCODERS[self._tagged]

    def _adapt(self, message: OlderMessage, outlet: Outlet) -> None:
        """Speak as the peer does from here on, flat or tagged."""
        if message.tagged is not None and message.tagged != self._tagged:
            self._tagged = message.tagged
            outlet.reformat()

    def _check_token(self, token: str | None) -> None:
        """Raise ``bad-credentials`` unless a message after Auth shows the token."""
        if self._token is None:
            return
        if token is None:
            text = "The field token is missing: send the token that came with the answer to Auth. Nothing was done."
            raise ChatError(Code.BAD_CREDENTIALS, text, field="token")
        # The digits of a UUID are read in any case (RFC 9562, section 4).
        if not compare_digest(token.lower().encode(), self._token.lower().encode()):
            text = "That is not the token that came with the answer to Auth on this connection. Nothing was done."
            raise ChatError(Code.BAD_CREDENTIALS, text, field="token")


def _check_sender(message: OlderMessage, name: str) -> None:
    """Raise ``not-allowed`` if a message says that it is from another than who is logged in; Auth says who to be."""
    sender = message.sender
    if name and sender and message.kind != "Auth" and sender != name and fold(sender) != fold(name):
        text = f"You are {name} on this connection: leave sender_username out, or send this name. Nothing was done."
        raise ChatError(Code.NOT_ALLOWED, text, field="sender_username")


def _refusal(error: ChatError) -> str:
    return f"{error.text} {_ADVICE.get(error.code, '')}".rstrip()


def _welcome(answer: LoggedIn) -> str:
    """Return what is said with the token, and who has written to an account meanwhile: this form doesn't show that."""
    words = f"You are logged in as {answer.user.name}. Send this token with every message from now on."
    if not answer.directs:
        return words
    waiting = ", ".join(f"{one.unread} from {one.with_}" for one in answer.directs)
    return f"{words} Written to you meanwhile, to be read with another client: {waiting}."


def _entered(answer: JoinedRoom, me: str) -> str:
    """Return where one is, and with whom: ``me``, however one spells it, is not one of the others."""
    spelled = next((user.name for user in answer.members if fold(user.name) == fold(me)), me)
    return " ".join(phrase_answer(None, answer, spelled, VIEW))
