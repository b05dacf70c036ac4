"""The rooms there are: their state in memory, and the registry that finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tcpchat.core.answers import RoomSummary
from tcpchat.core.entries import PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.events import User
from tcpchat.core.names import Key, fold
from tcpchat.core.users import Person, Session

_EMPTY = Seq(0)


@dataclass(slots=True, eq=False)
class Room:
    """A room and the sessions in it. ``label`` is what wires call it; ``head`` is its last committed number."""

    id: RoomId
    label: str
    head: Seq
    epoch: int
    topic: str
    creator: PersonId
    members: dict[Session, Person] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: RoomRecord) -> Room:
        """Return the room as it is stored, with nobody in it."""
        return cls(record.id, record.name, record.head, record.epoch, record.topic, record.creator)

    @property
    def summary(self) -> RoomSummary:
        """This room as a line of a list."""
        return RoomSummary(self.label, self.topic, len(self.members), self.head)

    @property
    def users(self) -> list[User]:
        """The people in it, in the order in which they came."""
        return [person.user for person in self.members.values()]


@dataclass(slots=True, eq=False)
class Direct:
    """A conversation of two people: a log like any other, read by these two only.

    ``record`` is what creates it, sent along with what is said until a commit has been seen (``stored``).
    """

    record: RoomRecord
    pair: tuple[Person, Person]
    head: Seq = _EMPTY
    stored: bool = False

    @property
    def id(self) -> RoomId:
        """Its stable id, the same for both sides."""
        return self.record.id

    @property
    def label(self) -> str:
        """What wires call it; can't be the name of a room."""
        return self.record.name

    def other(self, person: Person) -> Person:
        """Return the one of the two who isn't ``person``."""
        first, second = self.pair
        return second if person is first else first


def direct_label(room: RoomId) -> str:
    """Return the public name of a direct conversation: ``@`` and its id in hexadecimal."""
    return f"@{room:016x}"


class Rooms:
    """The public rooms by folded name, and every open log by id: read-only for all but the hub."""

    def __init__(self) -> None:
        self._named: dict[Key, Room] = {}
        self._logs: dict[RoomId, Room | Direct] = {}

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self) -> Iterator[Room]:
        return iter(self._named.values())

    def get(self, name: str) -> Room | None:
        """Return the public room called ``name``, in whatever spelling."""
        return self._named.get(fold(name))

    def log(self, room: RoomId) -> Room | Direct | None:
        """Return the open log with this id."""
        return self._logs.get(room)

    def add(self, room: Room) -> None:
        """Register a room whose name is free."""
        self._named[fold(room.label)] = room
        self._logs[room.id] = room

    def remove(self, room: Room) -> None:
        """Forget a deleted room."""
        del self._named[fold(room.label)]
        del self._logs[room.id]

    def add_direct(self, direct: Direct) -> None:
        """Register a conversation of two, and hand it to both."""
        one, other = direct.pair
        one.directs[other.id] = other.directs[one.id] = direct
        self._logs[direct.id] = direct

    def forget_directs(self, person: Person) -> None:
        """Close the conversations of a person who has gone, unless the other one is still here to read them."""
        for direct in person.directs.values():
            if direct.other(person).session is None:
                self._logs.pop(direct.id, None)
