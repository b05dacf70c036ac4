"""The command table: every JSON operation and every word of the text wire, in one place.

Parsing, help, completion and the reference in docs/protocol.md are driven by it; a new command is a new row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from tcpchat.core import commands
from tcpchat.core.commands import Command
from tcpchat.core.names import HERE
from tcpchat.wire import local

GROUPS = ("Talking", "Rooms", "People", "Yourself", "Your account", "The connection")
"""What commands are for, in the order of the help."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word after a text command, and the command's field it becomes.

    The last parameter of a row takes the rest of the line if ``rest``. One with a ``default`` may be missing; so may
    one that is ``optional``, and then the command's own default counts.
    """

    name: str
    field: str
    default: str | None = None
    rest: bool = False
    number: bool = False
    optional: bool = False

    @property
    def usage(self) -> str:
        """How the help shows it."""
        return f"[{self.name}]" if self.optional or self.default is not None else self.name


@dataclass(frozen=True, slots=True)
class Row:
    """One command: its name as a JSON operation, its words on the text wire, and what they become.

    ``data`` and ``reply`` are the fields of the JSON objects, as the reference shows them; ``example`` is a line
    that a person could type.
    """

    command: type[Command]
    group: str
    summary: str
    op: str = ""
    data: str = ""
    reply: str = ""
    words: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    example: str = ""
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def usage(self) -> str:
        """The first of its words with its parameters."""
        return self.usage_of(self.words[0])

    def usage_of(self, word: str) -> str:
        """One of its words with its parameters."""
        return " ".join((word, *(parameter.usage for parameter in self.parameters)))


_ROOM = Parameter("ROOM", "room")
_THIS_ROOM = Parameter("ROOM", "room", default=HERE)
_TEXT = Parameter("TEXT", "text", rest=True)
_USER = Parameter("USER", "user")

TABLE = (
    Row(
        commands.Say,
        "Talking",
        "Say something in a room you are in.",
        op="say",
        data="room, text, action?",
        reply="room, seq, at",
        words=("/say", ":rm"),
        parameters=(_ROOM, _TEXT),
        example="/say tea The kettle is on.",
    ),
    Row(
        commands.Say,
        "Talking",
        "Say what you do, in the third person.",
        words=("/me",),
        parameters=(_TEXT,),
        example="/me waves",
        fixed={"room": HERE, "action": True},
    ),
    Row(
        commands.Tell,
        "Talking",
        "Say something to one person only.",
        op="tell",
        data="to, text",
        reply="room, seq, at",
        words=("/msg", ":pm"),
        parameters=(Parameter("USER", "to"), _TEXT),
        example="/msg nina Are you there?",
    ),
    Row(
        commands.Reply,
        "Talking",
        "Answer the person who wrote to you only, last.",
        op="reply",
        data="text",
        reply="room, seq, at",
        words=("/reply",),
        parameters=(_TEXT,),
        example="/reply Yes, I am.",
    ),
    Row(
        commands.History,
        "Talking",
        "Read the last entries of this room, or those before a number.",
        op="history",
        data="room, before? or after? or around?, limit?",
        reply="room, entries, more",
        words=("/history",),
        parameters=(
            Parameter("COUNT", "limit", default="20", number=True),
            Parameter("NUMBER", "before", number=True, optional=True),
        ),
        example="/history 50",
        fixed={"room": HERE},
    ),
    Row(
        commands.SayInLobby,
        "Talking",
        "Enter the lobby and speak there: the short form of join and say.",
        op="msg",
        data="the text itself, or {text}",
        reply="room, seq, at",
    ),
    Row(
        commands.Join,
        "Rooms",
        "Enter a room; it is created when absent.",
        op="join",
        data="room, last? or after?",
        reply="room, topic, head, epoch, members, people, entries, more",
        words=("/join", ":jr"),
        parameters=(_ROOM,),
        example="/join tea",
    ),
    Row(
        commands.Leave,
        "Rooms",
        "Leave a room, this one if none is named.",
        op="leave",
        data="room",
        reply="room, members, current?",
        words=("/leave", ":lr"),
        parameters=(_THIS_ROOM,),
        example="/leave tea",
    ),
    Row(
        commands.Switch,
        "Rooms",
        "Speak in another of the rooms you are in.",
        op="switch",
        data="room",
        reply="room",
        words=("/switch",),
        parameters=(_ROOM,),
        example="/switch lobby",
    ),
    Row(
        commands.ListRooms,
        "Rooms",
        "List the rooms, or those whose name or topic contains a word.",
        op="rooms",
        data="search?",
        reply="rooms: [{room, topic, members, head}], the busiest first, at most 1,000",
        words=("/rooms", ":lrs"),
        parameters=(Parameter("WORD", "search", default="", rest=True),),
        example="/rooms tea",
    ),
    Row(
        commands.ListMembers,
        "Rooms",
        "List who is in a room, this one if none is named.",
        op="members",
        data="room",
        reply="room, members",
        words=("/who", ":lru"),
        parameters=(_THIS_ROOM,),
        example="/who tea",
    ),
    Row(
        commands.Topic,
        "Rooms",
        "Say what this room is for, or ask; a dash takes the topic away.",
        op="topic",
        data="room, text?",
        reply="room, seq, at; without a text: room, text",
        words=("/topic",),
        parameters=(Parameter("TEXT", "text", rest=True, optional=True),),
        example="/topic All about green tea",
        fixed={"room": HERE},
    ),
    Row(
        commands.Create,
        "Rooms",
        "Create a room without entering it.",
        op="create",
        data="room",
        reply="room",
        words=("/create", ":cr"),
        parameters=(_ROOM,),
        example="/create tea",
    ),
    Row(
        commands.Delete,
        "Rooms",
        "Delete a room that you created, with everything said in it.",
        op="delete",
        data="room",
        reply="room",
        words=("/delete",),
        parameters=(_ROOM,),
        example="/delete tea",
    ),
    Row(
        commands.ListUsers,
        "People",
        "List everybody who is here.",
        op="users",
        reply="users",
        words=("/users", ":users"),
        example="/users",
    ),
    Row(
        commands.WhoIs,
        "People",
        "Tell who somebody is, and in which rooms.",
        op="whois",
        data="user",
        reply="user, rooms, since, away?, registered",
        words=("/whois",),
        parameters=(_USER,),
        example="/whois nina",
    ),
    Row(
        commands.Ignore,
        "People",
        "Read nothing of somebody any more.",
        op="ignore",
        data="user",
        reply="users",
        words=("/ignore",),
        parameters=(_USER,),
        example="/ignore bob",
    ),
    Row(
        commands.Unignore,
        "People",
        "Read somebody again.",
        op="unignore",
        data="user",
        reply="users",
        words=("/unignore",),
        parameters=(_USER,),
        example="/unignore bob",
    ),
    Row(
        commands.ListIgnored,
        "People",
        "List whom you don't read.",
        op="ignored",
        reply="users",
        words=("/ignored",),
        example="/ignored",
    ),
    Row(
        commands.Complete,
        "People",
        "Ask which names of people (kind user) or rooms (kind room) begin so.",
        op="complete",
        data="kind, prefix?",
        reply="names: at most 30, more",
    ),
    Row(
        commands.Rename,
        "Yourself",
        "Take another name.",
        op="nick",
        data="name",
        reply="user",
        words=("/nick",),
        parameters=(Parameter("NAME", "name"),),
        example="/nick nina",
    ),
    Row(
        commands.Recolor,
        "Yourself",
        "Take another colour, for those who see colours; without one, none.",
        op="color",
        data="color?",
        reply="user",
    ),
    Row(
        local.Color,
        "Yourself",
        "See names in colours (on) or not (off), or take a colour for yours: a word such as teal, or #3a7bd5, or none.",
        words=("/color",),
        parameters=(Parameter("WORD", "word"),),
        example="/color on",
    ),
    Row(
        local.Timezone,
        "Yourself",
        "Say how far your clock is from UTC, so that times are yours.",
        words=("/timezone",),
        parameters=(Parameter("OFFSET", "offset", default=""),),
        example="/timezone +2",
    ),
    Row(
        commands.GoAway,
        "Yourself",
        "Say that you are away, and why; without a word that you are back.",
        op="away",
        data="text?",
        reply="text?",
        words=("/away",),
        parameters=(Parameter("TEXT", "text", default="", rest=True),),
        example="/away at lunch",
    ),
    Row(
        commands.Hello,
        "The connection",
        "Ask what this server is.",
        op="hello",
        reply="server, version, protocol (1), features, limits, motd, people",
    ),
    Row(
        commands.Login,
        "Your account",
        "Log in as a guest, or with one proof to an account; a token needs no name.",
        op="login",
        data="name?, color?; one of password?, token?, signature? (base64), certificate? (true)",
        reply="user, rooms",
    ),
    Row(
        local.AskLogin,
        "Your account",
        "Log in to an account; its password is asked for if you don't give it.",
        words=("/login",),
        parameters=(Parameter("NAME", "name"), Parameter("PASSWORD", "password", rest=True, optional=True)),
        example="/login nina",
    ),
    Row(
        commands.Logout,
        "Your account",
        "Log out and stay connected.",
        op="logout",
        words=("/logout",),
        example="/logout",
    ),
    Row(
        commands.Register,
        "Your account",
        "Make an account of the guest you are, or of a free name: the name is yours from then on.",
        op="register",
        data="password, name?, code?",
        reply="user",
    ),
    Row(
        local.AskRegister,
        "Your account",
        "Make an account, of the guest you are unless you give a name; you are asked for a password.",
        words=("/register",),
        parameters=(Parameter("NAME", "name", optional=True), Parameter("CODE", "code", optional=True)),
        example="/register nina",
    ),
    Row(
        commands.ChangePassword,
        "Your account",
        "Take another password; who logged in with the old one elsewhere is logged out.",
        op="password",
        data="old, new",
    ),
    Row(
        local.AskPassword,
        "Your account",
        "Take another password; who logged in with the old one elsewhere is logged out.",
        words=("/password",),
        example="/password",
    ),
    Row(
        commands.Unregister,
        "Your account",
        "Delete your account; its name is kept from others for 90 days.",
        op="unregister",
        data="password",
    ),
    Row(
        local.AskUnregister,
        "Your account",
        "Delete your account; its name is kept from others for 90 days.",
        words=("/unregister",),
        example="/unregister",
    ),
    Row(
        commands.Tokens,
        "Your account",
        "List your tokens, with which programs log in; make one, or revoke one.",
        op="tokens",
        data="create? ({label?, expires? in days}) or revoke? (an id)",
        reply="credentials: [{id, label, created, expires?, used?}], token?",
    ),
    Row(
        local.AskTokens,
        "Your account",
        "List your tokens, with which programs log in; or create LABEL DAYS, or revoke ID.",
        words=("/tokens",),
        parameters=(
            Parameter("ACTION", "action", default=""),
            Parameter("LABEL", "argument", default=""),
            Parameter("DAYS", "days", number=True, optional=True),
        ),
        example="/tokens create backup 365",
    ),
    Row(
        commands.Keys,
        "Your account",
        "List the Ed25519 keys with which you can log in; add one, or remove one.",
        op="keys",
        data="add? ({key, label?}) or remove? (an id)",
        reply="credentials: [{id, label, created, used?}]",
    ),
    Row(
        local.AskKeys,
        "Your account",
        "List the Ed25519 keys with which programs can log in for you; or add a line of OpenSSH's, or remove ID.",
        words=("/keys",),
        parameters=(Parameter("ACTION", "action", default=""), Parameter("KEY", "argument", default="", rest=True)),
        example="/keys remove 1f0c",
    ),
    Row(
        commands.Certificates,
        "Your account",
        "List the TLS client certificates with which you can log in; add one, or remove one.",
        op="certificates",
        data="add? ({fingerprint?, label?}) or remove? (an id)",
        reply="credentials: [{id, label, created, used?}]",
    ),
    Row(
        commands.AskChallenge,
        "Your account",
        "Ask for what is to be signed with a key.",
        op="challenge",
        reply="nonce, server, exporter",
    ),
    Row(
        local.Help,
        "The connection",
        "Show the commands, or one of them with an example.",
        words=("/help",),
        parameters=(Parameter("COMMAND", "topic", default="", rest=True),),
        example="/help join",
    ),
    Row(commands.Ping, "The connection", "Ask for an answer.", op="ping", words=("/ping", ":ping"), example="/ping"),
    Row(
        commands.Quit,
        "The connection",
        "Say goodbye and close the connection.",
        op="quit",
        words=("/quit", ":quit"),
        example="/quit",
    ),
)

OPERATIONS = {row.op: row for row in TABLE if row.op}
WORDS = {word: row for row in TABLE for word in row.words}


def nearest(word: str) -> str | None:
    """Return the command that somebody may have meant by ``word``, if one is near enough."""
    if word in _ELSEWHERE:
        return _ELSEWHERE[word]
    if begun := [known for known in WORDS if len(word) > 1 and known.startswith(word)]:
        return begun[0]
    near = get_close_matches(word[:_LONGEST], WORDS, n=1, cutoff=0.6)
    return near[0] if near else None


# What these are called in other chats.
_ELSEWHERE = {
    "/?": "/help", "/back": "/away", "/bye": "/quit", "/exit": "/quit", "/list": "/rooms", "/names": "/who",
    "/part": "/leave", "/query": "/msg", "/t": "/msg", "/tell": "/msg", "/w": "/msg", "/whisper": "/msg",
}  # fmt: skip

# What is compared takes time that grows with its length.
_LONGEST = 2 * max(map(len, WORDS))
