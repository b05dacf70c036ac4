"""What the server tells by itself: each event is shown once, and after those before it."""

from __future__ import annotations

from tcpchat.client.display import Display
from tcpchat.client.presence import Presence
from tcpchat.client.rooms import Place
from tcpchat.core.events import Event, Gap, Message, Moderated, PutOut, RoomDeleted, TopicChanged


class Feed:
    """Shows events, and follows where they put us."""

    def __init__(self, presence: Presence, display: Display) -> None:
        self._presence = presence
        self._display = display

    def take(self, event: Event) -> None:
        """Show an event, unless it has been shown or must wait for those before it."""
        rooms = self._presence.rooms
        room = getattr(event, "room", "")
        place = rooms.get(room)
        if place is not None and place.held is not None:
            place.held.append(event)
            return
        if self._is_shown(event, place):
            return
        if isinstance(event, Gap):
            rooms.skip(event)
        current = rooms.current
        self._display.tell(event, current=room == current, me=self._presence.name)
        if isinstance(event, RoomDeleted | PutOut) and place is not None:
            rooms.leave(room)
            if rooms.current != current:
                self._display.show_focus(rooms.current)

    def _is_shown(self, event: Event, place: Place | None) -> bool:
        """Return whether an event has been shown; from now on it is so."""
        if place is not None and isinstance(event, Message | TopicChanged | Moderated):
            if event.seq <= place.shown:
                return True
            place.shown = event.seq
        if isinstance(event, Message) and event.with_:
            return self._presence.rooms.has_shown(event.room, event.seq)
        return False
