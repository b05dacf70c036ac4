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
