"""Rooms: which there are, coming and going."""

from __future__ import annotations

from tcpchat.core import commands
from tcpchat.core.names import HERE
from tcpchat.wire.table.row import ROOM, THIS_ROOM, Parameter, Row

GROUP = "Rooms"

ROWS = (
    Row(
        commands.Join,
        GROUP,
        "Enter a room, with its key if it has one; it is created when absent.",
        op="join",
        data="room, key?, last? or after?",
        reply="room, topic, head, epoch, members, people, entries, more, read?",
        words=("/join", ":jr"),
        parameters=(ROOM, Parameter("KEY", "key", default="")),
        example="/join tea",
    ),
    Row(
        commands.Leave,
        GROUP,
        "Leave a room, this one if none is named.",
        op="leave",
        data="room",
        reply="room, members, current?",
        words=("/leave", ":lr"),
        parameters=(THIS_ROOM,),
        example="/leave tea",
    ),
    Row(
        commands.Switch,
        GROUP,
        "Speak in another of the rooms you are in.",
        op="switch",
        data="room",
        reply="room",
        words=("/switch",),
        parameters=(ROOM,),
        example="/switch lobby",
    ),
    Row(
        commands.ListRooms,
        GROUP,
        "List the rooms, or those whose name or topic contains a word.",
        op="rooms",
        data="search?",
        reply="rooms: [{room, topic, members, head, closed?, unread?, mentions?}], the busiest first, at most 1,000",
        words=("/rooms", ":lrs"),
        parameters=(Parameter("WORD", "search", default="", rest=True),),
        example="/rooms tea",
    ),
    Row(
        commands.ListMembers,
        GROUP,
        "List who is in a room, this one if none is named.",
        op="members",
        data="room",
        reply="room, members",
        words=("/who", ":lru"),
        parameters=(THIS_ROOM,),
        example="/who tea",
    ),
    Row(
        commands.Topic,
        GROUP,
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
        GROUP,
        "Create a room without entering it.",
        op="create",
        data="room",
        reply="room",
        words=("/create", ":cr"),
        parameters=(ROOM,),
        example="/create tea",
    ),
    Row(
        commands.Delete,
        GROUP,
        "Delete a room that you created, with everything said in it.",
        op="delete",
        data="room",
        reply="room",
        words=("/delete",),
        parameters=(ROOM,),
        example="/delete tea",
    ),
)
