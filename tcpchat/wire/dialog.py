"""Questions that a person is asked one by one: for secrets, which should not be seen on the screen, and for a yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcpchat.core.answers import Answer
from tcpchat.core.commands import Command
from tcpchat.errors import ChatError, Code

GIVEN_UP = "Nothing was done."


class Dialog(Answer, frozen=True):
    """What is to be asked, and what is made of the answers; an empty answer gives it up.

    ``hidden``: the answers are secrets.
    """

    questions: tuple[str, ...]
    make: Callable[[Sequence[str]], Command]
    hidden: bool = True
    given: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The one that is to be answered next."""
        return self.questions[len(self.given)]

    def answered(self, text: str) -> Dialog | Command:
        """Return the rest of the dialog, or what is made of the answers. Raises `ChatError`."""
        given = (*self.given, text)
        if len(given) == len(self.questions):
            return self.make(given)
        return Dialog(self.questions, self.make, self.hidden, given)


def new_password(questions: tuple[str, ...], make: Callable[[Sequence[str]], Command]) -> Dialog:
    """Return a dialog that ends by asking for a new password twice; ``make`` gets the answers without the second."""

    def compared(given: Sequence[str]) -> Command:
        if given[-1] != given[-2]:
            raise ChatError(Code.BAD_FIELD, f"These were not the same. {GIVEN_UP}", field="password")
        return make(given[:-1])

    return Dialog((*questions, "A new password:", "The same once more:"), compared)
