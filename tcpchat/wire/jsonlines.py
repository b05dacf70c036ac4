"""JSON lines, the native interface: one object per line in both directions (docs/protocol.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Union

import msgspec

from tcpchat.core.answers import Answer, Greeting
from tcpchat.core.commands import Command, SayInLobby
from tcpchat.core.events import Event
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Outlet, Request
from tcpchat.wire.table import OPERATIONS

# An id is the client's; it comes back in one reply and is kept until then.
_ID_CHARACTERS = 64
_OP_CHARACTERS = 64

# What the decoder may raise for a peer's bytes.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encode = msgspec.json.encode
_encode_lines = msgspec.json.Encoder().encode_lines

_Id = int | Annotated[str, msgspec.Meta(max_length=_ID_CHARACTERS)] | None


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    op: Annotated[str, msgspec.Meta(max_length=_OP_CHARACTERS)]
    id: _Id = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _OddRequest(Request, frozen=True):
    """A request whose line wasn't quite as usual; ``op`` is as it was spelled."""

    op: str = ""


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_DECODERS: dict[str, msgspec.json.Decoder[Command]] = {
    op: msgspec.json.Decoder(row.command) for op, row in OPERATIONS.items()
}
# One type of request for each operation, so that a usual line is decoded at one go.
_OPS: dict[type[msgspec.Struct], str] = {
    msgspec.defstruct(
        f"_{row.command.__name__}Request",
        [("asks", row.command, msgspec.field(name="data")), ("id", _Id, None)],
        bases=(Request,),
        frozen=True,
        tag_field="op",
        tag=op,
    ): op
    for op, row in OPERATIONS.items()
}
_decode: Callable[[bytes], Request] = msgspec.json.Decoder(Union[tuple(_OPS)]).decode  # noqa: UP007


# What the decoder calls by Python's names.
_KINDS = {
    "int": "a number", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list",
    "object": "an object", "bytes": "a string",
}  # fmt: skip


class _Line(msgspec.Struct, frozen=True, gc=False):
    """An event as it is written."""

    op: str
    data: Event


class JsonEncoder:
    """Events as JSON lines; all readers get the same bytes."""

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return one line for each event; nothing for those without an ``op``."""
        return _encode_lines([_Line(event.op, event) for event in events if event.op])

    @property
    def personal(self) -> bool:
        """No: an event names all whom it mentions."""
        return False

    def encode_to(self, name: str, event: Event) -> bytes:
        """Return the same as for everybody."""
        return self.encode((event,))


_ENCODER = JsonEncoder()


class JsonCodec:
    """One connection that speaks JSON lines. It has no state of its own."""

    __slots__ = ()

    def greet(self, greeting: Greeting) -> bytes:
        """Nothing: programs speak first."""
        return b""

    def strip(self, data: bytes, outlet: Outlet) -> bytes:
        """Return ``data``: everything is text."""
        return data

    def feed(self, line: bytes, outlet: Outlet) -> Request | None:
        """Decode one object; what is wrong with it becomes the answer."""
        try:
            return _decode(line)
        except _UNREADABLE:
            return _feed_odd(line)

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return the reply; a request without an id hears of errors only."""
        if request.id is None and not isinstance(answer, ChatError):
            return b""
        op = _encode(request.op if isinstance(request, _OddRequest) else _OPS.get(type(request), ""))
        id_field = b"" if request.id is None else b',"id":%b' % _encode(request.id)
        if isinstance(answer, ChatError):
            error = {"code": answer.code.value, "message": answer.text, **answer.facts}
            return b'{"op":%b%b,"status":"error","error":%b}\n' % (op, id_field, _encode(error))
        return b'{"op":%b%b,"status":"ok","data":%b}\n' % (op, id_field, _encode(answer))

    def encoder(self, *, current: bool) -> JsonEncoder:
        """Return the one encoder there is."""
        return _ENCODER


def _feed_odd(line: bytes) -> Request | None:
    """Decode what isn't quite a usual line: to be lenient, or to say what is wrong."""
    try:
        envelope = _decode_envelope(line)
    except _UNREADABLE as error:
        return _misunderstood(line, error)
    op = envelope.op
    decoder = _DECODERS.get(op) or _DECODERS.get(op.lower())
    if decoder is None:
        return _OddRequest(ChatError(Code.UNKNOWN_OP, f"There is no operation called {op}.", op=op), envelope.id, op)
    try:
        return _OddRequest(_decode_data(decoder, bytes(envelope.data)), envelope.id, op)
    except _UNREADABLE as error:
        return _OddRequest(_complaint(error, "data"), envelope.id, op)


def _decode_data(decoder: msgspec.json.Decoder[Command], data: bytes) -> Command:
    if data == b"null":
        data = b"{}"
    if decoder is _DECODERS["msg"] and data.startswith(b'"'):
        return SayInLobby(msgspec.json.decode(data, type=str))
    return decoder.decode(data)


def _misunderstood(line: bytes, error: Exception) -> Request | None:
    """Return the complaint about a line that is no request, with its op and id as far as they can be read."""
    if not line:
        return None
    op, known = "", None
    try:
        found: Any = msgspec.json.decode(line)
    except _UNREADABLE as worse:
        return Request(_complaint(worse, "op"))
    if isinstance(found, dict):
        op = found["op"][:_OP_CHARACTERS] if isinstance(found.get("op"), str) else ""
        identifier = found.get("id")
        if (
            isinstance(identifier, int | str)
            and not isinstance(identifier, bool)
            and len(str(identifier)) <= _ID_CHARACTERS
        ):
            known = identifier
    return _OddRequest(_complaint(error, "op"), known, op)


def _in_json(words: str) -> str:
    """Return the decoder's words with JSON's names of what was expected and found."""
    expected = re.fullmatch(r"Expected ([a-z |]+?)((?: (?:[<>]|of length).*?)?)(?:, got ([a-z]+))?( - at .*)?", words)
    if expected is None:
        return words
    kinds, bounds, got, path = expected.groups()
    wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | "))
    found = f", not {_KINDS.get(got, got)}" if got else ""
    return f"Expected {wanted}{bounds}{found}{path or ''}"


def _complaint(error: Exception, whole: str) -> ChatError:
    """Return what was wrong, naming the field; ``whole`` is its name when the error is about everything."""
    if isinstance(error, UnicodeDecodeError):
        return ChatError(Code.BAD_UTF8, "The line is not UTF-8: it was not read.")
    words = str(error).replace("`", "")
    if not isinstance(error, msgspec.ValidationError) or (whole == "op" and words.startswith("Expected object")):
        return ChatError(Code.BAD_JSON, "The line is not one JSON object: it was not read.")
    if missing := re.fullmatch(r"Object missing required field (\w+).*", words):
        return ChatError(Code.BAD_FIELD, f"The field {missing[1]} is missing.", field=missing[1])
    reason, _, path = _in_json(words).partition(" - at $")
    name = path.lstrip(".") or whole
    return ChatError(Code.BAD_FIELD, f"The field {name} is wrong: {reason[0].lower()}{reason[1:]}.", field=name)
