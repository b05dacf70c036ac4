"""What is asked of the server, and what becomes of it: an answer, a refusal, or a connection that is lost first."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tcpchat.client.connection import Connection
from tcpchat.client.console import Console
from tcpchat.client.presence import Presence
from tcpchat.core import commands
from tcpchat.core.answers import Allowed, Answer
from tcpchat.core.commands import Command, Logout, May, Speech, Unregister
from tcpchat.errors import ChatError
from tcpchat.wire.dialog import Dialog
from tcpchat.wire.phrases import phrase_answer

# Commands that may wait for their answers; beyond it we read no more of our input, until half of them are answered.
_UNANSWERED = 200
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


class Requests:
    """Asks the server, and shows what it answers. ``left`` is called once we are logged out; ``new_id`` gives what is
    unique."""

    def __init__(
        self, console: Console, presence: Presence, left: Callable[[], None], new_id: Callable[[], str]
    ) -> None:
        self._console = console
        self._presence = presence
        self._left = left
        self._new_id = new_id
        # What was said, and the connection was lost before we knew whether it was sent: we send it again.
        self._unsure: list[Command] = []

    def ask(self, connection: Connection, command: Command, dialog: Dialog | None = None) -> Deferred[None]:
        """Ask the server; what is asked for a dialog lets what is typed wait until it is answered."""
        line = self._console.line
        if isinstance(command, Speech) and command.client_id is None and self._presence.identity.lasting:
            command = msgspec.structs.replace(command, client_id=self._new_id())
        answered = connection.ask(command)
        if dialog is not None or connection.unanswered >= _UNANSWERED:
            self._console.screen.pause()
        return answered.addCallbacks(
            self._answered,
            self._not_answered,
            callbackArgs=(command, line, dialog),
            errbackArgs=(command, line, dialog),
        )

    def settle(self, line: int) -> None:
        """The input is settled up to this line: when enough of it is, go on reading."""
        self._console.settled_line = line
        connection = self._presence.connection
        if connection is not None and connection.unanswered == _UNANSWERED // 2:
            self._console.screen.resume()

    def ask_again(self, connection: Connection) -> None:
        """Send again what we are unsure of."""
        unsure, self._unsure = self._unsure, []
        for command in unsure:
            self.ask(connection, command)

    def forget_unsure(self) -> None:
        """Tell what we don't send again: by another person it would be said a second time."""
        unsure, self._unsure = self._unsure, []
        for command in unsure:
            self._tell_unsure(command)

    def _tell_unsure(self, command: Command) -> None:
        if self._console.interactive and isinstance(command, commands.Say | commands.Tell | commands.Reply):
            self._console.display.show([f"It is not known whether this was sent: {command.text}"])

    def _answered(self, answer: Answer, command: Command, line: int, dialog: Dialog | None) -> None:
        self.settle(line)
        self._presence.learn(command, answer)
        if isinstance(command, Logout | Unregister) and self._console.interactive:
            self._left()
        if isinstance(answer, Allowed) and dialog is not None:
            self._console.questions.pose(dialog)
        display = self._console.display
        phrase = phrase_answer(command, answer, self._presence.name, display.view)
        display.show(phrase, asked=isinstance(command, _QUESTIONS))
        if dialog is not None:
            self._console.screen.resume()

    def _not_answered(self, failure: Failure, command: Command, line: int, dialog: Dialog | None) -> None:
        if isinstance(failure.value, ChatError):
            self._refused(failure.value, command, line, dialog)
            return
        self._console.failed = True
        if self._console.interactive and isinstance(command, Speech) and command.client_id is not None:
            self._unsure.append(command)
        else:
            self._tell_unsure(command)

    def _refused(self, error: ChatError, command: Command, line: int, dialog: Dialog | None) -> None:
        self.settle(line)
        if isinstance(command, May) or not self._console.questions.ask_again(dialog, error):
            self._console.refuse(error, line)
        if dialog is not None:
            self._console.screen.resume()
