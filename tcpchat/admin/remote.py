"""The subcommands that ask a running daemon: their arguments, where it is, and the answer in either form."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from tcpchat.admin.dialogue import Dialogue
from tcpchat.admin.password import new_password
from tcpchat.admin.subcommand import Subcommand
from tcpchat.admin.table import TABLE
from tcpchat.errors import StartError

_TIMEOUT_SECONDS = 10.0
_GROUPS = {"account": "make accounts, reset their passwords, delete them", "token": "make, list and revoke tokens"}


def add_commands(commands: Any) -> None:
    """Add every row of the table."""
    common = _common()
    groups: dict[str, Any] = {}
    for row in TABLE:
        place = commands
        for word in row.words[:-1]:
            if word not in groups:
                group = commands.add_parser(word, help=_GROUPS[word])
                groups[word] = group.add_subparsers(metavar="ACTION", required=True)
            place = groups[word]
        summary = f"{row.summary[0].upper()}{row.summary[1:]}."
        parser = place.add_parser(row.words[-1], help=row.summary, description=summary, parents=[common])
        for argument in row.arguments:
            argument.add_to(parser)
        if row.password:
            parser.add_argument("--generate", action="store_true", help="make the password here, and print it")
        parser.set_defaults(run=_run, row=row, parser=parser)


def _common() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("the daemon")
    group.add_argument("--socket", metavar="PATH", type=Path, help="its admin socket")
    group.add_argument("--data-dir", metavar="DIR", type=Path, help="its data directory, with the socket in it")
    group.add_argument("--config", metavar="FILE", help="its file of settings, which says where the socket is")
    group.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=_TIMEOUT_SECONDS,
        help=f"how long to wait for its answer ({_TIMEOUT_SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print the answer as one JSON object")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86_400:
        raise ValueError
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    row: Subcommand = arguments.row
    data = row.data(arguments)
    if row.one_of and sum(name in data for name in row.one_of) != 1:
        arguments.parser.error(f"give exactly one of {' and '.join(row.one_of)}")
    ask = row.ask(data)
    path = _socket(arguments)
    if row.password:
        data["password"] = new_password(generate=arguments.generate)
    with Dialogue(path, arguments.timeout) as dialogue:
        answer = dialogue.ask(ask.op, data)
    if row.password and arguments.generate:
        answer["password"] = data["password"]
    lines = [json.dumps(answer)] if arguments.json else ask.show(answer, data)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _socket(arguments: argparse.Namespace) -> Path:
    """Return where the daemon's socket should be, by the same settings as the daemon's own; raises `StartError`."""
    if arguments.socket is not None:
        found: Path = arguments.socket
        return found
    from tcpchat.config.configuration import read_configuration
    from tcpchat.config.surroundings import ADMIN_SOCKET, admin_socket

    if arguments.data_dir is not None:
        given: Path = arguments.data_dir / ADMIN_SOCKET
        return given
    configuration = read_configuration({"config": arguments.config}, os.environ, Path.cwd())
    path = admin_socket(configuration["admin_socket"], configuration["data"])
    if path is None:
        raise StartError("the admin socket is switched off (admin_socket)")
    return path
