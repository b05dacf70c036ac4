"""Who is here: people, their sessions, and the registry of names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import UNSET

from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.events import User
from tcpchat.core.names import Key, fold

if TYPE_CHECKING:
    from tcpchat.core.rooms import Direct, Room


@dataclass(slots=True, eq=False)
class Person:
    """Somebody logged in. A guest has a random id that lives as long as the session."""

    id: PersonId
    name: str
    color: str | None = None
    session: Session | None = None
    directs: dict[PersonId, Direct] = field(default_factory=dict)

    @property
    def user(self) -> User:
        """This person as others see one."""
        return User(self.name, self.color if self.color else UNSET)


@dataclass(slots=True, eq=False)
class Session:
    """One login (or none yet) of one connection: the rooms it follows and the one it is speaking in."""

    person: Person | None = None
    rooms: dict[RoomId, Room] = field(default_factory=dict)
    current: Room | None = None


class Users:
    """Everybody logged in, by folded name: a read-only mapping for all but the hub."""

    def __init__(self) -> None:
        self._people: dict[Key, Person] = {}

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def get(self, name: str) -> Person | None:
        """Return the person who holds ``name``, in whatever spelling."""
        return self._people.get(fold(name))

    def add(self, person: Person) -> None:
        """Register a person whose name is free."""
        self._people[fold(person.name)] = person

    def remove(self, person: Person) -> None:
        """Give the person's name back."""
        del self._people[fold(person.name)]
