"""What is typed becomes commands, what the server tells becomes lines: in the words of the text wire."""

from __future__ import annotations

import math
from collections.abc import Callable
from secrets import token_hex

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tcpchat.client.arrival import arrive, catch_up_all, enter_rooms, log_in_again, resume, set_again
from tcpchat.client.connection import Connection
from tcpchat.client.display import Display
from tcpchat.client.identity import Identity
from tcpchat.client.parts import Caller, Manner, Screen
from tcpchat.client.questions import Questions
from tcpchat.client.rooms import Rooms
from tcpchat.core import answers, commands
from tcpchat.core.answers import Allowed, Answer, Away, Completions, Goodbye, Ignored, JoinedRoom, LeftRoom, Named
from tcpchat.core.commands import Arrive, ComeBack, Command, Enrol, Login, Logout, May, Quit, Register, Speech
from tcpchat.core.events import Event, Gap, Message, Moderated, Notice, PutOut, RoomDeleted, TopicChanged
from tcpchat.core.names import fold
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.dialog import Dialog
from tcpchat.wire.grammar import password_of, understand
from tcpchat.wire.phrases import NAME_QUESTION, Words, phrase_answer, phrase_error
from tcpchat.wire.view import Adjust

# Commands that may wait for their answers; beyond it we read no more of our input, until half of them are answered.
_UNANSWERED = 200
# The time the server has to say goodbye to who presses Ctrl-C.
_INTERRUPT_SECONDS = 1.0
# How long the first line of a pipe may take that says who one is. Who only listens has none.
_FIRST_LINE_SECONDS = 2.0
# What a pipe asks in order to read the answer.
_QUESTIONS = (
    commands.Certificates,
    commands.Complete,
    commands.History,
    commands.Keys,
    commands.ListIgnored,
    commands.ListMembers,
    commands.ListRooms,
    commands.ListUsers,
    commands.Ping,
    commands.Tokens,
    commands.Topic,
    commands.WhoIs,
)
# With these a notice tells that what we log in with is good no longer: we don't try it again.
_EXPELLED = (Code.REVOKED, Code.SUSPENDED, Code.BANNED)
_TOKEN_ADVICE = "To log in to it, put a token of it into the environment variable TCPCHAT_TOKEN."  # noqa: S105


class Shell:
    """One run of the client. ``done`` is called at its end with the exit status; ``new_id`` gives what is unique."""

    caller: Caller

    def __init__(
        self,
        manner: Manner,
        screen: Screen,
        clock: IReactorTime,
        done: Callable[[int], None],
        new_id: Callable[[], str] = token_hex,
    ) -> None:
        self._manner = manner
        self._screen = screen
        self._clock = clock
        self._done = done
        self._new_id = new_id
        self._identity = Identity.first(manner.name, manner.token, reads=manner.interactive)
        self._rooms = Rooms()
        self._display = Display(manner, screen, clock)
        self._questions = Questions(screen, self._display, interactive=manner.interactive)
        # What the server forgets with the login: why we are away, and whom we don't read.
        self._away = ""
        self._ignored: list[str] = []
        # The connection, and whether we are logged in on it and in our rooms; whether there was one in the past.
        self._connection: Connection | None = None
        self._ready = False
        self._arrived = False
        # Whether the first line, which may be a login, is to come before we connect; what it was if it is no login.
        self._unasked = manner.unasked
        self._first: bytes | None = None
        # Whether we are about to be somebody else on it, and whether the input has ended meanwhile.
        self._becoming = False
        self._ended_early = False
        self._reason = ""
        # What was said, and the connection was lost before we knew whether it was sent: we send it again.
        self._unsure: list[Command] = []
        # A line number of the input, and of the last one that came to a good end or a bad one.
        self._line = 0
        self._settled_line = 0
        self._failed = False
        self._ending = False
        self._parted = False
        self._finished = False

    @property
    def _name(self) -> str:
        """What we are called; empty when what is typed next is a name."""
        return self._identity.name

    # What the person does.

    def start(self) -> None:
        """Connect, or ask for a name first, or wait for a first line that may tell it."""
        if self._unasked:
            self._clock.callLater(_FIRST_LINE_SECONDS, self._no_first_line)
            return
        if self._identity.name:
            self._call()
        else:
            self._screen.show(NAME_QUESTION)

    def _no_first_line(self) -> None:
        """The input has nothing to say so far: come under the name of its user."""
        if self._unasked:
            self._unasked = False
            self._call()

    def typed(self, line: bytes) -> None:
        """Take one line."""
        if self._unasked:
            self._unasked = False
            if not _is_login(line):
                self._first = line
                self._call()
                return
            self._identity.become("", None)
        self._line += 1
        if self._ending:
            self._refuse_late()
            return
        try:
            text = line.decode()
            answering, named = self._questions.open is not None, bool(self._name)
            asked = self._questions.answer(text, named=named) if answering else understand(text, named=named)
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
        if self._unasked:
            self._ended_early = True
            self._no_first_line()
            return
        if self._becoming:
            self._ended_early = True
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
        if isinstance(event, Message) and event.with_ and self._rooms.has_shown(room, event.seq):
            return
        if isinstance(event, Gap):
            self._rooms.skip(event)
        current = self._rooms.current
        self._display.tell(event, current=room == current, me=self._name)
        if isinstance(event, Notice) and event.code in _EXPELLED:
            self._be_expelled(event)
        if isinstance(event, RoomDeleted | PutOut) and place is not None:
            self._rooms.leave(room)
            if self._rooms.current != current:
                self._display.show_focus(self._rooms.current)

    def _be_expelled(self, notice: Notice) -> None:
        """What we log in with is good no longer: ask for a name again; a pipe gives up with the connection."""
        if self._manner.interactive:
            self._leave()
            self._screen.show(NAME_QUESTION)
        else:
            self._screen.complain(clean(notice.text))

    def _leave(self) -> None:
        """Be nobody, and close the connection."""
        self._forget_arrival()
        self._identity.become("", None)
        self.caller.stop()

    def disconnected(self, reason: str, *, trusted: bool = True) -> None:
        """The connection is gone, or was none as the other end is not to be trusted."""
        self._connection = None
        self._ready = False
        self._lose(f"{'The connection is lost' if trusted else 'There is no connection'}: {reason}")

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

    def _call(self) -> None:
        """Connect, to be known by our name. Until that has come to an end, what is typed waits."""
        self._screen.pause()
        self.caller.start()

    async def _arrive(self, connection: Connection) -> None:
        login, display = self._identity.arriving(), self._display
        name = await arrive(connection, self._manner, login, self._rooms, display.view, display.show)
        self._identity.name, self._identity.registration = name, None
        self._welcome()
        first, self._first = self._first, None
        if first is not None:
            self.typed(first)
        if self._ended_early:
            self.end()

    async def _return(self, connection: Connection) -> None:
        rooms, show = self._rooms, self._display.show
        if not await resume(connection, rooms, show):
            await log_in_again(connection, self._identity.returning(), rooms, self._clock, show)
            await set_again(connection, self._away, self._ignored)
            await catch_up_all(connection, rooms, self._display.view, show, self.heard)
        self._display.show_focus(self._rooms.current)
        unsure, self._unsure = self._unsure, []
        for command in unsure:
            self._ask(connection, command)
        self._welcome()

    def _welcome(self) -> None:
        self._ready = self._arrived = True
        self._questions.made = None
        self.caller.settle()
        self._screen.resume()

    def _not_arrived(self, failure: Failure) -> None:
        """Ask again, or for another name; a pipe gives up. A lost connection is for `waiting` to deal with."""
        failure.trap(ChatError, ConnectionLost)
        error = failure.value
        if not isinstance(error, ChatError):
            return
        made = self._questions.take_made()
        self._forget_unsure()
        if not self._manner.interactive:
            self._parted = True
            if "registered" in error.facts:
                error = ChatError(error.code, f"{error.text} {_TOKEN_ADVICE}")
            self._refuse(error)
            self._give_up()
            return
        self._identity.become("", None)
        self.caller.stop()
        if "registered" in error.facts and made is None:
            self._questions.pose(password_of(str(error.facts["registered"])))
        elif not self._questions.ask_again(made, error):
            self._refuse(error)
        self._screen.resume()

    # Asking.

    def _perform(self, asked: Command | Answer | Adjust) -> None:
        match asked:
            case Dialog():
                self._begin(asked)
            case Arrive(name, password):
                self._log_in(name, password)
            case Enrol(password, name, code):
                self._register(Register(password, name, code, self._manner.interactive))
            case ComeBack():
                raise ChatError(Code.NOT_ALLOWED, "This client comes back by itself when its connection breaks.")
            case Quit():
                self.end()
            case Logout() if not self._manner.interactive:
                text = "A pipe can't log out and go on: it ends with /quit, or with its input."
                raise ChatError(Code.NOT_ALLOWED, text)
            case Words() | Completions():
                self._display.show(phrase_answer(None, asked, self._name, self._display.view), asked=True)
            case Adjust():
                self._display.view = asked.applied(self._display.view)
                self._display.show([asked.told(self._display.view)], asked=True)
            case Command():
                made = self._questions.take_made()
                self._ask(self._connected(), asked, made)

    def _connected(self) -> Connection:
        """Return the connection on which we are logged in, or raise ``not-logged-in``."""
        if self._ready and self._connection is not None:
            return self._connection
        if self._name:
            raise ChatError(Code.NOT_LOGGED_IN, "There is no connection: that was not sent.")
        raise ChatError(Code.NOT_LOGGED_IN, "You are not logged in: choose a name first.")

    def _begin(self, dialog: Dialog) -> None:
        """Ask questions, after the server has nothing against them if we are logged in there."""
        if dialog.check is None or dialog.given:
            self._questions.pose(dialog)
        elif self._name:
            self._ask(self._connected(), dialog.check, dialog)
        elif isinstance(dialog.check, May) and dialog.check.name:
            self._questions.pose(dialog)
        else:
            self._connected()

    def _log_in(self, name: str, password: str | None) -> None:
        """Connect as somebody, or be somebody else from here on."""
        if password is not None and self._questions.made is None:
            self._questions.made = password_of(name)
        if self._ready:
            self._become(self._connected(), Login(name, password=password, reads=self._manner.interactive))
        else:
            self._identity.become(name, password)
            self._call()

    def _register(self, command: Register) -> None:
        """Make an account; under another name one is another person, and begins anew."""
        if not self._name:
            self._forget_arrival()
            self._identity.become(command.name, command.password)
            self._identity.registration = command
            self._call()
        elif command.name and fold(command.name) != fold(self._name):
            self._become(self._connected(), command)
        else:
            made = self._questions.take_made()
            self._ask(self._connected(), command, made)

    def _become(self, connection: Connection, command: Login | Register) -> None:
        """Log in as somebody else on the same connection. Until that has come to an end, what is typed waits."""
        self._screen.pause()
        self._ready, self._becoming = False, True
        becoming = Deferred.fromCoroutine(self._change_person(connection, command, self._line))
        becoming.addErrback(self._not_arrived)
        becoming.addBoth(lambda _: self._became())

    def _became(self) -> None:
        self._becoming = False
        if self._ended_early:
            self.end()

    async def _change_person(self, connection: Connection, command: Login | Register, line: int) -> None:
        try:
            answer = await connection.ask(command)
        except ChatError as error:
            made = self._questions.take_made()
            self._ready = True
            self._settle(line)
            if not self._questions.ask_again(made, error):
                self._refuse(error, line)
                if not self._manner.interactive:  # what follows is for somebody else to say
                    self._parted = True
                    self._give_up()
            self._screen.resume()
            return
        self._settle(line)
        self._forget_arrival()
        display = self._display
        self._identity.become(self._name, command.password)
        self._identity.name = await enter_rooms(
            connection, self._manner, command, answer, self._rooms, display.view, display.show
        )
        self._welcome()

    def _forget_arrival(self) -> None:
        self._ready = self._arrived = False
        self._rooms = Rooms()
        self._away, self._ignored = "", []
        self._forget_unsure()

    def _forget_unsure(self) -> None:
        """Tell what we don't send again: by another person it would be said a second time."""
        unsure, self._unsure = self._unsure, []
        for command in unsure:
            self._tell_unsure(command)

    def _tell_unsure(self, command: Command) -> None:
        if self._manner.interactive and isinstance(command, commands.Say | commands.Tell | commands.Reply):
            self._display.show([f"It is not known whether this was sent: {command.text}"])

    def _ask(self, connection: Connection, command: Command, dialog: Dialog | None = None) -> Deferred[None]:
        """Ask the server; what is asked for a dialog lets what is typed wait until it is answered."""
        line = self._line
        if isinstance(command, Speech) and command.client_id is None and self._identity.lasting:
            command = msgspec.structs.replace(command, client_id=self._new_id())
        answered = connection.ask(command)
        if dialog is not None or connection.unanswered >= _UNANSWERED:
            self._screen.pause()
        return answered.addCallbacks(
            self._answered,
            self._not_answered,
            callbackArgs=(command, line, dialog),
            errbackArgs=(command, line, dialog),
        )

    def _answered(self, answer: Answer, command: Command, line: int, dialog: Dialog | None) -> None:
        self._settle(line)
        match command:
            case Register(password) | commands.ChangePassword(_, password):
                self._identity.password = password
                self._identity.token = None
            case Logout() | commands.Unregister() if self._manner.interactive:
                self._leave()
        match answer:
            case JoinedRoom():
                self._rooms.enter(answer)
            case LeftRoom(room, _, current):
                self._rooms.leave(room)
                self._rooms.current = current or ""
            case answers.Switched(room):
                self._rooms.current = room
            case Allowed() if dialog is not None:
                self._questions.pose(dialog)
            case Named(user):
                self._identity.name = user.name
            case Away(text):
                self._away = text or ""
            case Ignored(users):
                self._ignored = users
            case Goodbye():
                self._parted = True
        self._display.show(
            phrase_answer(command, answer, self._name, self._display.view), asked=isinstance(command, _QUESTIONS)
        )
        if dialog is not None:
            self._screen.resume()

    def _not_answered(self, failure: Failure, command: Command, line: int, dialog: Dialog | None) -> None:
        if isinstance(failure.value, ChatError):
            self._settle(line)
            if isinstance(command, May) or not self._questions.ask_again(dialog, failure.value):
                self._refuse(failure.value, line)
            if dialog is not None:
                self._screen.resume()
            return
        self._failed = True
        if self._manner.interactive and isinstance(command, Speech) and command.client_id is not None:
            self._unsure.append(command)
        else:
            self._tell_unsure(command)

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
            self._display.show([text] if self._name else [text, NAME_QUESTION])
        else:
            self._screen.complain(clean(f"Line {number}: {text}" if number else text))

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._forget_unsure()
            self._display.show([])
            if self._questions.open is not None and not self._manner.interactive:
                self._screen.complain(f"The input ended before this was answered: {self._questions.open.question}")
                self._failed = True
            self._done(1 if self._failed and not self._manner.interactive else 0)


def _is_login(line: bytes) -> bool:
    """Return whether a line says with a password who one is."""
    try:
        asked = understand(line.decode(), named=False)
    except (UnicodeDecodeError, ChatError):
        return False
    return isinstance(asked, Arrive) and asked.password is not None
