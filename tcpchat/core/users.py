"""The registry of people: who is logged in, by name."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Sequence

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import PersonId
from tcpchat.core.names import Key, fold
from tcpchat.core.state import Person


class Users:
    """Everybody logged in, by folded name: a read-only mapping for all but the hub."""

    def __init__(self) -> None:
        self._people: dict[Key, Person] = {}
        self._ids: dict[PersonId, Person] = {}
        self._looks: dict[str, Person] = {}

    def __len__(self) -> int:
        return len(self._people)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def get(self, name: str) -> Person | None:
        """Return the person who holds ``name``, in whatever spelling."""
        return self._people.get(fold(name))

    def beginning(self, prefix: str) -> list[str]:
        """Return the names that begin with ``prefix``, in whatever spelling, in the order of the alphabet."""
        start = fold(prefix)
        return [self._people[key].name for key in sorted(key for key in self._people if key.startswith(start))]

    @property
    def keys(self) -> KeysView[str]:
        """The folded names of all."""
        return self._people.keys()

    def among(self, words: Sequence[str]) -> list[Person]:
        """Return the people whose folded names are among ``words``."""
        return [self._people[key] for word in dict.fromkeys(words) if (key := Key(word)) in self._people]

    def alike(self, name: str) -> Person | None:
        """Return the person whose name can't be told from ``name`` by the eye."""
        return self._looks.get(skeleton(name))

    def holder(self, name: str, besides: Person | None = None) -> Person | None:
        """Return who keeps others but ``besides`` from taking ``name``: the two comparisons may find two people."""
        found = (self.get(name), self.alike(name))
        return next((person for person in found if person is not None and person is not besides), None)

    def by_id(self, person: PersonId | None) -> Person | None:
        """Return the person with this id, if still here."""
        return None if person is None else self._ids.get(person)

    def add(self, person: Person) -> None:
        """Register a person whose name is free."""
        self._people[fold(person.name)] = person
        self._ids[person.id] = person
        self._looks.setdefault(skeleton(person.name), person)

    def remove(self, person: Person) -> None:
        """Give the person's name back."""
        del self._people[fold(person.name)]
        del self._ids[person.id]
        if self._looks.get(skeleton(person.name)) is person:
            del self._looks[skeleton(person.name)]
