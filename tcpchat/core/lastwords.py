"""When people spoke last in rooms that are slow: known through a new login, too."""

from __future__ import annotations

from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.names import Key, fold
from tcpchat.core.state import Person


class LastWords:
    """The moment of everybody's last word in each slow room, in ms since 1970, UTC; those that are oldest go first.

    A guest is another person after each login, and so is known by name, too.
    """

    def __init__(self) -> None:
        self._moments: dict[tuple[RoomId, PersonId | Key], int] = {}

    def __len__(self) -> int:
        return len(self._moments)

    def of(self, room: RoomId, person: Person) -> int:
        """Return when ``person`` spoke last in a room; 0 if that is not known."""
        return max(self._moments.get((room, mark), 0) for mark in _marks(person))

    def note(self, room: RoomId, person: Person, now: int, most: int) -> None:
        """Remember that ``person`` spoke, and no more than ``most`` such moments."""
        for mark in _marks(person):
            self._moments.pop((room, mark), None)
            self._moments[room, mark] = now
        while len(self._moments) > most:
            del self._moments[next(iter(self._moments))]

    def forget(self, room: RoomId, person: Person) -> None:
        """What was said could not be kept: it doesn't count."""
        for mark in _marks(person):
            self._moments.pop((room, mark), None)


def _marks(person: Person) -> tuple[PersonId | Key, ...]:
    return (person.id,) if person.registered else (person.id, fold(person.name))
