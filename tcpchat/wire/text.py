"""The text wire: a person at a terminal, with nothing but lines (docs/protocol.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from tcpchat.core.answers import Answer, Arrived, Greeting, Named, Resumed
from tcpchat.core.commands import Arrive, Command, Logout, Unregister
from tcpchat.core.events import Event
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Outlet, Request
from tcpchat.wire.dialog import GIVEN_UP, HELP, Dialog, advice, is_command
from tcpchat.wire.grammar import password_of, understand
from tcpchat.wire.keys import edited
from tcpchat.wire.phrases import NAME_QUESTION, Words, greeting_lines, phrase_answer, phrase_error, phrase_events
from tcpchat.wire.telnet import Telnet
from tcpchat.wire.view import Adjust, View

_NOT_UTF8 = (
    "That line was not UTF-8, so it was not read. Set your terminal to UTF-8. "
    "Some telnets damage letters, where nc does not."
)


# How a file with a private key begins, goes on and ends (RFC 7468, and OpenSSH's).
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}|[A-Za-z-]+: .*|-----END [A-Z ]+-----")
_KEY_END = "-----END "
_PRIVATE = "That is a private key: it was not said to anybody. Only the line of the .pub file is for others."
_SEEN = " (It may be seen on your screen.)"
# The time that a telnet has to agree to hide what is typed, before a question comes with a warning.
_ECHO_SECONDS = 1.0


class TextEncoder:
    """Events as lines for all who have the same view; ``current``: the room is the one the reader is speaking in."""

    def __init__(self, view: View, *, current: bool) -> None:
        self._view = view
        self._current = current

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return each event as a line, or more; nothing for what only programs want to know."""
        return _lines(phrase_events(events, self._view, current=self._current), self._view)

    @property
    def personal(self) -> bool:
        """Yes: the line says so."""
        return True

    def encode_to(self, name: str, event: Event) -> bytes:
        """Return the line, which says that it mentions its reader."""
        return _lines(phrase_events((event,), self._view, current=self._current, me=name), self._view)


@lru_cache(maxsize=4096)
def _encoder(view: View, *, current: bool) -> TextEncoder:
    """Return the encoder that all readers of this kind share."""
    return TextEncoder(view, current=current)


class TextCodec:
    """One person. Until there is a name, every line that isn't a command is taken for one."""

    __slots__ = ("_asked", "_dialog", "_due", "_made", "_name", "_outlet", "_pasting", "_telnet", "_view", "_waited")

    def __init__(self) -> None:
        self._name = ""
        # What is being asked: the next line is its answer.
        self._dialog: Dialog | None = None
        # Whether its question waits for telnet to hide the answer; and whether that was in vain the last time.
        self._due = False
        self._waited = False
        # What was asked of the hub for a dialog: before its first question, or as what was made of the answers.
        self._asked: Command | None = None
        self._made: Dialog | None = None
        # Where to speak without being spoken to, while that may be needed.
        self._outlet: Outlet | None = None
        self._pasting = False
        self._telnet = Telnet()
        self._view = View()

    def greet(self, greeting: Greeting) -> bytes:
        """Return the welcome, which ends by asking for a name."""
        return _lines(greeting_lines(greeting), self._view)

    def strip(self, data: bytes, outlet: Outlet) -> bytes:
        """Return ``data`` without telnet's commands, which are answered; lines are as wide as the peer's terminal."""
        telnet = self._telnet
        text = telnet.feed(data)
        if replies := telnet.take_replies():
            outlet.answer(replies)
        if self._due and telnet.echo is not None:
            self._say_due()
        if telnet.width != self._view.width:
            self._view = replace(self._view, width=telnet.width)
            outlet.reformat()
        return text

    def feed(self, line: bytes, outlet: Outlet) -> Request | None:
        """Understand one line: a command, a name, speech for the current room, or the answer to a question."""
        try:
            words = edited(line.decode())
            if self._dialog is not None:
                return Request(self._answered(words, outlet))
            self._name = outlet.name  # another session, or an administrator, may have changed it
            if self._holds_key(words):
                return Request(ChatError(Code.NOT_ALLOWED, _PRIVATE)) if _KEY_BEGIN.search(words) else None
            asked = understand(words, named=bool(self._name))
        except UnicodeDecodeError:
            return Request(ChatError(Code.BAD_UTF8, _NOT_UTF8))
        except ChatError as error:
            return Request(error.detached())
        if asked is None:
            return None
        if isinstance(asked, Dialog):
            return Request(self._begin(asked, outlet))
        if isinstance(asked, Arrive):
            self._outlet = outlet  # for the question for a password
        return Request(self._adjust(asked, outlet) if isinstance(asked, Adjust) else asked)

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return the answer as lines; what was said needs none, since its author sees it like everybody."""
        said = self._take_due()
        made, self._made = (self._made, None) if request.asks is self._asked else (None, self._made)
        if made is not None:
            self._asked = None
            if request.asks is made.check and not isinstance(answer, ChatError):
                return said + self._pose(made)
        if isinstance(answer, ChatError):
            if (again := self._resumed(request, answer, made)) is not None:
                return said + self._pose(*again)
            error = phrase_error(answer)
            return said + self._settled((error,) if self._name else (error, NAME_QUESTION))
        if isinstance(answer, Arrived | Named | Resumed):
            self._name = answer.user.name
        elif isinstance(request.asks, Logout | Unregister):
            self._name = ""
        return said + self._settled(phrase_answer(request.asks, answer, self._name, self._view))

    def encoder(self, *, current: bool) -> TextEncoder:
        """Return the encoder that names the room unless it is the current one."""
        return _encoder(self._view, current=current)

    def _begin(self, dialog: Dialog, outlet: Outlet) -> Command | Words:
        """Begin to ask, at once or after the hub has nothing against it."""
        if dialog.check is None:
            self._dialog = dialog
            return Words((dialog.question,))
        self._made, self._asked, self._outlet = dialog, dialog.check, outlet
        return dialog.check

    def _resumed(self, request: Request, error: ChatError, made: Dialog | None) -> tuple[Dialog, str] | None:
        """Return what is to be asked after a refusal, with the reason: a password, again or for the first time."""
        asks = request.asks
        if isinstance(asks, Arrive):
            if asks.password is None and "registered" in error.facts:
                name = str(error.facts["registered"])
                return password_of(name), f"The name {name} is registered. If it is not yours, press Enter."
            if asks.password is not None and made is None:
                made = password_of(asks.name)
        again = None if made is None or asks is made.check else made.again(error)
        return None if again is None else (again, advice(error))

    def _pose(self, dialog: Dialog, why: str = "") -> bytes:
        """Ask; a question for a secret waits a moment for telnet to hide the answer (RFC 857), or comes with a warning.

        Before the first question telnet is asked to show nothing of what is typed, until the dialog is over.
        """
        self._dialog = dialog
        telnet = self._telnet
        if telnet.echo is not None:
            self._waited = False
        telnet.echo_off()
        said = telnet.take_replies() + _lines((why,) if why else (), self._view)
        if telnet.echo is None and not self._waited and self._outlet is not None:
            self._due = True
            self._outlet.later(_ECHO_SECONDS, self._waited_enough)
            return said
        self._outlet = None
        return said + self._question(dialog)

    def _question(self, dialog: Dialog) -> bytes:
        """Return the next question, with a warning unless the terminal is known to hide the answer."""
        seen = dialog.hidden and self._telnet.echo is not False
        return _lines((f"{dialog.question}{_SEEN if seen else ''}",), self._view)

    def _waited_enough(self) -> None:
        self._waited = True
        self._say_due()

    def _say_due(self) -> None:
        """Ask the question that was waiting, if there is one."""
        outlet = self._outlet
        if said := self._take_due():
            assert outlet is not None
            outlet.answer(said)

    def _take_due(self) -> bytes:
        if not self._due or self._dialog is None:
            return b""
        self._due, self._outlet = False, None
        return self._question(self._dialog)

    def _settled(self, lines: Iterable[str]) -> bytes:
        """Return lines after which nothing is asked: what is typed may be seen again."""
        if self._dialog is None and self._made is None:
            self._outlet = None
            self._telnet.echo_on()
        return self._telnet.take_replies() + _lines(lines, self._view)

    def _answered(self, text: str, outlet: Outlet) -> Command | Words | ChatError:
        """Take an answer, which goes on with the dialog, ends it, or leaves it by a command."""
        assert self._dialog is not None
        self._say_due()
        dialog, self._dialog = self._dialog, None
        if dialog.hidden and self._telnet.echo is False:
            outlet.answer(b"\r\n")  # the end of the line was not shown either
        if is_command(text):
            return self._interrupted(dialog, text, outlet)
        if not text.strip():
            return Words((GIVEN_UP,) if self._name else (NAME_QUESTION,))
        try:
            dialog.judge(text)
            found = dialog.answered(text)
        except ChatError as error:
            if (again := dialog.again(error)) is None:
                raise
            self._dialog = again
            return Words((advice(error), again.question))
        if isinstance(found, Dialog):
            self._dialog = found
            return Words((found.question,))
        if dialog.hidden:
            self._made, self._asked, self._outlet = dialog, found, outlet
        return found

    def _interrupted(self, dialog: Dialog, text: str, outlet: Outlet) -> Command | Words:
        """Do one of the commands that work while something is asked; one that is mistyped leaves the question."""
        try:
            asked = understand(text, named=bool(self._name))
        except ChatError as error:
            self._dialog = dialog
            return Words((error.text, dialog.question))
        if isinstance(asked, Words):  # the help
            self._dialog = dialog
            return Words((HELP, dialog.question))
        if isinstance(asked, Dialog):
            return self._begin(asked, outlet)
        assert isinstance(asked, Command)
        self._outlet = outlet
        return asked

    def _holds_key(self, line: str) -> bool:
        """Return whether ``line`` is of a private key: pasted line by line, it would be said to everybody."""
        holds = _KEY_BEGIN.search(line) is not None or (self._pasting and _KEY_LINE.fullmatch(line.strip()) is not None)
        self._pasting = holds and _KEY_END not in line
        return holds

    def _adjust(self, adjust: Adjust, outlet: Outlet) -> Words:
        """Read differently from here on."""
        view = adjust.applied(self._view)
        if view != self._view:
            self._view = view
            outlet.reformat()
        return Words((adjust.told(view),))


def _lines(lines: Iterable[str], view: View) -> bytes:
    if view.width or view.colors:
        lines = [part for line in lines for part in view.lines(line)]
    return "".join(f"{line}\r\n" for line in lines).encode()
