"""The table of subcommands: every row asks what the daemon understands."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec
import pytest

from tcpchat.admin.main import main
from tcpchat.admin.subcommand import Subcommand, period
from tcpchat.admin.table import TABLE
from tcpchat.core.acts import Governing
from tcpchat.wire.table import OPERATIONS

# What is done by those who are there, or in the course of a conversation; a script speaks JSON for it.
_NOT_HERE = {"invite", "uninvite", "room-set", "subscribe", "unsubscribe"}


def words(row: Subcommand) -> list[str]:
    """Return arguments that say everything."""
    given: list[str] = list(row.words)
    for argument in row.arguments:
        if argument.name == "--address" or argument.flag:
            continue
        value = argument.choices[0] if argument.choices else "10m" if argument.kind is period else "5"
        if argument.field == "role":
            value = "owner"
        given += [argument.name, value] if argument.name.startswith("-") else [value]
    return given


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(row.words))
def test_every_row_asks_an_operation_of_the_operator_s(row: Subcommand) -> None:
    parser = argparse.ArgumentParser()
    for argument in row.arguments:
        argument.add_to(parser)
    given = parser.parse_args(words(row)[len(row.words) :])
    for ask in row.asks:
        command = OPERATIONS[ask.op].command
        assert command.operable
        known = {field.encode_name for field in msgspec.structs.fields(command)}
        data = row.data(given) | ({"password": "x"} if row.password else {})
        mine = {name: value for name, value in data.items() if name in known}
        msgspec.convert(mine, command)
    fields = {argument.field.split(".")[0] for argument in row.arguments}
    understood = {field.encode_name for ask in row.asks for field in msgspec.structs.fields(OPERATIONS[ask.op].command)}
    assert fields <= understood | {ask.when for ask in row.asks}


def test_nearly_all_that_the_operator_may_do_has_a_row() -> None:
    asked = {ask.op for row in TABLE for ask in row.asks}
    may = {op for op, row in OPERATIONS.items() if issubclass(row.command, Governing)}
    assert may - asked == _NOT_HERE


@pytest.mark.parametrize(
    ("given", "op", "data"),
    [
        (["kick", "bob"], "disconnect", {"user": "bob"}),
        (["kick", "bob", "--room", "tea", "--reason", "x"], "kick", {"user": "bob", "room": "tea", "reason": "x"}),
        (["ban", "--address", "::1", "--for", "2h"], "server-ban", {"address": "::1", "seconds": 7200}),
        (["ban", "bob", "--room", "tea", "--for", "1W"], "ban", {"user": "bob", "room": "tea", "seconds": 604_800}),
        (["broadcast", "two", "words"], "broadcast", {"text": "two words"}),
        (["motd"], "motd", {}),
        (["shutdown"], "shutdown", {}),
        (["shutdown", "--in", "0s"], "shutdown", {"seconds": 0}),
        (["shutdown", "--cancel"], "shutdown-cancel", {"cancel": True}),
        (["token", "create", "bot"], "tokens", {"user": "bot", "create": {}}),
        (
            ["token", "create", "bot", "--label", "x", "--days", "5"],
            "tokens",
            {"user": "bot", "create": {"label": "x", "expires": 5}},
        ),
        (["role", "nina", "owner"], "role", {"user": "nina", "role": "owner"}),
        (["role", "nina", "voice", "--room", "tea"], "room-role", {"user": "nina", "role": "voice", "room": "tea"}),
    ],
)
def test_what_is_asked(given: list[str], op: str, data: dict[str, Any]) -> None:
    row = max((row for row in TABLE if tuple(given[: len(row.words)]) == row.words), key=lambda row: len(row.words))
    parser = argparse.ArgumentParser()
    for argument in row.arguments:
        argument.add_to(parser)
    found = row.data(parser.parse_args(given[len(row.words) :]))
    assert (row.ask(found).op, found) == (op, data)
    assert row.fixed in ({}, {"create": {}})  # and nothing was added to it


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["kick"], "required: USER"),
        (["ban"], "give exactly one of user and address"),
        (["ban", "bob", "--address", "::1"], "give exactly one of user and address"),
        (["ban", "bob", "--for", "10"], "a time is a number and s, m, h, d or w, such as 30m, not '10'"),
        (["emergency", "now"], "invalid choice: 'now'"),
        (["token"], "required: ACTION"),
        (["rooms", "--timeout", "0"], "argument --timeout"),
        (["remove", "tea", "x"], "argument NUMBER"),
    ],
)
def test_what_makes_no_sense(given: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("row", TABLE, ids=lambda row: "-".join(row.words))
def test_every_row_explains_itself(row: Subcommand, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*row.words, "--help"])
    assert end.value.code == 0
    assert row.summary[1:20] in capsys.readouterr().out
