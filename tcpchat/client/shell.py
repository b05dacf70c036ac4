"""What is typed becomes commands, what the server tells becomes lines: in the words of the text wire."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from msgspec import UNSET
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tcpchat.client.arrival import arrive, catch_up, log_in_again, set_again
from tcpchat.client.connection import Connection
from tcpchat.client.parts import Caller, Manner, Screen
from tcpchat.client.rooms import Rooms
from tcpchat.core import commands
from tcpchat.core.answers import Answer, Away, Completions, Goodbye, Ignored, JoinedRoom, LeftRoom, Named, Switched
from tcpchat.core.commands import Arrive, Command, Login, Quit
from tcpchat.core.events import (
    Event,
    MemberJoined,
    MemberLeft,
    Message,
    Moderated,
    PutOut,
    Refocused,
    RoomDeleted,
    TopicChanged,
)
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.dialog import GIVEN_UP, Dialog
from tcpchat.wire.grammar import password_of, understand
from tcpchat.wire.phrases import NAME_QUESTION, Words, phrase_answer, phrase_error, phrase_events
from tcpchat.wire.view import Adjust, Spoken

# Commands that may wait for their answers; beyond it we read no more of our input, until half of them are answered.
_UNANSWERED = 200
# The time the server has to say goodbye to who presses Ctrl-C.
_INTERRUPT_SECONDS = 1.0
# What a pipe asks in order to read the answer.
_QUESTIONS = (
    commands.Complete,
    commands.History,
    commands.ListIgnored,
    commands.ListMembers,
    commands.ListRooms,
    commands.ListUsers,
    commands.Ping,
    commands.Topic,
    commands.WhoIs,
)


class Shell:
    """One run of the client. ``done`` is called at its end with the exit status."""

    caller: Caller

    def __init__(self, manner: Manner, screen: Screen, clock: IReactorTime, done: Callable[[int], None]) -> None:
        self._manner = manner
        self._screen = screen
        self._clock = clock
        self._done = done
        # Empty: what is typed next is a name.
        self._name = manner.name or ""
        # What proves it, as long as this runs: to come back after a lost connection.
        self._password: str | None = None
        # What is being asked: the next line is its answer.
        self._dialog: Dialog | None = None
        self._rooms = Rooms()
        self._view = manner.view
        # The day of what was shown last. Who came and went, to be shown together.
        self._day = ""
        # What the server forgets with the login: why we are away, and whom we don't read.
        self._away = ""
        self._ignored: list[str] = []
        self._moves: list[MemberJoined | MemberLeft] = []
        # The connection, and whether we are logged in on it and in our rooms; whether there was one in the past.
        self._connection: Connection | None = None
        self._ready = False
        self._arrived = False
        self._reason = ""
        # A line number of the input, and of the last one that came to a good end or a bad one.
        self._line = 0
        self._settled_line = 0
        self._failed = False
        self._ending = False
        self._parted = False
        self._finished = False

    # What the person does.

    def start(self) -> None:
        """Connect, or ask for a name first."""
        if self._name:
            self._call(self._name)
        else:
            self._screen.show(NAME_QUESTION)

    def typed(self, line: bytes) -> None:
        """Take one line."""
        self._line += 1
        if self._ending:
            self._refuse_late()
            return
        try:
            if self._dialog is not None:
                self._perform(self._answer(line.decode()))
                return
            asked = understand(line.decode(), named=bool(self._name))
            if asked is not None:
                self._perform(asked)
        except UnicodeDecodeError:
            self._refuse(ChatError(Code.BAD_UTF8, "That line was not UTF-8: it was not sent."))
        except ChatError as error:
            self._refuse(error)

    def _refuse_late(self) -> None:
        """A pipe has more to say after it has said goodbye: tell so, once."""
        if not self._failed and not self._manner.interactive:
            self._screen.complain(f"Line {self._line} and what follows it were not sent: /quit comes before.")
            self._failed = True

    def too_long(self, size: int) -> None:
        """A line of more than ``size`` bytes was skipped."""
        self._line += 1
        self._refuse(ChatError(Code.TEXT_TOO_LONG, f"That line is longer than {size} bytes: it was not sent."))

    def end(self) -> None:
        """Say goodbye once everything is answered; there is nothing more to come."""
        if self._ending:
            return
        self._ending = True
        if self._connection is None or not self._ready:
            self._finish()
        else:
            self._ask(self._connection, Quit()).addBoth(lambda _: self._finish())

    def interrupt(self, status: int) -> None:
        """Say goodbye in a moment, or at once the second time."""
        if self._ending or self._connection is None:
            self._done(status)
            return
        self._ending = self._parted = True
        self._connection.ask(Quit()).addBoth(lambda _: self._done(status))
        self._clock.callLater(_INTERRUPT_SECONDS, self._done, status)

    # What the connection tells.

    def connected(self, connection: Connection) -> None:
        """Log in, and enter the rooms."""
        self._connection = connection
        arriving = Deferred.fromCoroutine(self._return(connection) if self._arrived else self._arrive(connection))
        arriving.addErrback(self._not_arrived)

    def heard(self, event: Event) -> None:
        """Show an event, unless it has been shown or must wait for those before it."""
        room = getattr(event, "room", "")
        place = self._rooms.get(room)
        if place is not None and place.held is not None:
            place.held.append(event)
            return
        if place is not None and isinstance(event, Message | TopicChanged | Moderated):
            if event.seq <= place.shown:
                return
            place.shown = event.seq
        current = self._rooms.current
        if isinstance(event, MemberJoined) or (isinstance(event, MemberLeft) and not event.by):
            self._show_move(event)
        else:
            self._show_day(event)
            self._show(phrase_events([event], self._view, current=room == current))
        if isinstance(event, RoomDeleted | PutOut) and place is not None:
            self._rooms.leave(room)
            if self._rooms.current != current:
                self._show_focus()

    def disconnected(self, reason: str) -> None:
        """The connection is gone."""
        self._connection = None
        self._ready = False
        self._lose(f"The connection is lost: {reason}")

    def failed(self, reason: str) -> None:
        """No connection could be made."""
        self._lose(f"There is no connection: {reason}")

    def waiting(self, seconds: float) -> None:
        """Say what happened and what comes next."""
        if self._manner.interactive and not self._ending:
            self._screen.show(f"{self._reason} Trying again in {math.ceil(seconds)} s.")
            self._screen.resume()

    def _lose(self, reason: str) -> None:
        """Keep the reason, for `waiting`; a pipe gives up, unless all is over."""
        self._reason = reason
        if self._manner.interactive or self._parted:
            return
        self._screen.complain(reason)
        if self._settled_line < self._line:
            self._screen.complain(f"What follows line {self._settled_line} was not acknowledged.")
        self._give_up()

    def _give_up(self) -> None:
        self._failed = self._ending = True
        self._finish()

    # Arriving.

    def _call(self, name: str) -> None:
        """Connect, to be known by this name. Until that has come to an end, what is typed waits."""
        self._name = name
        self._screen.pause()
        self.caller.start()

    async def _arrive(self, connection: Connection) -> None:
        self._name = await arrive(connection, self._manner, self._login(), self._rooms, self._view, self._show)
        self._welcome()

    async def _return(self, connection: Connection) -> None:
        await log_in_again(connection, self._login(), self._clock, self._show)
        await set_again(connection, self._away, self._ignored)
        for room in self._rooms.returning():
            if self._rooms.get(room) is None:  # deleted while we came back to another
                continue
            try:
                await catch_up(connection, self._rooms, room, self._view, self._show)
            except ChatError as error:
                self._rooms.leave(room)
                self._show([error.text])
            for event in self._rooms.release(room):
                self.heard(event)
        self._show_focus()
        self._welcome()

    def _welcome(self) -> None:
        self._ready = self._arrived = True
        self.caller.settle()
        self._screen.resume()

    def _not_arrived(self, failure: Failure) -> None:
        """Ask for another name; a pipe gives up. With the connection lost it is `waiting` that knows what to do."""
        failure.trap(ChatError, ConnectionLost)
        if not isinstance(failure.value, ChatError):
            return
        if self._manner.interactive:
            self._name, self._password = "", None
            self.caller.stop()
            if "registered" in failure.value.facts:
                self._begin(password_of(str(failure.value.facts["registered"])))
            else:
                self._refuse(failure.value)
            self._screen.resume()
        else:
            self._parted = True
            self._refuse(failure.value)
            self._give_up()

    # Asking.

    def _perform(self, asked: Command | Answer | Adjust) -> None:
        match asked:
            case Dialog():
                self._begin(asked)
            case Arrive(name, password):
                self._change_person(name, password)
            case Quit():
                self.end()
            case Words() | Completions():
                self._show(phrase_answer(None, asked, self._name, self._view), asked=True)
            case Adjust():
                self._view = asked.applied(self._view)
                self._show([asked.told(self._view)], asked=True)
            case Command() if self._ready and self._connection is not None:
                self._ask(self._connection, asked)
            case _ if self._name:
                raise ChatError(Code.NOT_LOGGED_IN, "There is no connection: that was not sent.")
            case _:
                raise ChatError(Code.NOT_LOGGED_IN, "You are not logged in: choose a name first.")

    def _begin(self, dialog: Dialog) -> None:
        """Ask a question, whose answer is not shown if it is a secret."""
        self._dialog = dialog
        if dialog.hidden:
            self._screen.hide()
        self._show([dialog.question], asked=True)

    def _answer(self, text: str) -> Command | Answer:
        """Take an answer; an empty one ends the dialog. Raises `ChatError`."""
        assert self._dialog is not None
        dialog, self._dialog = self._dialog, None
        if dialog.hidden:
            self._screen.reveal()
        if not text.strip():
            return Words((GIVEN_UP,) if self._name else (NAME_QUESTION,))
        return dialog.answered(text)

    def _login(self) -> Login:
        """Return how we log in."""
        if self._manner.token is not None:
            return Login(token=self._manner.token)
        return Login(self._name, password=self._password)

    def _change_person(self, name: str, password: str | None) -> None:
        """Connect as somebody; whoever was connected as somebody else begins anew."""
        if self._ready:
            self._forget_arrival()
            self.caller.stop()
        self._password = password
        self._call(name)

    def _forget_arrival(self) -> None:
        self._ready = self._arrived = False
        self._rooms = Rooms()
        self._away, self._ignored = "", []

    def _ask(self, connection: Connection, command: Command) -> Deferred[None]:
        line = self._line
        answered = connection.ask(command)
        if connection.unanswered >= _UNANSWERED:
            self._screen.pause()
        return answered.addCallbacks(
            self._answered, self._not_answered, callbackArgs=(command, line), errbackArgs=(command, line)
        )

    def _answered(self, answer: Answer, command: Command, line: int) -> None:
        self._settle(line)
        match command:
            case commands.Register(password) | commands.ChangePassword(_, password):
                self._password = password
            case commands.Logout():
                self._forget_arrival()
                self._name, self._password = "", None
                self.caller.stop()
        match answer:
            case JoinedRoom():
                self._rooms.enter(answer)
            case LeftRoom(room, _, current):
                self._rooms.leave(room)
                self._rooms.current = current or ""
            case Switched(room):
                self._rooms.current = room
            case Named(user):
                self._name = user.name
            case Away(text):
                self._away = text or ""
            case Ignored(users):
                self._ignored = users
            case Goodbye():
                self._parted = True
        self._show(phrase_answer(command, answer, self._name, self._view), asked=isinstance(command, _QUESTIONS))

    def _not_answered(self, failure: Failure, command: Command, line: int) -> None:
        if isinstance(failure.value, ChatError):
            self._settle(line)
            self._refuse(failure.value, line)
            return
        self._failed = True
        if self._manner.interactive and isinstance(command, commands.Say | commands.Tell):
            self._show([f"It is not known whether this was sent: {command.text}"])

    def _settle(self, line: int) -> None:
        """The input is settled up to this line: when enough of it is, go on reading."""
        self._settled_line = line
        if self._connection is not None and self._connection.unanswered == _UNANSWERED // 2:
            self._screen.resume()

    # Showing.

    def _refuse(self, error: ChatError, line: int | None = None) -> None:
        """Say what was refused; in a pipe, of which line."""
        self._failed = True
        number = self._line if line is None else line
        text = phrase_error(error)
        if self._manner.interactive:
            self._show([text] if self._name else [text, NAME_QUESTION])
        else:
            self._screen.complain(clean(f"Line {number}: {text}" if number else text))

    def _show_focus(self) -> None:
        self._show(phrase_events([Refocused(self._rooms.current or UNSET)], self._view, current=True))

    def _show_day(self, event: Event) -> None:
        """Tell the day before what is said first on it."""
        if isinstance(event, Message | TopicChanged | Moderated):
            day = self._view.day(event.at)
            if self._day not in ("", day):
                self._show([f"It is {day}."])
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
        self._show(phrase_events(moves, self._view, current=False))

    def _show(self, lines: Iterable[str], *, asked: bool = False) -> None:
        """Show lines; a pipe shows only what was asked for, unless it is to tell everything."""
        if self._moves:
            self._show_moves()
        if self._manner.interactive or self._manner.verbose or asked:
            for line in lines:
                for part in self._view.lines(_cleaned(line)):
                    self._screen.show(part)

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._show([])
            self._done(1 if self._failed and not self._manner.interactive else 0)


def _cleaned(line: str) -> str:
    """Return ``line`` without control characters: a server is trusted no further."""
    words = clean(line)
    return Spoken.by(clean(line.speaker), line.color, words) if isinstance(line, Spoken) else words
