"""What the shell is given: how to behave, where to show things, and what connects it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from tcpchat.wire.view import View


@dataclass(frozen=True, slots=True)
class Manner:
    """How to behave. ``name`` None: ask for it, unless a token tells it. Not ``interactive``: a pipe, quiet unless
    ``verbose``. ``token`` logs in to an account. ``view`` has the clock of this machine. ``unasked``: nobody gave the
    name, and the first line may say who one is instead."""

    name: str | None
    rooms: tuple[str, ...]
    interactive: bool
    verbose: bool = False
    token: str | None = None
    view: View = field(default_factory=View)
    unasked: bool = False


class Screen(Protocol):
    """Where lines are read and shown."""

    def show(self, line: str) -> None:
        """Show a line."""

    def complain(self, line: str) -> None:
        """Show a line that says what went wrong."""

    def hide(self) -> None:
        """Show nothing of what is typed, until `reveal`."""

    def reveal(self) -> None:
        """Show what is typed again."""

    def pause(self) -> None:
        """Read no more lines until `resume`."""

    def resume(self) -> None:
        """Read on."""


class Caller(Protocol):
    """What connects us; see `tcpchat.client.dialer.Dialer`."""

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""

    def stop(self) -> None:
        """Close the connection, and make no other."""

    def settle(self) -> None:
        """The connection is good."""
