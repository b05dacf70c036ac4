"""What happens, and what the server says, in the older message form (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import msgspec
from msgspec import UNSET, UnsetType

from tcpchat.core.events import (
    AwayChanged,
    Crowd,
    Event,
    Gap,
    Invited,
    MemberJoined,
    MemberLeft,
    Members,
    Message,
    Moderated,
    Notice,
    PutOut,
    Renamed,
    ServerEvent,
    TopicChanged,
)
from tcpchat.wire.phrases import phrase_events
from tcpchat.wire.view import View

GROUP = "GroupInfo"
"""The type of what the lobby, or everybody, is told."""
PRIVATE = "PrivateInfo"
"""The type of what one is told alone."""
VIEW = View()
"""Times are in UTC, and no line is cut."""

# What is told in the words of the text wire, and to whom.
_TO_ALL = (AwayChanged, Crowd, Gap, MemberJoined, MemberLeft, Members, Moderated, Renamed, TopicChanged)
_TO_ONE = (PutOut, ServerEvent)

_encode = msgspec.json.encode


class _Info(msgspec.Struct, frozen=True, gc=False):
    """The body of a sentence; ``code`` is an error's."""

    content: str
    code: str | UnsetType = UNSET


class _GroupChat(msgspec.Struct, frozen=True, gc=False):
    """The body of what somebody said to all."""

    sender_username: str
    content: str


class _PrivateChat(msgspec.Struct, frozen=True, gc=False):
    """The body of what somebody said to one."""

    sender_username: str
    target_username: str
    content: str


class OlderEncoder:
    """Events in the older form, for all whose bodies are ``tagged`` with the type's name, or for all others."""

    def __init__(self, *, tagged: bool) -> None:
        self._tagged = tagged

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return one message for each event, or for all who came and went one after another."""
        told: list[bytes] = []
        for kind, some in groupby(events, _kind):
            if kind:
                told += [info(kind, text, tagged=self._tagged) for text in phrase_events(some, VIEW, current=True)]
            else:
                told += [self._alone(event) for event in some]
        return b"".join(told)

    @property
    def personal(self) -> bool:
        """Yes: what is written to somebody alone names them."""
        return True

    def encode_to(self, name: str, event: Event) -> bytes:
        """Return the message, which names its reader if it is written to them."""
        return self._spoken(event, name) if isinstance(event, Message) else self.encode((event,))

    def _alone(self, event: Event) -> bytes:
        """Return what isn't told in the words of the text wire; nothing, if it isn't told at all."""
        match event:
            case Message():
                return self._spoken(event, "you")
            case Notice(text, code):
                return info(GROUP if event.about else PRIVATE, text, code=code, tagged=self._tagged)
            case Invited(room, by):  # this form has no way into it
                return info(PRIVATE, f"{by} invited you to {room}.", tagged=self._tagged)
        return b""

    def _spoken(self, message: Message, reader: str) -> bytes:
        """Return what somebody said; ``reader`` is what who reads a direct message is called."""
        name, other, tagged = message.from_, message.with_, self._tagged
        if message.kind == "removed":
            return info(PRIVATE if other else GROUP, f"What {name} said here was removed.", tagged=tagged)
        text = f"* {name} {message.text}" if message.kind == "action" else message.text
        if not other:
            return _written("GroupChat", _GroupChat(name, text), tagged=tagged)
        told = _written("PrivateChat", _PrivateChat(name, other if message.mine else reader, text), tagged=tagged)
        if message.waits:
            told += info(PRIVATE, f"{other} is not here, and will read it later.", tagged=tagged)
        return told


def info(kind: str, text: str, *, tagged: bool, code: str | UnsetType = UNSET, token: str | None = None) -> bytes:
    """Return a sentence of the server's: ``kind`` is `GROUP` or `PRIVATE`."""
    return _written(kind, _Info(text, code), tagged=tagged, token=token)


def _written(kind: str, body: msgspec.Struct, *, tagged: bool, token: str | None = None) -> bytes:
    name = kind.encode()
    fields = b'{"%b":%b}' % (name, _encode(body)) if tagged else _encode(body)
    return b'{"message_type":"%b","message_body":%b,"token":%b}\n' % (name, fields, _encode(token))


def _kind(event: Event) -> str:
    """Return what kind of message tells of an event in the words of the text wire; nothing, if none does."""
    return GROUP if isinstance(event, _TO_ALL) else PRIVATE if isinstance(event, _TO_ONE) else ""
