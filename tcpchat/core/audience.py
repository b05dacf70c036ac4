"""Who is told: the hub's view of the readers, whatever they are connected by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from tcpchat.core.entries import PersonId, RoomId, Seq
from tcpchat.core.events import Event, Message
from tcpchat.core.state import Session
from tcpchat.errors import Code

EVERYBODY = RoomId(0)
"""In the place of a room: all who are logged in."""


class Audience(Protocol):
    """The readers of each room.

    Who reads too slowly is told of the logs later, from the logs themselves (`tcpchat.core.backlog`), and not at all of
    who came and went; what is sent to it alone comes at once.

    What is published in a room is pending for a moment, in order, and then told to all its readers at once. Who
    enters reads none of it, who leaves reads it first, and who asks for something reads it before the answer.
    """

    def enter(self, room: RoomId, session: Session) -> None:
        """From the next event on, ``session`` reads the room."""

    def leave(self, room: RoomId, session: Session) -> None:
        """After the events published so far, ``session`` no longer reads the room."""

    def expel(self, room: RoomId, session: Session) -> None:
        """From now on ``session`` no longer reads the room, and none of what is pending."""

    def close(self, room: RoomId) -> None:
        """After the events published so far, nobody reads the room, or the conversation."""

    def refocus(self, session: Session) -> None:
        """The session's current room has changed, and with it how some wires show its rooms."""

    def refilter(self, session: Session) -> None:
        """The people whom the session ignores have changed."""

    def publish(
        self,
        room: RoomId,
        events: Sequence[Event],
        authors: Sequence[PersonId],
        *,
        patient: bool = False,
        mentioned: Collection[Session] = (),
    ) -> None:
        """Tell the readers of a room, each event being from one of ``authors``.

        ``patient``: it is told with what else happens in the room, or after `hurry`. Those who are ``mentioned`` in any
        of them may be told so.
        """

    def hand(self, room: RoomId, session: Session, event: Message) -> None:
        """Tell one session, at once, of a new entry of a conversation, after what was published patiently for it."""

    def send(self, session: Session, event: Event) -> None:
        """Tell one session, at once, but after what was published patiently for it."""

    def tell(self, session: Session, text: str) -> None:
        """Tell one session a word from the server itself, at once."""

    def dismiss(self, session: Session, text: str, code: Code) -> None:
        """End one session's connection soon, with a reason."""

    def read_from(self, session: Session, rooms: Mapping[RoomId, int], directs: Mapping[RoomId, int]) -> None:
        """Let a session that reads rooms read first what follows these entries in them, and in these conversations.

        That begins in the next moment, after the answer to what was asked.
        """

    def arrived(self, session: Session) -> bool:
        """Return whether all that one session was told has surely arrived on the peer's machine."""

    def catch_up(self, session: Session) -> None:
        """Tell one session at once what is pending for it."""

    def reached(self, session: Session, room: RoomId, head: Seq) -> Seq:
        """Return up to which entry of a log, whose last is ``head``, a session that reads it has been told."""

    def hurry(self) -> None:
        """Tell everybody soon what was published patiently."""

    def flush_soon(self) -> None:
        """Tell everybody what is pending, with what else happens in the next moment."""

    def flush(self) -> None:
        """Tell everybody at once what is pending."""
