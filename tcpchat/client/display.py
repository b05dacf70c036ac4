"""What the client shows: events and answers as lines, in the words of the text wire."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import UNSET
from twisted.internet.interfaces import IReactorTime

from tcpchat.client.parts import Manner, Screen
from tcpchat.core.events import Event, MemberJoined, MemberLeft, Message, Moderated, Refocused, TopicChanged
from tcpchat.core.text import clean
from tcpchat.wire.phrases import phrase_events
from tcpchat.wire.view import Spoken


class Display:
    """Shows lines on a screen; in a pipe only those that were asked for, unless it is to tell everything."""

    def __init__(self, manner: Manner, screen: Screen, clock: IReactorTime) -> None:
        self.view = manner.view
        self._talkative = manner.interactive or manner.verbose
        self._screen = screen
        self._clock = clock
        # The day of what was shown last. Who came and went, to be shown together.
        self._day = ""
        self._moves: list[MemberJoined | MemberLeft] = []

    def show(self, lines: Iterable[str], *, asked: bool = False) -> None:
        """Show lines, after those who came and went before them."""
        if self._moves:
            self._show_moves()
        if self._talkative or asked:
            for line in lines:
                for part in self.view.lines(_cleaned(line)):
                    self._screen.show(part)

    def tell(self, event: Event, *, current: bool, me: str = "") -> None:
        """Show an event; ``current``: it is of the room that the person, called ``me``, is speaking in."""
        if isinstance(event, MemberJoined) or (isinstance(event, MemberLeft) and not event.by):
            self._show_move(event)
        else:
            self._show_day(event)
            self.show(phrase_events([event], self.view, current=current, me=me))

    def show_focus(self, room: str) -> None:
        """Say in which room the person is speaking; none if it is empty."""
        self.show(phrase_events([Refocused(room or UNSET)], self.view, current=True))

    def _show_day(self, event: Event) -> None:
        """Tell the day before what is said first on it."""
        if isinstance(event, Message | TopicChanged | Moderated):
            day = self.view.day(event.at)
            if self._day not in ("", day):
                self.show([f"It is {day}."])
            self._day = day

    def _show_move(self, event: MemberJoined | MemberLeft) -> None:
        """Show who came or went with others that come in the same moment."""
        if self._moves and self._moves[0].room != event.room:
            self._show_moves()
        if not self._moves:
            self._clock.callLater(0, self._show_moves)
        self._moves.append(event)

    def _show_moves(self) -> None:
        moves, self._moves = self._moves, []
        self.show(phrase_events(moves, self.view, current=False))


def _cleaned(line: str) -> str:
    """Return ``line`` without control characters: a server is trusted no further."""
    words = clean(line)
    return Spoken.by(clean(line.speaker), line.color, words) if isinstance(line, Spoken) else words
