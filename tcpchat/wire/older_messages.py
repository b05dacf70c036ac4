"""What a peer says in the older message form, understood field by field (docs/protocol.md)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tcpchat.core.commands import Command, EnterAsGuest, Join, Leave, SayInLobby, Secret, SpeakAsGuest, Tell, Visit
from tcpchat.core.names import LOBBY
from tcpchat.errors import ChatError, Code

Kind = Literal["Auth", "Enter", "Leave", "GroupChat", "PrivateChat"]

# The types of messages that are understood, each with what it must hold.
_NEEDS: dict[Kind, str] = {
    "Auth": "sender_username, and password for an account",
    "Enter": "sender_username, unless Auth came before it",
    "Leave": "nothing",
    "GroupChat": "content, and sender_username unless Auth or Enter came before it",
    "PrivateChat": "target_username and content",
}
_TYPES = "Auth, Enter, Leave, GroupChat or PrivateChat"
_WORD_CHARACTERS = 64

_JSON_KINDS = {
    str: "a string", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object",
    type(None): "null",
}  # fmt: skip

# What the decoder may raise for a peer's bytes.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Opening(msgspec.Struct, frozen=True, gc=False):
    """As much of a message as tells its form."""

    message_type: msgspec.Raw
    op: msgspec.Raw | UnsetType = UNSET


class OlderMessage(msgspec.Struct, frozen=True):
    """One message: ``tagged`` is whether its body was, or None if it has none that tells."""

    kind: Kind
    fields: dict[str, Any]
    tagged: bool | None
    token: str | None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind}, …)"

    @property
    def sender(self) -> str:
        """Who it says it is from, if it does; raises ``bad-field``."""
        return self._text("sender_username") or ""

    def command(self, name: str) -> Command:
        """Return what is asked for by the one called ``name``: who has no name yet is whom the message is from.

        Raises ``bad-field``, or ``not-logged-in`` for what a message alone makes nobody a guest for.
        """
        match self.kind:
            case "Auth":
                return Visit(self.sender or self._missing("sender_username"), password=self._password())
            case "Enter" if name:
                return Join(LOBBY, last=0)
            case "Enter":
                return EnterAsGuest(self.sender or self._missing("sender_username"))
            case "GroupChat" if name:
                return SayInLobby(self._needed("content"))
            case "GroupChat":
                return SpeakAsGuest(self.sender or self._missing("sender_username"), self._needed("content"))
            case _ if not name:
                text = f"You are not logged in: send Auth or Enter with sender_username before {self.kind}."
                raise ChatError(Code.NOT_LOGGED_IN, text)
            case "Leave":
                return Leave(LOBBY)
            case "PrivateChat":
                return Tell(self._needed("target_username"), self._needed("content"))

    def _password(self) -> str | None:
        """Return the password, if there is one: one that is empty is wrong, and makes nobody a guest."""
        try:
            return msgspec.convert(self._text("password"), Secret | None)
        except msgspec.ValidationError:
            text = "The field password is wrong: no password is so long."
            raise ChatError(Code.BAD_FIELD, text, field="password") from None

    def _text(self, name: str) -> str | None:
        """Return a field of the body; null is as good as none."""
        value = self.fields.get(name)
        if not isinstance(value, str | None):
            raise _mistyped(name, "a string", value)
        return value

    def _needed(self, name: str) -> str:
        value = self._text(name)
        return self._missing(name) if value is None else value

    def _missing(self, name: str) -> str:
        text = f"The field {name} is missing: {self.kind} needs {_NEEDS[self.kind]}."
        raise ChatError(Code.BAD_FIELD, text, field=name)


_decode_opening = msgspec.json.Decoder(_Opening).decode
_decode = msgspec.json.Decoder().decode


def is_older(message: bytes) -> bool:
    """Return whether a connection's first message is of the older form: an object with `message_type`, and no `op`."""
    try:
        return _decode_opening(message).op is UNSET
    except _UNREADABLE:
        return False


def understand(text: bytes) -> OlderMessage:
    """Return one message. Raises ``bad-utf8``, ``bad-json``, ``bad-field``, and ``unknown-op`` for its type."""
    message = _read(text)
    kind = _kind(message.get("message_type"))
    fields, tagged = _fields(kind, message.get("message_body"))
    token = message.get("token")
    if not isinstance(token, str | None):
        raise _mistyped("token", "a string or null", token)
    return OlderMessage(kind, fields, tagged, token)


def _read(text: bytes) -> dict[str, Any]:
    try:
        message: Any = _decode(text)
    except UnicodeDecodeError:
        raise ChatError(Code.BAD_UTF8, "The message is not UTF-8: it was not read.") from None
    except _UNREADABLE:
        message = None
    if not isinstance(message, dict):
        raise ChatError(Code.BAD_JSON, "The message is not one JSON object: it was not read.")
    return message


def _kind(kind: object) -> Kind:
    if kind is None:
        raise ChatError(Code.BAD_FIELD, f"The field message_type is missing: it is {_TYPES}.", field="message_type")
    if not isinstance(kind, str):
        raise _mistyped("message_type", "a string", kind)
    for known in _NEEDS:
        if kind == known:
            return known
    text = f"There is no message_type {kind[:_WORD_CHARACTERS]}: it is {_TYPES}."
    raise ChatError(Code.UNKNOWN_OP, text, field="message_type")


def _fields(kind: Kind, body: object) -> tuple[dict[str, Any], bool | None]:
    """Return the fields of a body, and whether it was tagged."""
    if body is None:
        return {}, None
    tag = _tag(body)
    if tag is not None and tag != kind:
        text = f"The message_body is tagged {tag}, but message_type is {kind}: both must be the same."
        raise ChatError(Code.BAD_FIELD, text, field="message_body")
    fields = body
    if tag is not None:
        fields = body.get(tag) if isinstance(body, dict) else None
        fields = {} if fields is None else fields
    if not isinstance(fields, dict):
        raise _mistyped("message_body", f"an object with the fields of {kind}", fields)
    return fields, tag is not None


def _tag(body: object) -> str | None:
    """Return the name of a type that a body is tagged with: its only key, or all of it where there are no fields."""
    tag = next(iter(body)) if isinstance(body, dict) and len(body) == 1 else body
    return tag if isinstance(tag, str) and tag in _NEEDS else None


def _mistyped(name: str, wanted: str, found: object) -> ChatError:
    text = f"The field {name} is wrong: expected {wanted}, not {_JSON_KINDS[type(found)]}."
    return ChatError(Code.BAD_FIELD, text, field=name)
