"""The text wire: a person at a terminal, with nothing but lines (docs/protocol.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from tcpchat.core.answers import Answer, Arrived, Greeting, Named
from tcpchat.core.commands import Arrive, Command, Logout
from tcpchat.core.events import Event
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Outlet, Request
from tcpchat.wire.dialog import GIVEN_UP, Dialog
from tcpchat.wire.grammar import password_of, understand
from tcpchat.wire.keys import edited
from tcpchat.wire.phrases import NAME_QUESTION, Words, greeting_lines, phrase_answer, phrase_error, phrase_events
from tcpchat.wire.telnet import Telnet
from tcpchat.wire.view import Adjust, View

_NOT_UTF8 = (
    "That line was not UTF-8, so it was not read. Set your terminal to UTF-8. "
    "Some telnets damage letters, where nc does not."
)


# After these a password is typed once more: unasked, it would be said to everybody, or be taken for a name.
_AGAIN = (Code.BAD_CREDENTIALS, Code.TOO_MANY_ATTEMPTS)
# How a file with a private key begins, goes on and ends (RFC 7468, and OpenSSH's).
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}|[A-Za-z-]+: .*|-----END [A-Z ]+-----")
_KEY_END = "-----END "
_PRIVATE = "That is a private key: it was not said to anybody. Only the line of the .pub file is for others."
_SEEN = " (It may be seen on your screen.)"


class TextEncoder:
    """Events as lines for all who have the same view; ``current``: the room is the one the reader is speaking in."""

    def __init__(self, view: View, *, current: bool) -> None:
        self._view = view
        self._current = current

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return each event as a line, or more; nothing for what only programs want to know."""
        return _lines(phrase_events(events, self._view, current=self._current), self._view)


@lru_cache(maxsize=4096)
def _encoder(view: View, *, current: bool) -> TextEncoder:
    """Return the encoder that all readers of this kind share."""
    return TextEncoder(view, current=current)


class TextCodec:
    """One person. Until there is a name, every line that isn't a command is taken for one."""

    __slots__ = ("_dialog", "_name", "_pasting", "_telnet", "_view")

    def __init__(self) -> None:
        self._name = ""
        # What is being asked: the next line is its answer.
        self._dialog: Dialog | None = None
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
            return Request(self._ask(asked, outlet))
        return Request(self._adjust(asked, outlet) if isinstance(asked, Adjust) else asked)

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return the answer as lines; what was said needs none, since its author sees it like everybody."""
        if isinstance(answer, ChatError):
            if isinstance(request.asks, Arrive) and "registered" in answer.facts:
                name = str(answer.facts["registered"])
                return self._ask_password(name, f"The name {name} is registered. If it is not yours, press Enter.")
            if isinstance(request.asks, Arrive) and request.asks.password is not None and answer.code in _AGAIN:
                return self._ask_password(request.asks.name, f"{answer.text} Try again, or press Enter.")
            error = phrase_error(answer)
            lines = (error,) if self._name else (error, NAME_QUESTION)
            return _lines(lines, self._view)
        if isinstance(answer, Arrived | Named):
            self._name = answer.user.name
        elif isinstance(request.asks, Logout):
            self._name = ""
        return _lines(phrase_answer(request.asks, answer, self._name, self._view), self._view)

    def encoder(self, *, current: bool) -> TextEncoder:
        """Return the encoder that names the room unless it is the current one."""
        return _encoder(self._view, current=current)

    def _ask(self, dialog: Dialog, outlet: Outlet) -> Words:
        """Begin to ask, or go on."""
        self._dialog = dialog
        if dialog.hidden and not dialog.given:
            self._telnet.echo_off()
            outlet.answer(self._telnet.take_replies())
        return Words((self._question(dialog),))

    def _question(self, dialog: Dialog) -> str:
        """Return the next question, with a warning unless the terminal is known to hide the answer."""
        seen = dialog.hidden and not dialog.given and self._telnet.echo is not False
        return f"{dialog.question}{_SEEN if seen else ''}"

    def _ask_password(self, name: str, why: str) -> bytes:
        """Ask for the password of an account."""
        self._dialog = dialog = password_of(name)
        self._telnet.echo_off()
        return self._telnet.take_replies() + _lines((why, self._question(dialog)), self._view)

    def _answered(self, text: str, outlet: Outlet) -> Command | Words:
        """Take an answer; a `ChatError` or an empty one ends the dialog."""
        assert self._dialog is not None
        dialog, self._dialog = self._dialog, None
        if dialog.hidden and self._telnet.echo is False:
            outlet.answer(b"\r\n")  # the end of the line was not shown either
        found: Dialog | Command | None = None
        try:
            found = dialog.answered(text) if text.strip() else None
            if isinstance(found, Dialog):
                return self._ask(found, outlet)
        finally:
            if dialog.hidden and not isinstance(found, Dialog):
                self._telnet.echo_on()
                outlet.answer(self._telnet.take_replies())
        return Words((GIVEN_UP,) if self._name else (NAME_QUESTION,)) if found is None else found

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
