from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tcpchat.core.acts import Governing
from tcpchat.core.commands import Command, Speech
from tcpchat.core.hub import HANDLERS
from tcpchat.wire.local import LocalCommand
from tcpchat.wire.reference import updated
from tcpchat.wire.table import GROUPS, TABLE

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_reference_is_current() -> None:
    assert updated(DOCUMENT.read_text()) == DOCUMENT.read_text(), (
        "make it anew: python -m tcpchat.wire.reference docs/protocol.md"
    )


def test_a_document_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="operations"):
        updated("nothing")


def test_what_may_be_left_out_is_marked_so() -> None:
    for row in TABLE:
        for field in msgspec.structs.fields(row.command) if row.op else ():
            assert (f"{field.encode_name}?" in row.data) is not field.required, (row.op, field.encode_name)


def test_every_command_is_in_the_table_and_has_a_handler() -> None:
    local = {LocalCommand, *_all(LocalCommand)}
    reached = {row.command for row in TABLE}
    assert reached - HANDLERS.keys() == local - {LocalCommand}
    # What only the text codec asks for itself, when somebody connects and gives a name, or registers; what a broken
    # connection asks for; and what the older message form makes of its messages.
    assert {command.__name__ for command in HANDLERS.keys() - reached} == {
        "Arrive", "Detach", "Enrol", "EnterAsGuest", "SpeakAsGuest", "Visit",
    }  # fmt: skip
    assert set(HANDLERS) == set(_all(Command)) - local - {Governing, Speech}
    assert {row.group for row in TABLE} == set(GROUPS)


def _all(kind: type[Command]) -> list[type[Command]]:
    return [one for sub in kind.__subclasses__() for one in (sub, *_all(sub))]
