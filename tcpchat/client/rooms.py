"""The rooms one is in, as the server knows them too, and how far each has been shown."""

from __future__ import annotations

from dataclasses import dataclass

from tcpchat.core.answers import JoinedRoom
from tcpchat.core.events import Event


@dataclass(slots=True)
class Place:
    """One room: everything up to the number ``shown`` has been shown, of the log with this ``epoch``.

    While the room's log is being caught up with, its events wait in ``held``.
    """

    shown: int
    epoch: int
    held: list[Event] | None = None


class Rooms:
    """The rooms in the order of joining, and the current one; empty when there is none."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self.current = ""

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
