"""The servers that are measured: how each is started, and what a client says to it."""

import sys
from dataclasses import dataclass
from pathlib import Path

BASELINE = "bare"
"""The server that all others are compared with."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server on one of its wires.

    In `command` these stand for the values of a run: {port} a free TCP port on 127.0.0.1, {data}
    an empty directory of its own, {tools} the directory of the compiled C programs, {bin} the
    directory of the running Python. The server must stay in the foreground, so that its process
    is the one whose CPU time and memory are read.

    `dialogue` is handed to chatload, whose header comment explains it: --step and --expect for
    the handshake of one client, --send for a message, --echo 1 when authors hear themselves.
    """

    name: str
    command: tuple[str, ...]
    dialogue: tuple[str, ...]

    @property
    def deflates(self) -> bool:
        """Whether chatload needs zlib for it."""
        return "--deflate" in self.dialogue

    def command_line(self, port: int, data: Path, tools: Path) -> list[str]:
        """The command of one run."""
        values = {"port": port, "data": data, "tools": tools, "bin": Path(sys.executable).parent}
        return [word.format_map(values) for word in self.command]


# --trust: all clients come from one address, which the limits per address would stop.
_TCPCHAT = (
    *("{bin}/twistd", "-n", "--pidfile=", "tcpchat"),
    *("--port", "{port}", "--data", "{data}", "--trust", "127.0.0.0/8"),
)


def _json_objects(end: str) -> tuple[str, ...]:
    """What a program says; `end` is what ends each object."""
    login = r'{"op":"login","id":1,"data":{"name":"%n"}}'
    join = r'{"op":"join","id":2,"data":{"room":"%r"}}'
    say = r'{"op":"say","data":{"room":"%r","text":"%p"}}'
    # Only a reply has a status; an error reply carries the id, too, but must not count.
    done = '"status":"ok"'
    return (
        *("--echo", "1", "--send", say + end),
        *("--step", login + end, "--expect", done, "--step", join + end, "--expect", done),
    )


_JSON_LINES = ("--dialect", "json", *_json_objects(r"\n"))

# The same objects, one in each frame.
_WEBSOCKET = ("--dialect", "websocket", *_json_objects(""))

_TEXT = (
    *("--dialect", "text", "--echo", "1"),
    *("--step", r"%n\n", "--expect", "lobby"),
    *("--step", r"/join %r\n", "--expect", "%r"),
    *("--send", r"%p\n"),
)

_IRC = ("--dialect", "irc", "--echo", "0")

SERVERS = {
    server.name: server
    for server in (
        Server(BASELINE, ("{tools}/barelimit", "{port}"), _IRC),
        Server("tcpchat", _TCPCHAT, _JSON_LINES),
        Server("tcpchat-text", _TCPCHAT, _TEXT),
        Server("tcpchat-ws", _TCPCHAT, _WEBSOCKET),
        Server("tcpchat-ws-deflate", _TCPCHAT, (*_WEBSOCKET, "--deflate")),
    )
}

DEFAULT_SERVERS = ("tcpchat",)
