"""Who may read and do what. Every path that shows an entry asks `may_read`."""

from __future__ import annotations

from tcpchat.core.entries import LOBBY_ID
from tcpchat.core.state import Direct, Person, Room
from tcpchat.errors import ChatError, Code


def may_read(person: Person, log: Room | Direct) -> range:
    """Return the numbers of the entries that ``person`` may read in ``log``; empty when none."""
    if isinstance(log, Direct) and person not in log.pair:
        return range(0)
    return range(1, log.head + 1)


def check_delete(person: Person, room: Room) -> None:
    """Raise ``not-allowed`` unless ``person`` may delete ``room``: its creator may, nobody the lobby."""
    if room.id == LOBBY_ID:
        raise ChatError(Code.NOT_ALLOWED, f"The {room.label} can't be deleted.")
    if room.creator != person.id:
        raise ChatError(Code.NOT_ALLOWED, f"Only the one who created {room.label} can delete it.")
