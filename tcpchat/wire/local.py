"""Commands that never leave the text wire: help, and how one reads."""

from __future__ import annotations

from tcpchat.core.commands import Command


class LocalCommand(Command, frozen=True):
    """A command that the hub never sees."""


class Help(LocalCommand, frozen=True):
    """Show all commands, or one."""

    topic: str = ""


class Timezone(LocalCommand, frozen=True):
    """Show times by another clock, or tell by which."""

    offset: str = ""


class Color(LocalCommand, frozen=True):
    """See the names of others in colours (``on``, ``off``), or take a colour (``none``: none)."""

    word: str


class AskLogin(LocalCommand, frozen=True):
    """Log in to an account; without a password it is asked for."""

    name: str
    password: str | None = None


class AskRegister(LocalCommand, frozen=True):
    """Make an account of the guest that one is, or of a free name; the password is asked for."""

    name: str = ""
    code: str = ""


class AskPassword(LocalCommand, frozen=True):
    """Ask for the old password and a new one."""


class AskUnregister(LocalCommand, frozen=True):
    """Ask for the password, and delete the account."""


class AskTokens(LocalCommand, frozen=True):
    """List tokens (no ``action``), or ``create`` or ``revoke`` one."""

    action: str = ""
    argument: str = ""
    days: int | None = None


class AskKeys(LocalCommand, frozen=True):
    """List keys (no ``action``), or ``add`` or ``remove`` one."""

    action: str = ""
    argument: str = ""


class AskCertificates(LocalCommand, frozen=True):
    """List client certificates (no ``action``), or ``add`` or ``remove`` one."""

    action: str = ""
    argument: str = ""


class AskRoom(LocalCommand, frozen=True):
    """Tell how the room is, or change one ``setting``."""

    setting: str = ""
    value: str = ""


class AskAudit(LocalCommand, frozen=True):
    """Read what moderators did in a room (``here``, or its name), or ``all`` that was done."""

    room: str = "here"
    limit: int = 20
    before: int | None = None
