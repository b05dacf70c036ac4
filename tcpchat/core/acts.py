"""What moderators and admins can ask for. The JSON wire decodes ``data`` straight into these, as into the others."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from tcpchat.core.commands import Command, Count, Secret

# Ten years: whatever is longer has no end.
Seconds = Annotated[int, msgspec.Meta(ge=1, le=315_360_000)]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class Governing(Command, frozen=True):
    """A command that whoever sits at the machine may give without a login."""

    needs_login: ClassVar[bool] = True
    operable: ClassVar[bool] = True


class Kick(Governing, frozen=True):
    """Put somebody out of a room; for a moment they can't come back."""

    room: str
    user: str
    reason: str = ""


class Mute(Governing, frozen=True):
    """Let somebody not speak in a room, for some seconds or without an end."""

    room: str
    user: str
    seconds: Seconds | None = None
    reason: str = ""


class Unmute(Governing, frozen=True):
    """Let somebody speak again."""

    room: str
    user: str


class Ban(Governing, frozen=True):
    """Keep somebody, or an address, out of a room, for some seconds or without an end."""

    room: str
    user: str = ""
    address: str = ""
    seconds: Seconds | None = None
    reason: str = ""


class Unban(Governing, frozen=True):
    """Lift the ban of somebody, or of an address."""

    room: str
    user: str = ""
    address: str = ""


class ListBans(Governing, frozen=True):
    """Ask who is banned from a room; without one, from the server."""

    room: str = ""


class Invite(Governing, frozen=True):
    """Let somebody into a room that is only for the invited."""

    room: str
    user: str


class Uninvite(Governing, frozen=True):
    """Take an invitation back."""

    room: str
    user: str


class SetRoomRole(Governing, frozen=True):
    """Make somebody an owner, a moderator, one with a voice, or a plain member of a room."""

    room: str
    user: str
    role: Literal["owner", "moderator", "voice", "member"]


class Remove(Governing, frozen=True):
    """Remove the text of an entry; its number stays."""

    room: str
    seq: Number
    reason: str = ""


class SetRoom(Governing, frozen=True):
    """Change how a room is; without any setting, ask."""

    room: str
    unlisted: bool | None = None
    invite_only: bool | None = None
    moderated: bool | None = None
    read_only: bool | None = None
    slow: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    key: Annotated[str, msgspec.Meta(max_length=128)] | None = None


class Why(Command, frozen=True):
    """Ask which rule refused one last."""

    operable: ClassVar[bool] = True
    needs_login: ClassVar[bool] = False


class Claim(Command, frozen=True):
    """Become the owner of the server with the code that its first start wrote to a file."""

    code: str


class Disconnect(Governing, frozen=True):
    """End somebody's connections."""

    user: str
    reason: str = ""


class ServerBan(Governing, frozen=True):
    """Keep somebody, or an address, off the server, for some seconds or without an end."""

    user: str = ""
    address: str = ""
    seconds: Seconds | None = None
    reason: str = ""


class ServerUnban(Governing, frozen=True):
    """Lift the ban of somebody, or of an address."""

    user: str = ""
    address: str = ""


class Suspend(Governing, frozen=True):
    """Let an account not be used, for some seconds or until that is undone."""

    user: str
    seconds: Seconds | None = None
    reason: str = ""


class Unsuspend(Governing, frozen=True):
    """Let an account be used again."""

    user: str


class SetRole(Governing, frozen=True):
    """Make an account an owner, an admin or a plain user of the server."""

    user: str
    role: Literal["owner", "admin", "user"]


class Broadcast(Governing, frozen=True):
    """Say something to everybody."""

    text: str


class SetMotd(Governing, frozen=True):
    """Set the message of the day, or ask; an empty text or a dash takes it away."""

    text: str | None = None


class Stop(Governing, frozen=True):
    """Shut the server down in some seconds."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=604_800)] = 60
    reason: str = ""


class CancelStop(Governing, frozen=True):
    """Shut the server down after all not."""


class RuleName(Governing, frozen=True):
    """Keep a name from people: ``reserved`` for whom an admin gives it to, ``forbidden`` to all; or set it ``free``."""

    name: str
    rule: Literal["reserved", "forbidden", "free"]


class ListNames(Governing, frozen=True):
    """Ask which names are kept from people."""


class SetEmergency(Governing, frozen=True):
    """Let in no new guests, or only accounts, or nobody but admins write; or ask."""

    level: Literal["off", "no-new-guests", "accounts-only", "read-only"] | None = None


class AskHealth(Governing, frozen=True):
    """Ask how the server is: whether it can keep what is said, and for how long there is space."""


class ListSessions(Governing, frozen=True):
    """Ask who is connected from where, or where somebody is."""

    user: str = ""


class ReadActs(Governing, frozen=True):
    """Read what moderators did in a room; without one, what was done on the whole server."""

    room: str = ""
    before: Number | None = None
    limit: Count = 50


class ListLimits(Governing, frozen=True):
    """Ask which bounds are in force."""


class ListAccounts(Governing, frozen=True):
    """Ask which accounts there are, or those whose name contains ``search``."""

    search: str = ""


class CreateAccount(Governing, frozen=True):
    """Make an account for somebody else."""

    name: str
    password: Secret


class ResetPassword(Governing, frozen=True):
    """Give somebody else's account another password, and end its sessions; ``alone``: nothing else proves it then."""

    user: str
    password: Secret
    alone: bool = False


class DeleteAccount(Governing, frozen=True):
    """Delete somebody else's account."""

    user: str


Watchable = Literal[
    "login",
    "logout",
    "duplicate-session",
    "role-change",
    "room-created",
    "room-deleted",
    "registration",
    "store",
    "all",
]


class Subscribe(Governing, frozen=True):
    """Be told of what happens on the server, until one logs out."""

    event: Watchable


class Unsubscribe(Governing, frozen=True):
    """Be told of it no more."""

    event: Watchable
