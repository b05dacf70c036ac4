"""The registry of people: who is logged in, by name."""

from __future__ import annotations

from collections.abc import Iterator

from tcpchat.core.names import Key, fold
from tcpchat.core.state import Person


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
