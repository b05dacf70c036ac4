"""Passwords for accounts: typed twice, read from a pipe, or made here. Never an argument, which others can see."""

from __future__ import annotations

import secrets
import sys
from getpass import getpass

from tcpchat.admin.dialogue import Failed

# 96 bits: nobody guesses it, and it can still be read out.
_RANDOM_BYTES = 12


def new_password(*, generate: bool) -> str:
    """Return a password: made here, typed twice at a terminal, or a line of standard input. Raises `Failed`."""
    if generate:
        return secrets.token_urlsafe(_RANDOM_BYTES)
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    try:
        first = getpass("New password: ")
        if getpass("The same again: ") == first:
            return first
    except EOFError:
        raise Failed("no password was typed, so nothing has changed") from None
    raise Failed("the two were not the same, so nothing has changed")
