"""The command table: every JSON operation and every word of the text wire, in one place.

Parsing and help are driven by it; a new command is a new row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tcpchat.core import commands
from tcpchat.core.commands import Command
from tcpchat.core.names import HERE


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word after a text command, and the command's field it becomes.

    The last parameter of a row takes the rest of the line if ``rest``; one with a ``default`` may be missing.
    """

    name: str
    field: str
    default: str | None = None
    rest: bool = False
    number: bool = False

    @property
    def usage(self) -> str:
        """How the help shows it."""
        return self.name if self.default is None else f"[{self.name}]"


@dataclass(frozen=True, slots=True)
class Row:
    """One command: its name as a JSON operation, its words on the text wire, and what they become."""

    command: type[Command]
    summary: str
    op: str = ""
    words: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def usage(self) -> str:
        """The first of its words with its parameters."""
        return " ".join((self.words[0], *(parameter.usage for parameter in self.parameters)))


_ROOM = Parameter("ROOM", "room")
_THIS_ROOM = Parameter("ROOM", "room", default=HERE)
_TEXT = Parameter("TEXT", "text", rest=True)

TABLE = (
    Row(commands.Hello, "Ask what this server is.", op="hello"),
    Row(commands.Login, "Log in as a guest.", op="login"),
    Row(commands.Logout, "Log out and stay connected.", op="logout"),
    Row(
        commands.Join,
        "Enter a room; it is created when absent.",
        op="join",
        words=("/join", ":jr"),
        parameters=(_ROOM,),
    ),
    Row(
        commands.Leave,
        "Leave a room, this one if none is named.",
        op="leave",
        words=("/leave", ":lr"),
        parameters=(_THIS_ROOM,),
    ),
    Row(commands.ListRooms, "List the rooms.", op="rooms", words=("/rooms", ":lrs")),
    Row(
        commands.ListMembers,
        "List who is in a room.",
        op="members",
        words=("/who", ":lru"),
        parameters=(_THIS_ROOM,),
    ),
    Row(commands.ListUsers, "List everybody who is here.", op="users", words=("/users", ":users")),
    Row(
        commands.Create,
        "Create a room without entering it.",
        op="create",
        words=("/create", ":cr"),
        parameters=(_ROOM,),
    ),
    Row(commands.Delete, "Delete a room that you created.", op="delete", words=("/delete",), parameters=(_ROOM,)),
    Row(
        commands.Say,
        "Say something in a room you are in.",
        op="say",
        words=("/say", ":rm"),
        parameters=(_ROOM, _TEXT),
    ),
    Row(commands.SayInLobby, "Enter the lobby and speak there: the short form of join and say.", op="msg"),
    Row(
        commands.Say,
        "Say what you do, as in /me waves.",
        words=("/me",),
        parameters=(_TEXT,),
        fixed={"room": HERE, "action": True},
    ),
    Row(
        commands.Tell,
        "Say something to one person only.",
        op="tell",
        words=("/msg", ":pm"),
        parameters=(Parameter("USER", "to"), _TEXT),
    ),
    Row(
        commands.History,
        "Read the last entries of this room.",
        op="history",
        words=("/history",),
        parameters=(Parameter("COUNT", "limit", default="20", number=True),),
        fixed={"room": HERE},
    ),
    Row(commands.Ping, "Ask for an answer.", op="ping", words=("/ping", ":ping")),
    Row(commands.Quit, "Say goodbye and close the connection.", op="quit", words=("/quit", ":quit")),
)

OPERATIONS = {row.op: row for row in TABLE if row.op}
WORDS = {word: row for row in TABLE for word in row.words}
