"""The person's side: what is shown and asked there, and what the lines of the input have come to."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from tcpchat.client.display import Display
from tcpchat.client.identity import Identity
from tcpchat.client.parts import Manner, Screen
from tcpchat.client.questions import Questions
from tcpchat.core.text import clean
from tcpchat.errors import ChatError
from tcpchat.wire.phrases import NAME_QUESTION, phrase_error


class Console:
    """The screen with all that uses it, and how far the input has come.

    ``line`` is the number of the line that was taken last, ``settled_line`` that of the last one that came to a good
    end or a bad one. ``failed``: one came to a bad one.
    """

    def __init__(self, manner: Manner, screen: Screen, clock: IReactorTime, identity: Identity) -> None:
        self.manner = manner
        self.screen = screen
        self.display = Display(manner, screen, clock)
        self.questions = Questions(screen, self.display, interactive=manner.interactive)
        self._identity = identity
        self.line = 0
        self.settled_line = 0
        self.failed = False

    @property
    def interactive(self) -> bool:
        """Whether a person is there, and no pipe."""
        return self.manner.interactive

    @property
    def status(self) -> int:
        """The exit status: 1 if not all of a pipe came to a good end."""
        return 1 if self.failed and not self.interactive else 0

    def refuse(self, error: ChatError, line: int | None = None) -> None:
        """Say what was refused; in a pipe, of which line."""
        self.failed = True
        number = self.line if line is None else line
        text = phrase_error(error)
        if self.interactive:
            self.display.show([text] if self._identity.name else [text, NAME_QUESTION])
        else:
            self.screen.complain(clean(f"Line {number}: {text}" if number else text))

    def refuse_late(self) -> None:
        """A pipe has more to say after it has said goodbye: tell so, once."""
        if not self.failed and not self.interactive:
            self.screen.complain(f"Line {self.line} and what follows it were not sent: /quit comes before.")
            self.failed = True

    def complain_of_loss(self, reason: str) -> None:
        """Say why there is no connection, and which lines nobody has acknowledged."""
        self.screen.complain(reason)
        if self.settled_line < self.line:
            self.screen.complain(f"What follows line {self.settled_line} was not acknowledged.")

    def close(self) -> None:
        """Show what has waited to be shown, and say which question a pipe has left open."""
        self.display.show([])
        asked = self.questions.open
        if asked is not None and not self.interactive:
            self.screen.complain(f"The input ended before this was answered: {asked.question}")
            self.failed = True
