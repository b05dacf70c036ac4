"""Being somebody on the server: the first time, when a connection was lost, and as somebody else on the same one."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tcpchat.client.arrival import arrive, catch_up_all, enter_rooms, log_in_again, resume, set_again
from tcpchat.client.connection import Connection
from tcpchat.client.console import Console
from tcpchat.client.parts import Caller
from tcpchat.client.presence import Presence
from tcpchat.client.requests import Requests
from tcpchat.core.commands import Arrive, Login, Register
from tcpchat.core.events import Event
from tcpchat.core.names import fold
from tcpchat.errors import ChatError
from tcpchat.wire.dialog import Dialog
from tcpchat.wire.grammar import password_of, understand

_TOKEN_ADVICE = "To log in to it, put a token of it into the environment variable TCPCHAT_TOKEN."  # noqa: S105


class Logins:
    """Logs in, and enters the rooms. Until that has come to an end, what is typed waits.

    ``caller`` is to be set before anything else. ``heard`` takes the events that were kept meanwhile. ``done`` is
    called when we have arrived for the first time, and when we have become somebody else or stay who we are
    (``becoming``: that is under way); ``give_up`` when a pipe can't go on.
    """

    caller: Caller

    def __init__(
        self,
        console: Console,
        presence: Presence,
        requests: Requests,
        clock: IReactorTime,
        *,
        heard: Callable[[Event], None],
        done: Callable[[], None],
        give_up: Callable[[], None],
    ) -> None:
        self._console = console
        self._presence = presence
        self._requests = requests
        self._clock = clock
        self._heard = heard
        self._done = done
        self._give_up = give_up
        self.becoming = False

    def call(self) -> None:
        """Connect, to be known by our name."""
        self._console.screen.pause()
        self.caller.start()

    def connected(self, connection: Connection) -> None:
        """There is a connection: arrive, or come back."""
        self._presence.connection = connection
        coming = self._return(connection) if self._presence.arrived else self._arrive(connection)
        Deferred.fromCoroutine(coming).addErrback(self._not_arrived)

    def log_in(self, name: str, password: str | None) -> None:
        """Connect as somebody, or be somebody else from here on."""
        questions, presence = self._console.questions, self._presence
        if password is not None and questions.made is None:
            questions.made = password_of(name)
        if presence.ready:
            self._become(presence.reached(), Login(name, password=password, reads=self._console.interactive))
        else:
            presence.identity.become(name, password)
            self.call()

    def register(self, command: Register) -> None:
        """Make an account; under another name one is another person, and begins anew."""
        presence = self._presence
        if not presence.name:
            self._begin_anew()
            presence.identity.become(command.name, command.password)
            presence.identity.registration = command
            self.call()
        elif command.name and fold(command.name) != fold(presence.name):
            self._become(presence.reached(), command)
        else:
            made = self._console.questions.take_made()
            self._requests.ask(presence.reached(), command, made)

    def leave(self) -> None:
        """Be nobody, and close the connection."""
        self._begin_anew()
        self._be_nobody()

    def _begin_anew(self) -> None:
        self._presence.begin_anew()
        self._requests.forget_unsure()

    def _be_nobody(self) -> None:
        self._presence.identity.become("", None)
        self.caller.stop()

    # Arriving.

    async def _arrive(self, connection: Connection) -> None:
        presence, display = self._presence, self._console.display
        login = presence.identity.arriving()
        name = await arrive(connection, self._console.manner, login, presence.rooms, display.view, display.show)
        presence.identity.name, presence.identity.registration = name, None
        self._welcome()
        self._done()

    async def _return(self, connection: Connection) -> None:
        presence, display = self._presence, self._console.display
        rooms, show = presence.rooms, display.show
        if not await resume(connection, rooms, self._clock, show):
            await log_in_again(connection, presence.identity.returning(), rooms, self._clock, show)
            await set_again(connection, presence.away, presence.ignored)
            await catch_up_all(connection, rooms, display.view, show, self._heard)
        display.show_focus(presence.rooms.current)
        self._requests.ask_again(connection)
        self._welcome()

    def _welcome(self) -> None:
        self._presence.ready = self._presence.arrived = True
        self._console.questions.made = None
        self.caller.settle()
        self._console.screen.resume()

    def _not_arrived(self, failure: Failure) -> None:
        """Ask again, or for another name; a pipe gives up. A lost connection is dealt with when that is told."""
        failure.trap(ChatError, ConnectionLost)
        error = failure.value
        if not isinstance(error, ChatError):
            return
        made = self._console.questions.take_made()
        self._requests.forget_unsure()
        if self._console.interactive:
            self._try_again(error, made)
            return
        if "registered" in error.facts:
            error = ChatError(error.code, f"{error.text} {_TOKEN_ADVICE}")
        self._console.refuse(error)
        self._part()

    def _try_again(self, error: ChatError, made: Dialog | None) -> None:
        """Close the connection, and ask who we are, or what proves it."""
        self._be_nobody()
        questions = self._console.questions
        if "registered" in error.facts and made is None:
            questions.pose(password_of(str(error.facts["registered"])))
        elif not questions.ask_again(made, error):
            self._console.refuse(error)
        self._console.screen.resume()

    def _part(self) -> None:
        """What follows in a pipe is for somebody else to say."""
        self._presence.parted = True
        self._give_up()

    # Becoming somebody else.

    def _become(self, connection: Connection, command: Login | Register) -> None:
        """Log in as somebody else on the same connection."""
        self._console.screen.pause()
        self._presence.ready, self.becoming = False, True
        becoming = Deferred.fromCoroutine(self._change_person(connection, command, self._console.line))
        becoming.addErrback(self._not_arrived)
        becoming.addBoth(lambda _: self._became())

    def _became(self) -> None:
        self.becoming = False
        self._done()

    async def _change_person(self, connection: Connection, command: Login | Register, line: int) -> None:
        try:
            answer = await connection.ask(command)
        except ChatError as error:
            self._stay(error, line)
            return
        self._requests.settle(line)
        self._begin_anew()
        manner, display, presence = self._console.manner, self._console.display, self._presence
        presence.identity.become(presence.name, command.password)
        presence.identity.name = await enter_rooms(
            connection, manner, command, answer, presence.rooms, display.view, display.show
        )
        self._welcome()

    def _stay(self, error: ChatError, line: int) -> None:
        """Stay who we are, and ask again if that may help; a pipe gives up."""
        made = self._console.questions.take_made()
        self._presence.ready = True
        self._requests.settle(line)
        if not self._console.questions.ask_again(made, error):
            self._console.refuse(error, line)
            if not self._console.interactive:
                self._part()
        self._console.screen.resume()


def is_login(line: bytes) -> bool:
    """Return whether a line says with a password who one is."""
    try:
        asked = understand(line.decode(), named=False)
    except (UnicodeDecodeError, ChatError):
        return False
    return isinstance(asked, Arrive) and asked.password is not None
