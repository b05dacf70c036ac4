"""What is typed becomes commands, what the server tells becomes lines: in the words of the text wire."""

from __future__ import annotations

import math
from collections.abc import Callable
from secrets import token_hex

from twisted.internet.interfaces import IReactorTime

from tcpchat.client.connection import Connection
from tcpchat.client.console import Console
from tcpchat.client.feed import Feed
from tcpchat.client.identity import Identity
from tcpchat.client.login import Logins, is_login
from tcpchat.client.parts import Caller, Manner, Screen
from tcpchat.client.presence import Presence
from tcpchat.client.requests import Requests
from tcpchat.core.answers import Answer, Completions
from tcpchat.core.commands import Arrive, ComeBack, Command, Enrol, Logout, May, Quit, Register
from tcpchat.core.events import Event, Notice
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.dialog import Dialog
from tcpchat.wire.grammar import understand
from tcpchat.wire.phrases import NAME_QUESTION, Words, phrase_answer
from tcpchat.wire.view import Adjust

# The time the server has to say goodbye to who presses Ctrl-C.
_INTERRUPT_SECONDS = 1.0
# How long the first line of a pipe may take that says who one is. Who only listens has none.
_FIRST_LINE_SECONDS = 2.0
# With these a notice tells that what we log in with is good no longer: we don't try it again.
_EXPELLED = (Code.REVOKED, Code.SUSPENDED, Code.BANNED)


class Shell:
    """One run of the client. ``done`` is called at its end with the exit status; ``new_id`` gives what is unique."""

    def __init__(
        self,
        manner: Manner,
        screen: Screen,
        clock: IReactorTime,
        done: Callable[[int], None],
        new_id: Callable[[], str] = token_hex,
    ) -> None:
        self._screen = screen
        self._clock = clock
        self._done = done
        identity = Identity.first(manner.name, manner.token, reads=manner.interactive)
        self._presence = Presence(identity)
        self._console = Console(manner, screen, clock, identity)
        self._feed = Feed(self._presence, self._console.display)
        self._requests = Requests(self._console, self._presence, self._leave, new_id)
        self._logins = Logins(
            self._console,
            self._presence,
            self._requests,
            clock,
            heard=self._feed.take,
            done=self._go_on,
            give_up=self._give_up,
        )
        # Whether the first line, which may be a login, is to come before we connect; what it was if it is no login.
        self._unasked = manner.unasked
        self._first: bytes | None = None
        # Whether the input has ended while we were becoming somebody.
        self._ended_early = False
        # Why there is no connection.
        self._reason = ""
        self._ending = False
        self._finished = False

    # What the person does.

    def start(self, caller: Caller) -> None:
        """Connect by ``caller``, or ask for a name first, or wait for a first line that may tell it."""
        self._logins.caller = caller
        if self._unasked:
            self._clock.callLater(_FIRST_LINE_SECONDS, self._no_first_line)
        elif self._presence.name:
            self._logins.call()
        else:
            self._screen.show(NAME_QUESTION)

    def typed(self, line: bytes) -> None:
        """Take one line."""
        if self._unasked:
            self._unasked = False
            if not is_login(line):
                self._first = line
                self._logins.call()
                return
            self._presence.identity.become("", None)
        self._console.line += 1
        if self._ending:
            self._console.refuse_late()
            return
        try:
            self._read(line.decode())
        except UnicodeDecodeError:
            self._console.refuse(ChatError(Code.BAD_UTF8, "That line was not UTF-8: it was not sent."))
        except ChatError as error:
            self._console.refuse(error)

    def too_long(self, size: int) -> None:
        """A line of more than ``size`` bytes was skipped."""
        self._console.line += 1
        self._console.refuse(ChatError(Code.TEXT_TOO_LONG, f"That line is longer than {size} bytes: it was not sent."))

    def end(self) -> None:
        """Say goodbye once everything is answered; there is nothing more to come."""
        if self._ending:
            return
        if self._unasked:
            self._ended_early = True
            self._no_first_line()
            return
        if self._logins.becoming:
            self._ended_early = True
            return
        self._ending = True
        connection = self._presence.connection
        if connection is None or not self._presence.ready:
            self._finish()
        else:
            self._requests.ask(connection, Quit()).addBoth(lambda _: self._finish())

    def interrupt(self, status: int) -> None:
        """Say goodbye in a moment, or at once the second time."""
        connection = self._presence.connection
        if self._ending or connection is None:
            self._done(status)
            return
        self._ending = self._presence.parted = True
        connection.ask(Quit()).addBoth(lambda _: self._done(status))
        self._clock.callLater(_INTERRUPT_SECONDS, self._done, status)

    # What the connection tells, and who makes it.

    def connected(self, connection: Connection) -> None:
        """Log in, and enter the rooms."""
        self._logins.connected(connection)

    def heard(self, event: Event) -> None:
        """Show an event."""
        self._feed.take(event)
        if isinstance(event, Notice) and event.code in _EXPELLED:
            self._be_expelled(event)

    def disconnected(self, reason: str, *, trusted: bool = True) -> None:
        """The connection is gone, or was none as the other end is not to be trusted."""
        self._presence.connection = None
        self._presence.ready = False
        self._lose(f"{'The connection is lost' if trusted else 'There is no connection'}: {reason}")

    def failed(self, reason: str) -> None:
        """No connection could be made."""
        self._lose(f"There is no connection: {reason}")

    def waiting(self, seconds: float) -> None:
        """Say what happened and what comes next."""
        if self._console.interactive and not self._ending:
            self._screen.show(f"{self._reason} Trying again in {math.ceil(seconds)} s.")
            self._screen.resume()

    def _lose(self, reason: str) -> None:
        """Keep the reason, for `waiting`; a pipe gives up, unless all is over."""
        self._reason = reason
        if not self._console.interactive and not self._presence.parted:
            self._console.complain_of_loss(reason)
            self._give_up()

    def _be_expelled(self, notice: Notice) -> None:
        """What we log in with is good no longer: ask for a name again; a pipe gives up with the connection."""
        if self._console.interactive:
            self._leave()
            self._screen.show(NAME_QUESTION)
        else:
            self._screen.complain(clean(notice.text))

    # Whether we are somebody.

    def _no_first_line(self) -> None:
        """The input has nothing to say so far: come under the name of its user."""
        if self._unasked:
            self._unasked = False
            self._logins.call()

    def _go_on(self) -> None:
        """We are somebody: take what has waited for that."""
        first, self._first = self._first, None
        if first is not None:
            self.typed(first)
        if self._ended_early:
            self.end()

    def _leave(self) -> None:
        self._logins.leave()

    # What a line asks for.

    def _read(self, text: str) -> None:
        """Understand a line, or the answer to a question, and do what it asks for. Raises `ChatError`."""
        questions, named = self._console.questions, bool(self._presence.name)
        answering = questions.open is not None
        asked = questions.answer(text, named=named) if answering else understand(text, named=named)
        if asked is not None:
            self._perform(asked)

    def _perform(self, asked: Command | Answer | Adjust) -> None:
        display = self._console.display
        match asked:
            case Dialog():
                self._begin(asked)
            case Arrive(name, password):
                self._logins.log_in(name, password)
            case Enrol(password, name, code):
                self._logins.register(Register(password, name, code, self._console.interactive))
            case ComeBack():
                raise ChatError(Code.NOT_ALLOWED, "This client comes back by itself when its connection breaks.")
            case Quit():
                self.end()
            case Logout() if not self._console.interactive:
                text = "A pipe can't log out and go on: it ends with /quit, or with its input."
                raise ChatError(Code.NOT_ALLOWED, text)
            case Words() | Completions():
                display.show(phrase_answer(None, asked, self._presence.name, display.view), asked=True)
            case Adjust():
                display.view = asked.applied(display.view)
                display.show([asked.told(display.view)], asked=True)
            case Command():
                made = self._console.questions.take_made()
                self._requests.ask(self._presence.reached(), asked, made)

    def _begin(self, dialog: Dialog) -> None:
        """Ask questions, after the server has nothing against them if we are logged in there."""
        if dialog.check is None or dialog.given:
            self._console.questions.pose(dialog)
        elif self._presence.name:
            self._requests.ask(self._presence.reached(), dialog.check, dialog)
        elif isinstance(dialog.check, May) and dialog.check.name:
            self._console.questions.pose(dialog)
        else:
            self._presence.reached()

    # The end.

    def _give_up(self) -> None:
        self._console.failed = self._ending = True
        self._finish()

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._requests.forget_unsure()
            self._console.close()
            self._done(self._console.status)
