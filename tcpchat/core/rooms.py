"""The registry of rooms: which there are, by name and by id."""

from __future__ import annotations

from collections.abc import Iterator

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import RoomId
from tcpchat.core.names import Key, fold
from tcpchat.core.state import Direct, Person, Room


class Rooms:
    """The public rooms by folded name, and every open log by id: read-only for all but the hub."""

    def __init__(self) -> None:
        self._named: dict[Key, Room] = {}
        # By the very spelling too: folding takes time, and a program spells a room as it is called.
        self._spelled: dict[str, Room] = {}
        self._looks: dict[str, Room] = {}
        self._logs: dict[RoomId, Room | Direct] = {}

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self) -> Iterator[Room]:
        return iter(self._named.values())

    def get(self, name: str) -> Room | None:
        """Return the public room called ``name``, in whatever spelling."""
        return self._spelled.get(name) or self._named.get(fold(name))

    def beginning(self, prefix: str) -> list[str]:
        """Return the names that begin with ``prefix``, in whatever spelling, in the order of the alphabet."""
        start = fold(prefix)
        return [self._named[key].label for key in sorted(key for key in self._named if key.startswith(start))]

    def alike(self, name: str) -> Room | None:
        """Return the room whose name can't be told from ``name`` by the eye."""
        return self._looks.get(skeleton(name))

    def log(self, room: RoomId) -> Room | Direct | None:
        """Return the open log with this id."""
        return self._logs.get(room)

    def add(self, room: Room) -> None:
        """Register a room whose name is free."""
        self._named[fold(room.label)] = room
        self._spelled[room.label] = room
        self._looks.setdefault(skeleton(room.label), room)
        self._logs[room.id] = room

    def remove(self, room: Room) -> None:
        """Forget a deleted room."""
        del self._named[fold(room.label)]
        del self._spelled[room.label]
        if self._looks.get(skeleton(room.label)) is room:
            del self._looks[skeleton(room.label)]
        del self._logs[room.id]

    def add_direct(self, direct: Direct) -> None:
        """Register a conversation of two, and hand it to both."""
        one, other = direct.pair
        for here, there in ((one, other), (other, one)):
            if there.id in here.ended:
                here.ended.remove(there.id)
        one.directs[other.id] = other.directs[one.id] = direct
        self._logs[direct.id] = direct

    def forget_directs(self, person: Person, kept: int) -> list[RoomId]:
        """Close the conversations of a person who has gone, and return them.

        One whose other side is still here stays to be read there, until ``kept`` others have ended after it: whoever
        stays for months hears from more and more people.
        """
        closed: list[RoomId] = []
        for direct in person.directs.values():
            other = direct.other(person)
            if not other.sessions:
                closed.append(direct.id)
                continue
            other.ended.append(person.id)
            while len(other.ended) > kept:
                closed.append(other.directs.pop(other.ended.pop(0)).id)
        for room in closed:
            self._logs.pop(room, None)
        return closed
