from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.answers import Accepted, Done
from tcpchat.core.commands import Command, Join, Login, Ping, Say, SayInLobby
from tcpchat.core.events import Message, Refocused
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Request
from tcpchat.wire.jsonlines import JsonCodec
from tcpchat.wire.table import OPERATIONS
from tests.wire.outlet import OUTLET

CODEC = JsonCodec()


def feed(line: str | bytes) -> Request:
    request = CODEC.feed(line if isinstance(line, bytes) else line.encode(), OUTLET)
    assert request is not None
    return request


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('{"op":"ping"}', Ping()),
        ('{"op":"PING","data":null}', Ping()),
        ('{"op":"say","data":{"room":"a","text":"b"}}', Say("a", "b")),
        ('{"data":{"text":"b","extra":[1,{}],"room":"x","room":"a"},"op":"Say"}', Say("a", "b")),
        ('{"op":"LOGIN","data":{"name":"nina","color":"teal"}}', Login("nina", "teal")),
        ('{"op":"MSG","data":"text"}', SayInLobby("text")),
        ('{"op":"msg","data":{"text":"text"}}', SayInLobby("text")),
        ('  {"op":"join","data":{"room":"a","after":7}}  ', Join("a", after=7)),
    ],
)
def test_a_line_is_a_command(line: str, command: Command) -> None:
    assert feed(line).asks == command


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ("nonsense", Code.BAD_JSON, None),
        ('{"op":"ping"', Code.BAD_JSON, None),
        ('{"op":"ping"} x', Code.BAD_JSON, None),
        ('{"op":"say","data":{"room":"a","text":"\\ud800"}}', Code.BAD_JSON, None),
        (b'{"op":"\xff"}', Code.BAD_UTF8, None),
        ("[" * 100_000, Code.BAD_JSON, None),
        ('{"op":"ping","data":' + "[" * 50_000 + "]" * 50_000 + "}", Code.BAD_JSON, None),
        ("[1]", Code.BAD_JSON, None),
        ("7", Code.BAD_JSON, None),
        ("{}", Code.BAD_FIELD, "op"),
        ('{"op":7}', Code.BAD_FIELD, "op"),
        ('{"op":"ping","id":1.5}', Code.BAD_FIELD, "id"),
        ('{"op":"ping","id":"' + "x" * 65 + '"}', Code.BAD_FIELD, "id"),
        ('{"op":"zork"}', Code.UNKNOWN_OP, None),
        ('{"op":"say","data":{"text":"b"}}', Code.BAD_FIELD, "room"),
        ('{"op":"say","data":{"room":7,"text":"b"}}', Code.BAD_FIELD, "room"),
        ('{"op":"say","data":[]}', Code.BAD_FIELD, "data"),
        ('{"op":"say","data":"text"}', Code.BAD_FIELD, "data"),
        ('{"op":"join","data":{"room":"a","last":-1}}', Code.BAD_FIELD, "last"),
        ('{"op":"join","data":{"room":"a","last":1e400}}', Code.BAD_FIELD, "last"),
        ('{"op":"join","data":{"room":"a","after":123456789012345678901234567890}}', Code.BAD_FIELD, "after"),
        ('{"op":"arrive","data":{"name":"nina"}}', Code.UNKNOWN_OP, None),
    ],
)
def test_a_bad_line_is_told_what_is_wrong(line: str | bytes, code: Code, field: str | None) -> None:
    error = feed(line).asks
    assert isinstance(error, ChatError)
    assert error.code is code
    assert error.facts.get("field") == field
    if field:
        assert field in error.text


def test_an_empty_line_asks_for_nothing() -> None:
    assert CODEC.feed(b"", OUTLET) is None


@pytest.mark.parametrize("raw_id", ["1", '"x"', "123456789012345678901234567890", '"\\"\\n"', "-5"])
def test_the_reply_has_the_same_op_and_id(raw_id: str) -> None:
    request = feed('{"op":"PiNG","id":' + raw_id + "}")
    assert json.loads(CODEC.reply(request, Done())) == {
        "op": "PiNG",
        "id": json.loads(raw_id),
        "status": "ok",
        "data": {},
    }
    refused = json.loads(CODEC.reply(request, ChatError(Code.BUSY, "No.", max=3)))
    assert refused["id"] == json.loads(raw_id)
    assert refused["error"] == {"code": "busy", "message": "No.", "max": 3}


def test_an_error_about_a_field_still_has_the_op_and_the_id() -> None:
    reply = json.loads(CODEC.reply(feed('{"op":"say","id":9,"data":7}'), feed('{"op":"say","data":7}').asks))  # type: ignore[arg-type]
    assert (reply["op"], reply["id"]) == ("say", 9)
    request = feed('{"op":7,"id":9}')
    assert isinstance(request.asks, ChatError)
    assert json.loads(CODEC.reply(request, request.asks))["id"] == 9


def test_without_an_id_only_errors_are_answered() -> None:
    request = feed('{"op":"say","data":{"room":"a","text":"b"}}')
    assert CODEC.reply(request, Accepted("a", 1, 2)) == b""
    assert json.loads(CODEC.reply(request, ChatError(Code.BUSY, "No.")))["error"]["code"] == "busy"


def test_an_event_is_one_line_and_never_has_an_id() -> None:
    encoder = CODEC.encoder(current=False)
    line = encoder.encode([Message("lobby", 3, 4, "nina", "a\u2028b", "message", "teal")])
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "op": "message",
        "data": {
            "room": "lobby",
            "seq": 3,
            "at": 4,
            "from": "nina",
            "text": "a\u2028b",
            "kind": "message",
            "color": "teal",
        },
    }
    assert encoder.encode([Refocused("lobby")]) == b""


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer_or_a_command(line: bytes) -> None:
    request = CODEC.feed(line, OUTLET)
    assert request is None or isinstance(request.asks, Command | ChatError)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["room", "text", "name", "last", "after", "limit", "to", "action", "color", "x"])


@given(st.sampled_from(sorted(OPERATIONS)), st.dictionaries(FIELDS, JSON_VALUES, max_size=5))
def test_any_data_gets_a_command_or_an_error_that_names_a_field(op: str, data: dict[str, Any]) -> None:
    asks = feed(msgspec.json.encode({"op": op, "data": data})).asks
    assert isinstance(asks, Command | ChatError)
    if isinstance(asks, ChatError):
        assert asks.code in (Code.BAD_FIELD, Code.BAD_JSON)
        assert asks.code is Code.BAD_JSON or str(asks.facts["field"]).split(".")[0].split("[")[0] in (
            *data,
            *FIELDS_ALL,
        )


FIELDS_ALL = {field.encode_name for row in OPERATIONS.values() for field in msgspec.structs.fields(row.command)} | {
    "data"
}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"room": "tea", "last": "x"}, "The field last is wrong: expected a number or null, not a string."),
        ({"room": 7}, "The field room is wrong: expected a string, not a number."),
        ({"room": "tea", "last": -1}, "The field last is wrong: expected a number >= 0."),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_json(data: dict[str, Any], words: str) -> None:
    line = json.dumps({"op": "join", "data": data}).encode()
    request = CODEC.feed(line, OUTLET)
    assert request is not None
    assert isinstance(request.asks, ChatError)
    assert request.asks.text == words
