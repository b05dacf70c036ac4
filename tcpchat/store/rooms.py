"""Rooms as rows."""

from __future__ import annotations

import msgspec

from tcpchat.core.entries import RoomRecord


def room_row(record: RoomRecord) -> dict[str, object]:
    """Return the row of ``rooms`` for a new room."""
    return msgspec.structs.asdict(record) | {"deleted": None}
