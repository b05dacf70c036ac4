"""Who is told: the hub's view of the readers, whatever they are connected by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tcpchat.core.entries import RoomId
from tcpchat.core.events import Event
from tcpchat.core.state import Session


class Audience(Protocol):
    """The readers of each room and of the whole server.

    A room's events pass one buffer, in order: entering and leaving flush it first, so that a newcomer gets
    nothing twice and nobody who leaves misses what was said before.
    """

    def enter(self, room: RoomId, session: Session) -> None:
        """From the next event on, ``session`` reads the room."""

    def leave(self, room: RoomId, session: Session) -> None:
        """After the events published so far, ``session`` no longer reads the room."""

    def close(self, room: RoomId) -> None:
        """After the events published so far, nobody reads the room."""

    def refocus(self, session: Session) -> None:
        """The session's current room has changed, and with it how some wires show its rooms."""

    def publish(self, room: RoomId, events: Sequence[Event]) -> None:
        """Tell the readers of a room."""

    def send(self, session: Session, event: Event) -> None:
        """Tell one session, at once."""

    def broadcast(self, event: Event) -> None:
        """Tell everybody who is logged in, after the events published so far."""

    def flush(self) -> None:
        """Hand everything published so far to the readers' transports."""
