"""What one is called, and how one reads."""

from __future__ import annotations

from tcpchat.core import commands
from tcpchat.wire import local
from tcpchat.wire.table.row import Parameter, Row

GROUP = "Yourself"

ROWS = (
    Row(
        commands.Rename,
        GROUP,
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
        GROUP,
        "Take another colour, for those who see colours; without one, none.",
        op="color",
        data="color?",
        reply="user",
    ),
    Row(
        local.Color,
        GROUP,
        "See names in colours (on) or not (off), or take a colour for yours: a word such as teal, or #3a7bd5, or none.",
        words=("/color",),
        parameters=(Parameter("WORD", "word"),),
        example="/color on",
    ),
    Row(
        local.Timezone,
        GROUP,
        "Say how far your clock is from UTC, so that times are yours.",
        words=("/timezone",),
        parameters=(Parameter("OFFSET", "offset", default=""),),
        example="/timezone +2",
    ),
    Row(
        commands.GoAway,
        GROUP,
        "Say that you are away, and why; without a word that you are back.",
        op="away",
        data="text?",
        reply="text?",
        words=("/away",),
        parameters=(Parameter("TEXT", "text", default="", rest=True),),
        example="/away at lunch",
    ),
)
