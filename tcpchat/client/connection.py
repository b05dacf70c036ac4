"""One connection to the server: commands out, answers and events in, as JSON lines (docs/protocol.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from tcpchat.client.trust import Untrusted
from tcpchat.core import acts, answers, commands, events
from tcpchat.core.answers import Answer
from tcpchat.core.commands import Command
from tcpchat.core.events import Event
from tcpchat.core.limits import MIB
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.table import OPERATIONS

# The longest line a server has reason to send: 5,000 members of a room, with a page of its log.
_LINE_BYTES = 4 * MIB
# After such a silence the server is asked for a sign of life, and given as long to answer.
IDLE_SECONDS = 60
_SHOWN_CHARACTERS = 200
_WANTS_TLS = "This server wants TLS: give its address as tls:HOST:PORT."

_OPS = {row.command: op for op, row in OPERATIONS.items()}
ANSWERS: dict[type[Command], type[Answer]] = {
    commands.Hello: answers.Greeting,
    commands.Ping: answers.Done,
    commands.Login: answers.LoggedIn,
    commands.Resume: answers.Resumed,
    commands.ComeBack: answers.Resumed,
    commands.Logout: answers.Done,
    commands.ChangePassword: answers.Done,
    commands.Unregister: answers.Done,
    commands.Quit: answers.Goodbye,
    commands.ListRooms: answers.RoomList,
    commands.ListUsers: answers.UserList,
    commands.Create: answers.RoomNamed,
    commands.Delete: answers.RoomNamed,
    commands.Join: answers.JoinedRoom,
    commands.Leave: answers.LeftRoom,
    commands.ListMembers: answers.MemberList,
    commands.Say: answers.Accepted,
    commands.Tell: answers.Accepted,
    commands.Reply: answers.Accepted,
    commands.History: answers.HistoryPage,
    commands.Switch: answers.Switched,
    commands.Topic: answers.Accepted,
    commands.Rename: answers.Named,
    commands.Recolor: answers.Named,
    commands.GoAway: answers.Away,
    commands.WhoIs: answers.Profile,
    commands.Ignore: answers.Ignored,
    commands.Unignore: answers.Ignored,
    commands.Complete: answers.Completions,
    commands.Register: answers.Named,
    commands.May: answers.Allowed,
    commands.Tokens: answers.CredentialSummaries,
    commands.Keys: answers.CredentialSummaries,
    commands.Certificates: answers.CredentialSummaries,
    commands.AskChallenge: answers.Challenge,
    commands.ListIgnored: answers.Ignored,
    acts.ListBans: answers.BanList,
    acts.SetRoom: answers.RoomState,
    acts.Why: answers.Refusal,
    acts.SetMotd: answers.Motd,
    acts.Stop: answers.StopPlanned,
    acts.CancelStop: answers.StopPlanned,
    acts.RuleName: answers.NameRules,
    acts.ListNames: answers.NameRules,
    acts.AskHealth: answers.Health,
    acts.SetEmergency: answers.EmergencyLevel,
    acts.ListSessions: answers.SessionList,
    acts.ListLimits: answers.Bounds,
    acts.ListAccounts: answers.AccountList,
    acts.ReadActs: answers.Acts,
    acts.Subscribe: answers.Watched,
    acts.Unsubscribe: answers.Watched,
}
# All the others are answered with nothing but that they are done.
_ACTS: list[type[Command]] = [acts.Claim, *acts.Governing.__subclasses__()]
ANSWERS |= {act: answers.Done for act in _ACTS if act not in ANSWERS}
_EVENTS: dict[str, type[Event]] = {
    event.op: event
    for event in (
        events.Message,
        events.MemberJoined,
        events.MemberLeft,
        events.Crowd,
        events.Members,
        events.Gap,
        events.RoomsChanged,
        events.Renamed,
        events.ColorChanged,
        events.AwayChanged,
        events.TopicChanged,
        events.RoomCreated,
        events.RoomDeleted,
        events.Moderated,
        events.PutOut,
        events.Invited,
        events.ServerEvent,
        events.Notice,
    )
}


class _Line(msgspec.Struct, frozen=True):
    op: str
    id: int | str | None = None
    status: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    error: dict[str, Any] | None = None


class Listener(Protocol):
    """Who is told what happens on a connection."""

    def connected(self, connection: Connection) -> None:
        """It is made."""

    def heard(self, event: Event) -> None:
        """The server told of an event."""

    def disconnected(self, reason: str, *, trusted: bool = True) -> None:
        """It is gone, for a reason in a few words; not ``trusted``: under TLS it has never come about."""


class Connection(LineReceiver, TimeoutMixin):
    """Asks the server, and tells the listener. What is asked is answered in its order."""

    delimiter = b"\n"
    MAX_LENGTH = _LINE_BYTES

    def __init__(self, clock: IReactorTime, listener: Listener) -> None:
        self._clock = clock
        self._listener = listener
        self._asked: dict[int | str | None, tuple[Command, Deferred[Answer]]] = {}
        self._last_id = 0
        self._probing = False
        self._complaint = ""
        self._lost: Failure | None = None

    @property
    def unanswered(self) -> int:
        """How many commands wait for their answers."""
        return len(self._asked)

    def ask(self, command: Command) -> Deferred[Answer]:
        """Send a command; fails with `ChatError` when refused, `ConnectionLost` when that comes first."""
        if self._lost is not None:
            return fail(self._lost)
        self._last_id += 1
        answered: Deferred[Answer] = Deferred()
        self._asked[self._last_id] = (command, answered)
        self.sendLine(msgspec.json.encode({"op": _OPS[type(command)], "id": self._last_id, "data": command}))
        return answered

    def connectionMade(self) -> None:
        """Begin to watch over the silence."""
        self.setTimeout(IDLE_SECONDS)
        self._listener.connected(self)

    def lineReceived(self, line: bytes) -> None:
        """Take one answer or event. What is neither comes from no server of ours, or from one that is full."""
        self._probing = False
        self.setTimeout(IDLE_SECONDS)
        try:
            self._take(msgspec.json.decode(line, type=_Line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._cut(f"The server says: {clean(line.decode(errors='replace'))[:_SHOWN_CHARACTERS]}")

    def lineLengthExceeded(self, line: bytes) -> None:
        """Give up: no server of ours says so much at once."""
        self._cut(f"The server sent a line of more than {_LINE_BYTES} bytes.")

    def timeoutConnection(self) -> None:
        """Ask a silent server for a sign of life; cut the connection when none has come either."""
        if self._probing:
            self._cut("The server does not answer.")
            return
        self._probing = True
        self.setTimeout(IDLE_SECONDS)
        self.ask(commands.Ping()).addErrback(lambda _: None)

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:
        """Fail what is unanswered, in its order, and tell the listener."""
        words = self._complaint or reason_of(reason)
        self._lost = Failure(ConnectionLost(words))
        self.setTimeout(None)
        unanswered, self._asked = self._asked, {}
        for _, answered in unanswered.values():
            answered.errback(self._lost)
        self._listener.disconnected(words, trusted=reason.check(Untrusted) is None)

    def callLater(self, period: float, func: Callable[..., Any]) -> IDelayedCall:
        """Move by the clock that came in, where the mixin would take the reactor's."""
        return self._clock.callLater(period, func)

    def _take(self, line: _Line) -> None:
        if not line.status:
            if event := _EVENTS.get(line.op):
                self._listener.heard(msgspec.json.decode(line.data, type=event))
            return
        if line.id not in self._asked:
            self._take_unasked(_refusal(line.error or {}))
            return
        command, answered = self._asked[line.id]
        if line.error is not None:
            del self._asked[line.id]
            answered.errback(_refusal(line.error))
        else:
            answer = msgspec.json.decode(line.data, type=_answer_to(command, line.data))
            del self._asked[line.id]
            answered.callback(answer)

    def _take_unasked(self, error: ChatError) -> None:
        """Take the refusal of what could not be read: of a line too long it is known which it was, by the order."""
        if error.code is Code.LINE_TOO_LONG and self._asked:
            _, answered = self._asked.pop(next(iter(self._asked)))
            answered.errback(error)
            return
        wanted = error.code is Code.TLS_REQUIRED
        self._cut(_WANTS_TLS if wanted else f"The server says: {clean(error.text)}")

    def _cut(self, complaint: str) -> None:
        self._complaint = complaint
        self.clearLineBuffer()
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]


def _refusal(error: dict[str, Any]) -> ChatError:
    """Return a refusal as the server knows it; one of a kind that is new to us is internal."""
    facts = {name: fact for name, fact in error.items() if isinstance(fact, str | int)}
    code, text = facts.pop("code", ""), facts.pop("message", "")
    return ChatError(Code(code) if code in set(Code) else Code.INTERNAL, str(text), **facts)


def _answer_to(command: Command, data: msgspec.Raw) -> type[Answer]:
    if isinstance(command, commands.Topic) and b'"seq":' not in bytes(data):  # it was asked for, or is so already
        return answers.TopicText
    return ANSWERS.get(type(command), answers.Done)


def reason_of(failure: Failure) -> str:
    """Return in one line why a connection failed or ended."""
    if failure.check(Refused):
        return "nobody answers there."
    if failure.check(ConnectionDone):
        return "the server has closed it."
    if failure.check(Untrusted):
        return str(failure.value)
    if failure.check(SSL.Error):
        return "no TLS is spoken there, or none that we know."
    if type(failure.value) is ConnectionLost and not str(failure.value).startswith("[("):
        return "it broke."
    return clean(failure.getErrorMessage()) or type(failure.value).__name__
