"""Questions that a person is asked one by one: for secrets, which should not be seen on the screen, and for a yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tcpchat.core.answers import Answer
from tcpchat.core.commands import Command
from tcpchat.core.proofs import check_length
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code

GIVEN_UP = "Nothing was done."
HELP = (
    "Answer the question, or press Enter to give up. /login and /quit work here, too; "
    "an answer that begins with such a word is typed with the slash twice."
)

# Refusals that can pass, or that another answer may escape. Whoever reads one of these types the secret again: it must
# be asked for, however often, or it would be said to everybody, or be taken for a name.
_PASSING = frozenset(
    (
        Code.BAD_CREDENTIALS,
        Code.BUSY,
        Code.EMERGENCY,
        Code.INTERNAL,
        Code.RATE_LIMITED,
        Code.SHUTTING_DOWN,
        Code.STORE_FAILED,
        Code.TOO_MANY_ATTEMPTS,
        Code.TOO_MANY_CONNECTIONS,
    )
)
_COMMANDS = ("/help", "/login", "/quit", ":quit")


class Dialog(Answer, frozen=True):
    """What is to be asked, and what is made of the answers; an empty answer gives it up.

    ``hidden``: the answers are secrets. ``check`` is what the hub is asked before the first question. From the
    question ``fresh`` on a new secret is asked for; that is done again when it won't do.
    """

    questions: tuple[str, ...]
    make: Callable[[Sequence[str]], Command]
    hidden: bool = True
    check: Command | None = None
    fresh: int | None = None
    given: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The one that is to be answered next."""
        return self.questions[len(self.given)]

    def answered(self, text: str) -> Dialog | Command:
        """Return the rest of the dialog, or what is made of the answers. Raises `ChatError`."""
        if text.startswith("//") and is_command(text[1:]):
            text = text[1:]
        given = (*self.given, text)
        if len(given) == len(self.questions):
            return self.make(given)
        return replace(self, given=given)

    def judge(self, text: str) -> None:
        """Raise `ChatError` for an answer that can be known to be refused before the next question."""
        if len(self.given) == self.fresh:
            check_length(text)

    def again(self, error: ChatError) -> Dialog | None:
        """Return what is to be asked after a refusal, so that nobody types a secret when nothing asks for it.

        None if no answer helps. Only an empty answer, or a command, ends what is asked again.
        """
        if error.code in _PASSING:
            kept = 0
        elif self.fresh is not None and error.code in (Code.WEAK_PASSWORD, Code.BAD_FIELD):
            kept = self.fresh
        else:
            return None
        return replace(self, given=self.given[:kept])


def is_command(text: str) -> bool:
    """Return whether an answer is one of the few commands that work while something is asked."""
    return clean(text).partition(" ")[0].lower() in _COMMANDS


def advice(error: ChatError) -> str:
    """Return why a question is asked again, and what else one can do."""
    when = "To give up," if "retry_after" in error.facts else "Try again, or"  # that says when to try again
    return f"{error.text} {when} press Enter."


def new_password(questions: tuple[str, ...], make: Callable[[Sequence[str]], Command], check: Command) -> Dialog:
    """Return a dialog that ends by asking for a new password twice; ``make`` gets the answers without the second."""

    def compared(given: Sequence[str]) -> Command:
        if given[-1] != given[-2]:
            raise ChatError(Code.BAD_FIELD, "These were not the same.", field="password")
        return make(given[:-1])

    questions_asked = (*questions, "A new password:", "The same once more:")
    return Dialog(questions_asked, compared, check=check, fresh=len(questions))
