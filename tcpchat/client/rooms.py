"""The rooms one is in, as the server knows them too, and how far each has been shown."""

from __future__ import annotations

from dataclasses import dataclass

from tcpchat.core.answers import JoinedRoom
from tcpchat.core.commands import Seen
from tcpchat.core.events import Event, Gap


@dataclass(slots=True)
class Place:
    """One room: everything up to the number ``shown`` has been shown, of the log with this ``epoch``.

    While the room's log is being caught up with, its events wait in ``held``.
    """

    shown: int
    epoch: int
    held: list[Event] | None = None


# Conversations of which it is remembered how far they were shown.
_DIRECTS = 500


class Rooms:
    """The rooms in the order of joining, and the current one; empty when there is none.

    ``session`` is the code that resumes the session in which we are in them; empty: nothing does.
    """

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        # How far conversations with one person were shown.
        self._directs: dict[str, int] = {}
        self.current = ""
        self.session = ""

    @property
    def cursors(self) -> dict[str, int | Seen]:
        """How far everything was shown, to go on from there."""
        rooms: dict[str, int | Seen] = {room: Seen(place.shown, place.epoch) for room, place in self._places.items()}
        return rooms | self._directs

    def has_shown(self, room: str, seq: int) -> bool:
        """Return whether an entry of a conversation with one person was shown; from now on it is so."""
        if seq <= self._directs.get(room, 0):
            return True
        self._directs.pop(room, None)
        self._directs[room] = seq
        if len(self._directs) > _DIRECTS:
            del self._directs[next(iter(self._directs))]
        return False

    def get(self, room: str) -> Place | None:
        """Return where we are in a room; None when not in it."""
        return self._places.get(room)

    def enter(self, joined: JoinedRoom) -> None:
        """One is in this room, has been shown it up to its head, and is speaking there now."""
        place = self._places.setdefault(joined.room, Place(joined.head, joined.epoch))
        place.shown, place.epoch = joined.head, joined.epoch
        self.current = joined.room

    def leave(self, room: str) -> None:
        """One is no longer in this room, and goes on in the one joined last before, as on the server."""
        self._places.pop(room, None)
        if self.current == room:
            self.current = next(reversed(self._places), "")

    def skip(self, gap: Gap) -> None:
        """Go on after what can't be read: in another log, or in one that is shorter than we have known it."""
        place = self._places.get(gap.room)
        if place is not None:
            place.epoch = gap.epoch
            place.shown = 0 if not gap.last else min(place.shown, gap.first - 1)

    def hold(self, room: str) -> Place:
        """Keep a room's events for later; raises KeyError when not in it."""
        place = self._places[room]
        place.held = []
        return place

    def release(self, room: str) -> list[Event]:
        """Return the events that were kept, and keep no more."""
        place = self._places.get(room)
        if place is None or place.held is None:
            return []
        held, place.held = place.held, None
        return held

    def returning(self) -> list[str]:
        """Return the rooms in the order to join them again in: the current one last, and from now on it is so."""
        if self.current in self._places:  # a server may name another
            self._places[self.current] = self._places.pop(self.current)
        return list(self._places)
