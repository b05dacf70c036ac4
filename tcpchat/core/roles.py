"""Roles, and the one table of what each of them may do."""

from __future__ import annotations

from enum import Enum, IntEnum

import msgspec

from tcpchat.core.entries import PersonId, RoomId

FOREVER = -1
"""In the place of a moment: without an end."""


class ServerRole(IntEnum):
    """What somebody is on the whole server. The numbers are in the database and never change."""

    GUEST = 0
    USER = 1
    ADMIN = 2
    OWNER = 3
    OPERATOR = 4
    """Whoever sits at the machine the daemon runs on: above all accounts, and never stored."""

    @property
    def word(self) -> str:
        """What wires call it."""
        return self.name.lower()

    @property
    def words(self) -> str:
        """What people call somebody who has it."""
        return {"GUEST": "a guest", "USER": "a plain user", "ADMIN": "an admin"}.get(self.name, f"an {self.word}")


class RoomRole(IntEnum):
    """What somebody is in one room. The numbers are in the database and never change."""

    MEMBER = 0
    VOICE = 1
    MODERATOR = 2
    OWNER = 3

    @property
    def word(self) -> str:
        """What wires call it."""
        return self.name.lower()

    @property
    def words(self) -> str:
        """What people call somebody who has it."""
        return ("a plain member", "one who has a voice", "a moderator", "an owner")[self]


class Membership(msgspec.Struct, frozen=True, gc=False):
    """What is known of a person in a room that isn't so of everybody.

    ``muted`` is until when, in ms since 1970, UTC; 0 not at all, `FOREVER` without an end.
    """

    room: RoomId
    person: PersonId
    role: RoomRole = RoomRole.MEMBER
    muted: int = 0
    invited: bool = False

    def is_muted(self, now: int) -> bool:
        """Return whether the person may not speak at ``now``."""
        return self.muted == FOREVER or self.muted > now

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to be known."""
        return self.role is RoomRole.MEMBER and not self.muted and not self.invited


class Act(Enum):
    """What somebody may be allowed to do: the least role on the server, or the least in the room, that suffices.

    None: no role in a room is enough.
    """

    SPEAK = "speak", ServerRole.ADMIN, RoomRole.MEMBER
    SPEAK_MODERATED = "speak in a moderated room", ServerRole.ADMIN, RoomRole.VOICE
    SPEAK_READ_ONLY = "speak in a read-only room", ServerRole.ADMIN, RoomRole.MODERATOR
    SPEAK_FAST = "speak without a pause", ServerRole.ADMIN, RoomRole.VOICE
    KICK = "put people out", ServerRole.ADMIN, RoomRole.MODERATOR
    MUTE = "mute people", ServerRole.ADMIN, RoomRole.MODERATOR
    BAN = "ban people", ServerRole.ADMIN, RoomRole.MODERATOR
    INVITE = "invite people", ServerRole.ADMIN, RoomRole.MODERATOR
    GIVE_VOICE = "give people a voice", ServerRole.ADMIN, RoomRole.MODERATOR
    REMOVE = "remove what others said", ServerRole.ADMIN, RoomRole.MODERATOR
    READ_ROOM_AUDIT = "read what moderators did", ServerRole.ADMIN, RoomRole.MODERATOR
    PROMOTE = "make moderators", ServerRole.ADMIN, RoomRole.OWNER
    SET_ROOM = "change how the room is", ServerRole.ADMIN, RoomRole.OWNER
    DELETE_ROOM = "delete the room", ServerRole.ADMIN, RoomRole.OWNER
    ENTER_ANY = "enter any room", ServerRole.ADMIN, None
    SEE_ANY = "see every room", ServerRole.ADMIN, None
    DISCONNECT = "disconnect people", ServerRole.ADMIN, None
    SERVER_BAN = "ban people from the server", ServerRole.ADMIN, None
    SUSPEND = "suspend accounts", ServerRole.ADMIN, None
    SEE_HEALTH = "see how the server is", ServerRole.ADMIN, None
    SEE_SESSIONS = "see where people come from", ServerRole.ADMIN, None
    READ_AUDIT = "read the audit log", ServerRole.ADMIN, None
    SUBSCRIBE = "watch what happens on the server", ServerRole.ADMIN, None
    BROADCAST = "speak to everybody", ServerRole.ADMIN, None
    SET_MOTD = "change the message of the day", ServerRole.ADMIN, None
    SET_NAMES = "reserve and forbid names", ServerRole.ADMIN, None
    SET_EMERGENCY = "declare an emergency", ServerRole.ADMIN, None
    WRITE_IN_EMERGENCY = "write while the server is read-only", ServerRole.ADMIN, None
    SHUT_DOWN = "shut the server down", ServerRole.ADMIN, None
    SEE_LIMITS = "see the bounds of the server", ServerRole.ADMIN, None
    SEE_ACCOUNTS = "list the accounts", ServerRole.ADMIN, None
    MANAGE_ACCOUNTS = "make and delete accounts of others", ServerRole.OWNER, None
    CHANGE_ROLE = "change somebody's role", ServerRole.OWNER, None
    # Whoever can log in as somebody else reads what was written to that one alone: so can only who could read the
    # database anyhow.
    GIVE_ACCESS = "give access to accounts of others", ServerRole.OPERATOR, None

    def __init__(self, words: str, server: ServerRole, room: RoomRole | None) -> None:
        self.words = words
        self.server = server
        self.room = room

    def allows(self, server: ServerRole, room: RoomRole | None = None) -> bool:
        """Return whether somebody with these roles may do it; ``room`` None: nobody there."""
        return server >= self.server or (self.room is not None and room is not None and room >= self.room)

    @property
    def needs(self) -> str:
        """Who may do it, in words."""
        admin = {
            ServerRole.OWNER: "the owner of this server",
            ServerRole.OPERATOR: "whoever sits at the machine of this server",
        }.get(self.server, "an admin of this server")
        inside = {
            RoomRole.MEMBER: "who is in the room",
            RoomRole.VOICE: "who has a voice in the room",
            RoomRole.MODERATOR: "a moderator of the room",
            RoomRole.OWNER: "an owner of the room",
        }
        return admin if self.room is None else f"{inside[self.room]}, or {admin}"
