"""``tcpchat-admin``: what an operator does with a daemon and its configuration.

Each group of subcommands is a module with ``add_commands``, which adds parsers whose ``run`` takes the arguments and
returns the exit status. The modules load what they need only when they are asked for something.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

import tcpchat
from tcpchat.admin import configuration, remote
from tcpchat.admin.dialogue import Failed
from tcpchat.errors import StartError

_GROUPS = (remote, configuration)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit status: 0, 1 if it can't be done, 2 for a command that makes no sense."""
    parser = argparse.ArgumentParser(prog="tcpchat-admin", description="Administer tcpchat.")
    parser.add_argument("--version", action="version", version=f"tcpchat {tcpchat.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for group in _GROUPS:
        group.add_commands(commands)
    given = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = given.run
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # rather than fail where the terminal knows fewer characters
    try:
        status = run(given)
        sys.stdout.flush()
        return status
    except (StartError, Failed) as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"tcpchat-admin: {line}\n")
        return 1
    except BrokenPipeError:  # such as `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130  # as of a shell's command that SIGINT has ended


if __name__ == "__main__":
    sys.exit(main())
