"""Every field of every JSON operation, given what it can't be: an answer that names it, and nothing else happens."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tcpchat.wire.table import OPERATIONS
from tests.house import House, Script

# What must be given for an operation to be understood at all.
GIVEN: dict[str, Any] = {
    "room": "tea", "user": "bob", "text": "x", "to": "bob", "name": "nina2", "password": "correct horse", "old": "a",
    "new": "b", "seq": 1, "role": "user", "rule": "free", "event": "login", "code": "x", "kind": "user", "search": "",
    "what": "login", "session": "kx3m-7pqa-b2zw-ymth",
}  # fmt: skip
LISTS: list[object] = [[], [1], {}, {"a": 1}]
WRONG: dict[str, list[object]] = {
    "string": [5, 1.5, True, *LISTS],
    "integer": ["x", "5", 1.5, -1, 2**63, 2**64, 10**40, True, *LISTS],
    "boolean": ["x", "true", 0, 1, *LISTS],
    "object": ["x", 5, True, [1]],
}
DEEP = (
    "[" * 2_000 + "]" * 2_000, '{"a":' * 2_000 + "1" + "}" * 2_000, "[" * 2_000, "9" * 3_000, "-", '"\\ud800"',
)  # fmt: skip


def _type(field: msgspec.structs.FieldInfo) -> str:
    info = msgspec.inspect.type_info(field.type)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    names = {type(kind).__name__ for kind in kinds} - {"NoneType", "UnsetType"}
    for name, kind in (("Int", "integer"), ("Bool", "boolean"), ("Struct", "object"), ("Dict", "object")):
        if any(known.startswith(name) for known in names):
            return kind
    return "string"


def _required(field: Any) -> bool:
    return bool(field.required)


FIELDS = [
    pytest.param(op, field, id=f"{op}-{field.encode_name}")
    for op, row in OPERATIONS.items()
    for field in msgspec.structs.fields(row.command)
]


def usual(op: str) -> dict[str, Any]:
    """Return the fields without which an operation isn't understood."""
    fields = msgspec.structs.fields(OPERATIONS[op].command)
    given = {field.encode_name: GIVEN[field.encode_name] for field in fields if field.required}
    if op == "role":
        given["role"] = "admin"
    if op == "room-role":
        given["role"] = "voice"
    return given


def answer(person: Script, line: str) -> dict[str, Any]:
    """Return the answer to one line; the connection goes on after it, unless that was asked for."""
    person.take()
    person.transport.receive(line.encode() + b"\n")
    person.house.settle()
    [told] = [one for one in person.take() if "status" in one]
    if (told["op"], told["status"]) != ("quit", "ok"):
        person.ask("ping")
    return told


@pytest.fixture
def nina() -> Script:
    return Script(House(), "nina")


@pytest.mark.parametrize(("op", "field"), FIELDS)
def test_a_wrong_type_is_told_by_the_name_of_its_field(nina: Script, op: str, field: msgspec.structs.FieldInfo) -> None:
    name = field.encode_name
    for wrong in WRONG[_type(field)]:
        line = json.dumps({"op": op, "id": 1, "data": {**usual(op), name: wrong}})
        if wrong == {} and _type(field) == "object":
            continue
        told = answer(nina, line)
        assert (told["status"], told["id"]) == ("error", 1), (line, told)
        assert told["error"]["code"] == "bad-field", (line, told)
        assert told["error"]["field"].split(".")[0] == name, (line, told)
        assert name in told["error"]["message"]


@pytest.mark.parametrize(("op", "field"), [one for one in FIELDS if _required(one.values[1])])
def test_a_missing_field_is_named(nina: Script, op: str, field: msgspec.structs.FieldInfo) -> None:
    data = usual(op)
    del data[field.encode_name]
    told = answer(nina, json.dumps({"op": op, "id": 2, "data": data}))
    assert told["error"]["code"] == "bad-field"
    assert told["error"]["field"] == field.encode_name


@pytest.mark.parametrize("op", OPERATIONS)
def test_what_is_unknown_is_ignored_and_the_last_of_two_counts(op: str) -> None:
    fields = usual(op)
    plain, extra, twice = (Script(House(), "nina") for _ in range(3))
    known = _outcome(plain, op, json.dumps(fields))
    assert _outcome(extra, op, json.dumps({**fields, "planet": "Mars", "": [1]})) == known
    words = {"role", "rule", "event", "kind", "what"}  # of these only some are understood
    doubled = "".join(
        f"{json.dumps(name)}: {json.dumps('other' if isinstance(value, str) and name not in words else value)}, "
        for name, value in fields.items()
    )
    assert _outcome(twice, op, "{" + doubled + json.dumps(fields)[1:]) == known


def _outcome(person: Script, op: str, data: str) -> tuple[object, object]:
    person.transport.receive(f'{{"op": "{op}", "id": 3, "data": {data}}}\n'.encode())
    person.house.settle()
    [told] = [one for one in person.take() if one.get("id") == 3]
    return told["status"], told.get("error")


@pytest.mark.parametrize("op", OPERATIONS)
def test_depth_and_length_are_no_exception(nina: Script, op: str) -> None:
    for deep in DEEP:
        told = answer(nina, f'{{"op": "{op}", "id": 4, "data": {{"x": {deep}}}}}')
        assert told["status"] in ("ok", "error")
        assert told.get("error", {}).get("code") != "internal"
        if op == "quit" and told["status"] == "ok":
            return
