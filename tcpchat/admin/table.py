"""The subcommands that ask a running daemon, in one table. A new one is a new row."""

from __future__ import annotations

from tcpchat.admin import answers
from tcpchat.admin.subcommand import Argument, Ask, Subcommand, period, said

_USER = Argument("USER", "user", "name of somebody")
_ANYBODY = Argument("USER", "user", "name of somebody", optional=True)
_ADDRESS = Argument("--address", "address", "an address or a network instead, as in 192.0.2.0/24")
_ROOM = Argument("ROOM", "room", "name of a room")
_IN_ROOM = Argument("--room", "room", "only in this room")
_FOR = Argument("--for", "seconds", "for a time such as 30m, 2h or 7d; without it, for ever", period)
_REASON = Argument("--reason", "reason", "what is told to them, and kept in the audit log")
_WORD = Argument("WORD", "search", "only those with this in their name", optional=True)
_TARGET = ("user", "address")

TABLE = (
    Subcommand(("rooms",), "list the rooms", (Ask("rooms", answers.rooms),), (_WORD,)),
    Subcommand(("users",), "list who is here", (Ask("users", answers.users),)),
    Subcommand(("accounts",), "list the accounts", (Ask("accounts", answers.accounts),), (_WORD,)),
    Subcommand(
        ("sessions",),
        "list who is connected from where, the addresses with most connections first",
        (Ask("sessions", answers.sessions),),
        (_ANYBODY,),
    ),
    Subcommand(
        ("kick",),
        "end somebody's connections, or put somebody out of a room",
        (
            Ask("kick", said("{user} was put out of {room}."), "room"),
            Ask("disconnect", said("{user} was disconnected.")),
        ),
        (_USER, _IN_ROOM, _REASON),
    ),
    Subcommand(
        ("ban",),
        "keep somebody, or an address, off the server or out of a room",
        (
            Ask("ban", said("{who} is banned from {room} now."), "room"),
            Ask("server-ban", said("{who} is banned from this server now.")),
        ),
        (_ANYBODY, _ADDRESS, _IN_ROOM, _FOR, _REASON),
        one_of=_TARGET,
    ),
    Subcommand(
        ("unban",),
        "lift a ban",
        (
            Ask("unban", said("{who} may come to {room} again."), "room"),
            Ask("server-unban", said("{who} may come to this server again.")),
        ),
        (_ANYBODY, _ADDRESS, _IN_ROOM),
        one_of=_TARGET,
    ),
    Subcommand(("bans",), "list who is banned; for accounts see accounts", (Ask("bans", answers.bans),), (_IN_ROOM,)),
    Subcommand(
        ("mute",),
        "let somebody not speak in a room",
        (Ask("mute", said("{user} can't speak in {room} now.")),),
        (_USER, _ROOM, _FOR, _REASON),
    ),
    Subcommand(
        ("unmute",),
        "let somebody speak again in a room",
        (Ask("unmute", said("{user} can speak in {room} again.")),),
        (_USER, _ROOM),
    ),
    Subcommand(
        ("remove",),
        "remove the text of a message",
        (Ask("remove", said("The text of {room}:{seq} is removed.")),),
        (_ROOM, Argument("NUMBER", "seq", "its number in the room", int), _REASON),
    ),
    Subcommand(
        ("suspend",),
        "let an account not be used",
        (Ask("suspend", said("The account {user} is suspended now.")),),
        (_USER, _FOR, _REASON),
    ),
    Subcommand(
        ("unsuspend",),
        "let an account be used again",
        (Ask("unsuspend", said("The account {user} can be used again.")),),
        (_USER,),
    ),
    Subcommand(
        ("role",),
        "give an account a role on the server, or somebody one in a room",
        (
            Ask("room-role", said("{user} is {role} in {room} now."), "room"),
            Ask("role", said("{user} is {role} of this server now.")),
        ),
        (
            _USER,
            Argument("ROLE", "role", "owner, admin or user; in a room owner, moderator, voice or member"),
            _IN_ROOM,
        ),
    ),
    Subcommand(
        ("account", "create"),
        "make an account, also where nobody can register",
        (Ask("account-create", answers.new_account),),
        (Argument("NAME", "name", "a free name"),),
        password=True,
    ),
    Subcommand(
        ("account", "password"),
        "give an account another password, and end its sessions",
        (Ask("account-password", answers.new_password),),
        (_USER, Argument("--alone", "alone", "revoke its tokens, keys and certificates, too", flag=True)),
        password=True,
    ),
    Subcommand(
        ("account", "delete"),
        "delete an account; its name is kept from others for a while",
        (Ask("account-delete", said("The account {user} is deleted.")),),
        (_USER,),
    ),
    Subcommand(
        ("token", "create"),
        "make a token for an account, and print it, this once",
        (Ask("tokens", answers.new_token),),
        (
            _USER,
            Argument("--label", "create.label", "what it is for"),
            Argument("--days", "create.expires", "in how many days it expires; without it, never", int),
        ),
        fixed={"create": {}},
    ),
    Subcommand(("token", "list"), "list the tokens of an account", (Ask("tokens", answers.tokens),), (_USER,)),
    Subcommand(
        ("token", "revoke"),
        "revoke a token, and end the sessions that logged in with it",
        (Ask("tokens", said("The token {revoke} is revoked.")),),
        (_USER, Argument("ID", "revoke", "as token list shows it")),
    ),
    Subcommand(
        ("broadcast",),
        "say something to everybody",
        (Ask("broadcast", said("Everybody was told: {text}")),),
        (Argument("TEXT", "text", "what to say", rest=True),),
    ),
    Subcommand(
        ("motd",),
        "show the message of the day, or set it",
        (Ask("motd", answers.motd),),
        (Argument("TEXT", "text", "what it is to be; a dash takes it away", rest=True, optional=True),),
    ),
    Subcommand(("names",), "list the names that are kept from people", (Ask("names", answers.names),)),
    Subcommand(
        ("name",),
        "keep a name from people, or no more",
        (Ask("name-rule", said("The name {name} is {rule} now.")),),
        (
            Argument("NAME", "name", "the name"),
            Argument("RULE", "rule", "for whom it is", choices=("reserved", "forbidden", "free")),
        ),
    ),
    Subcommand(
        ("emergency",),
        "show whether there is an emergency, or declare one",
        (Ask("emergency", answers.emergency),),
        (
            Argument(
                "LEVEL",
                "level",
                "what is refused to all but admins",
                choices=("off", "no-new-guests", "accounts-only", "read-only"),
                optional=True,
            ),
        ),
    ),
    Subcommand(
        ("shutdown",),
        "shut the server down in a while, and tell everybody; or after all not",
        (Ask("shutdown-cancel", answers.stop, "cancel"), Ask("shutdown", answers.stop)),
        (
            Argument("--in", "seconds", "in a time such as 30s, 10m or 2h; without it, a minute", period),
            _REASON,
            Argument("--cancel", "cancel", "shut it down after all not", flag=True),
        ),
    ),
    Subcommand(
        ("audit",),
        "show what admins and moderators did, the latest last",
        (Ask("audit", answers.acts),),
        (
            _IN_ROOM,
            Argument("--count", "limit", "how many at most (50; no more than 200 at a time)", int),
            Argument("--before", "before", "only those before this number", int),
        ),
    ),
    Subcommand(("limits",), "show the bounds that are in force", (Ask("limits", answers.limits),)),
    Subcommand(("health",), "show whether what is said can be kept", (Ask("health", answers.health),)),
    Subcommand(("version",), "show what the daemon is", (Ask("hello", answers.version),)),
)
