"""The connection itself."""

from __future__ import annotations

from tcpchat.core import commands
from tcpchat.wire import local
from tcpchat.wire.table.row import Parameter, Row

GROUP = "The connection"

ROWS = (
    Row(
        commands.Hello,
        GROUP,
        "Ask what this server is.",
        op="hello",
        reply="server, version, protocol (1), features, limits, motd, people, guests, registration",
    ),
    Row(
        local.Help,
        GROUP,
        "Show the commands, or one of them with an example.",
        words=("/help",),
        parameters=(Parameter("COMMAND", "topic", default="", rest=True),),
        example="/help join",
    ),
    Row(commands.Ping, GROUP, "Ask for an answer.", op="ping", words=("/ping", ":ping"), example="/ping"),
    Row(
        commands.Quit,
        GROUP,
        "Say goodbye and close the connection.",
        op="quit",
        words=("/quit", ":quit"),
        example="/quit",
    ),
)
