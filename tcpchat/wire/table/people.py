"""Who is here."""

from __future__ import annotations

from tcpchat.core import commands
from tcpchat.wire.table.row import USER, Row

GROUP = "People"

ROWS = (
    Row(
        commands.ListUsers,
        GROUP,
        "List everybody who is here.",
        op="users",
        reply="users",
        words=("/users", ":users"),
        example="/users",
    ),
    Row(
        commands.WhoIs,
        GROUP,
        "Tell who somebody is, and in which rooms.",
        op="whois",
        data="user",
        reply="user, rooms, since, away?, registered, role?",
        words=("/whois",),
        parameters=(USER,),
        example="/whois nina",
    ),
    Row(
        commands.Ignore,
        GROUP,
        "Read nothing of somebody any more.",
        op="ignore",
        data="user",
        reply="users",
        words=("/ignore",),
        parameters=(USER,),
        example="/ignore bob",
    ),
    Row(
        commands.Unignore,
        GROUP,
        "Read somebody again.",
        op="unignore",
        data="user",
        reply="users",
        words=("/unignore",),
        parameters=(USER,),
        example="/unignore bob",
    ),
    Row(
        commands.ListIgnored,
        GROUP,
        "List whom you don't read.",
        op="ignored",
        reply="users",
        words=("/ignored",),
        example="/ignored",
    ),
    Row(
        commands.Complete,
        GROUP,
        "Ask which names of people (kind user) or rooms (kind room) begin so.",
        op="complete",
        data="kind, prefix?",
        reply="names: at most 30, more",
    ),
)
