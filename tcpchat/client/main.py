"""``tcpchat HOST[:PORT]``: options, signals, and the exit status."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import react

import tcpchat
from tcpchat.client.address import DEFAULT_PORT, client_endpoint
from tcpchat.client.connection import Connection
from tcpchat.client.dialer import Dialer
from tcpchat.client.parts import Manner
from tcpchat.client.shell import Shell
from tcpchat.client.terminal import Terminal, restore
from tcpchat.client.trust import Trust, parse_fingerprint
from tcpchat.core.names import LOBBY
from tcpchat.wire.view import View

_TOKEN = "TCPCHAT_TOKEN"  # noqa: S105 (the name of a variable)
_EPILOG = (
    "What you type is said in the current room; /help lists the commands. In a pipe each line is said, and the exit "
    "status is 0 if all of them were acknowledged, else 1; a line that begins with a slash is a command, with two "
    "slashes it is not. With a token in the environment variable TCPCHAT_TOKEN it logs in to an account."
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong."""
        self.exit(2, f"tcpchat: {message}; see tcpchat --help\n")


def parse_options(arguments: Sequence[str] | None, *, interactive: bool) -> tuple[str, Manner, Trust | None]:
    """Return the address, how to behave, and whom to trust under TLS.

    Exits with status 2 after a line on standard error.
    """
    parser = _Parser(prog="tcpchat", description="Chat in lines.", epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument(
        "address", metavar="HOST[:PORT]", help=f"the server [port {DEFAULT_PORT}], or tls:HOST[:PORT], or unix:/PATH"
    )
    parser.add_argument("--name", help="your name [asked for; in a pipe your login name]")
    parser.add_argument("--room", action="append", help=f"a room to join; the last one is current [{LOBBY}]")
    parser.add_argument("--tls-ca", metavar="FILE", help="trust whom the certificates in FILE sign, or are")
    parser.add_argument(
        "--tls-fingerprint", metavar="SHA256", help="trust the one certificate with this fingerprint, and no other"
    )
    parser.add_argument("--verbose", action="store_true", help="in a pipe, print what the server tells, too")
    parser.add_argument("--version", action="version", version=f"tcpchat {tcpchat.__version__}")
    options = parser.parse_args(arguments)
    name: str | None = options.name
    unasked = False
    if name is None and not interactive and not os.environ.get(_TOKEN):
        try:
            name, unasked = getpass.getuser(), True
        except (OSError, KeyError):
            name = ""
    if name is not None and not name.strip():
        parser.error("a name is needed: --name NAME")
    view = View(offset=time.localtime().tm_gmtoff // 60)
    rooms, token = tuple(options.room or [LOBBY]), os.environ.get(_TOKEN) or None
    manner = Manner(name, rooms, interactive, options.verbose, token, view, unasked)
    return options.address, manner, _trust(parser, options)


def _trust(parser: _Parser, options: argparse.Namespace) -> Trust | None:
    if options.tls_ca is None and options.tls_fingerprint is None:
        return None
    if options.tls_ca is not None and options.tls_fingerprint is not None:
        parser.error("--tls-ca can't be given together with --tls-fingerprint")
    try:
        fingerprint = parse_fingerprint(options.tls_fingerprint) if options.tls_fingerprint is not None else None
    except ValueError as error:
        parser.error(str(error))
    return Trust(Path(options.tls_ca) if options.tls_ca is not None else None, fingerprint)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the client, and exit."""
    if sys.stdin is None or sys.stdout is None:
        sys.exit("tcpchat: standard input and output must be open")
    address, manner, trust = parse_options(arguments, interactive=sys.stdin.isatty())
    try:
        react(_run, (address, manner, trust))
    finally:
        restore()


def _run(reactor: Any, address: str, manner: Manner, trust: Trust | None) -> Deferred[None]:
    """Put the parts together; fires when all is over, with a SystemExit for its status."""
    try:
        endpoint = client_endpoint(reactor, address, trust)
    except ValueError as error:
        sys.stderr.write(f"tcpchat: {error}; see tcpchat --help\n")
        sys.exit(2)
    finished: Deferred[None] = Deferred()
    terminal = Terminal(interactive=manner.interactive)

    def finish(status: int) -> None:
        if not finished.called:
            finished.errback(SystemExit(status))

    def done(status: int) -> None:
        if terminal.closing:  # nobody may ever read what is left
            finish(status)
        else:
            terminal.close().addCallback(lambda _: finish(status))

    shell = Shell(manner, terminal, reactor, done)
    dialer = Dialer(endpoint, lambda: Connection(reactor, shell), shell.failed, shell.waiting, reactor)
    terminal.listener = shell
    terminal.open(reactor)
    for number in (signal.SIGINT, signal.SIGTERM):
        reactor.callWhenRunning(
            signal.signal, number, lambda number, _: reactor.callFromThread(shell.interrupt, 128 + number)
        )
    reactor.callWhenRunning(shell.start, dialer)
    return finished
