"""What a person is asked, one question after the other: passwords, which are not shown, and a yes or no."""

from __future__ import annotations

from tcpchat.client.display import Display
from tcpchat.client.parts import Screen
from tcpchat.core.answers import Answer
from tcpchat.core.commands import Command
from tcpchat.errors import ChatError
from tcpchat.wire.dialog import GIVEN_UP, HELP, Dialog, advice, is_command
from tcpchat.wire.grammar import understand
from tcpchat.wire.phrases import NAME_QUESTION, Words
from tcpchat.wire.view import Adjust


class Questions:
    """``open`` is the dialog whose question is answered by the next line; ``made`` one whose answers are on their way.

    In a pipe (not ``interactive``) nothing is asked again: the next line is something else.
    """

    def __init__(self, screen: Screen, display: Display, *, interactive: bool) -> None:
        self._screen = screen
        self._display = display
        self._interactive = interactive
        self.open: Dialog | None = None
        self.made: Dialog | None = None

    def pose(self, dialog: Dialog, why: str = "") -> None:
        """Ask a question, whose answer is not shown if it is a secret."""
        self.open = dialog
        if dialog.hidden:
            self._screen.hide()
        self._display.show([why, dialog.question] if why else [dialog.question], asked=True)

    def answer(self, text: str, *, named: bool) -> Command | Answer | Adjust | None:
        """Take an answer, and return what is made of it; an empty one ends the dialog. Raises `ChatError`."""
        assert self.open is not None
        dialog, self.open = self.open, None
        if dialog.hidden:
            self._screen.reveal()
        if is_command(text):
            try:
                asked = understand(text, named=named)
            except ChatError as error:
                if not self._interactive:
                    self.open = dialog
                    raise
                self.pose(dialog, error.text)
                return None
            if isinstance(asked, Words):  # the help
                self.pose(dialog, HELP)
                return None
            return asked
        if not text.strip():
            return Words((GIVEN_UP,) if named else (NAME_QUESTION,))
        try:
            if self._interactive:  # what follows in a pipe is the same once more, and mustn't be said
                dialog.judge(text)
            found = dialog.answered(text)
        except ChatError as error:
            if not self.ask_again(dialog, error):
                raise
            return None
        self.made = dialog if dialog.hidden else None
        return found

    def ask_again(self, dialog: Dialog | None, error: ChatError) -> bool:
        """Ask once more after a refusal, if that may help; return whether it does."""
        again = dialog.again(error) if dialog is not None and self._interactive else None
        if again is None:
            return False
        self.pose(again, advice(error))
        return True

    def take_made(self) -> Dialog | None:
        """Return the dialog whose answers are on their way, and forget it."""
        made, self.made = self.made, None
        return made
