"""The registry of rooms: which there are, by name and by id."""

from __future__ import annotations

from collections.abc import Iterator

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.names import Key, fold
from tcpchat.core.state import Direct, Person, Room
from tcpchat.core.users import Users


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

    def forget_directs(self, person: Person, users: Users, kept: int) -> list[RoomId]:
        """Close the conversations of a person who has gone, and return them.

        One whose other side is still here stays to be read there, see `end`.
        """
        closed: list[RoomId] = []
        for direct in person.directs.values():
            # Who has come back meanwhile is another object.
            other = users.by_id(direct.other(person).id)
            if other is None:
                closed.append(direct.id)
                self._logs.pop(direct.id, None)
            else:
                other.directs.setdefault(person.id, direct)
                closed += self.end(other, person.id, kept)
        return closed

    def end(self, person: Person, other: PersonId, kept: int) -> list[RoomId]:
        """Let ``person`` read the conversation with somebody who isn't here until ``kept`` others have ended after it.

        Returns those that are closed: whoever stays for months speaks with more and more people.
        """
        if other in person.ended:
            person.ended.remove(other)
        person.ended.append(other)
        closed: list[RoomId] = []
        while len(person.ended) > kept:
            direct = person.directs.pop(person.ended.pop(0), None)
            if direct is not None:
                closed.append(direct.id)
                self._logs.pop(direct.id, None)
                person.forget_place(direct.id)
        return closed
