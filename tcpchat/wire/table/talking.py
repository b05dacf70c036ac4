"""Saying something, and reading what was said."""

from __future__ import annotations

from tcpchat.core import commands
from tcpchat.core.names import HERE
from tcpchat.wire.table.row import ROOM, TEXT, Parameter, Row

GROUP = "Talking"

ROWS = (
    Row(
        commands.Say,
        GROUP,
        "Say something in a room you are in.",
        op="say",
        data="room, text, action?, client_id?",
        reply="room, seq, at",
        words=("/say", ":rm"),
        parameters=(ROOM, TEXT),
        example="/say tea The kettle is on.",
    ),
    Row(
        commands.Say,
        GROUP,
        "Say what you do, in the third person.",
        words=("/me",),
        parameters=(TEXT,),
        example="/me waves",
        fixed={"room": HERE, "action": True},
    ),
    Row(
        commands.Tell,
        GROUP,
        "Say something to one person only.",
        op="tell",
        data="to, text, client_id?",
        reply="room, seq, at, waits?",
        words=("/msg", ":pm"),
        parameters=(Parameter("USER", "to"), TEXT),
        example="/msg nina Are you there?",
    ),
    Row(
        commands.Reply,
        GROUP,
        "Answer the person who wrote to you only, last.",
        op="reply",
        data="text, client_id?",
        reply="room, seq, at, waits?",
        words=("/reply",),
        parameters=(TEXT,),
        example="/reply Yes, I am.",
    ),
    Row(
        commands.History,
        GROUP,
        "Read the last entries of this room, or of what you and @USER said to each other, or those before a number.",
        op="history",
        data="room, before? or after? or around?, limit?",
        reply="room, entries, more",
        words=("/history",),
        parameters=(
            Parameter("@USER", "room", default=HERE, place=True),
            Parameter("COUNT", "limit", default="20", number=True),
            Parameter("NUMBER", "before", number=True, optional=True),
        ),
        example="/history 50",
    ),
    Row(
        commands.Read,
        GROUP,
        "Say that you have read a room you follow, or a conversation, up to an entry.",
        op="read",
        data="room, seq",
        reply="room, seq, unread, mentions",
    ),
    Row(
        commands.SayInLobby,
        GROUP,
        "Enter the lobby and speak there: the short form of join and say.",
        op="msg",
        data="the text itself, or {text, client_id?}",
        reply="room, seq, at",
    ),
)
