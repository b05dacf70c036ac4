"""One row of the command table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tcpchat.core.commands import Command
from tcpchat.core.names import HERE


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word after a text command, and the command's field it becomes.

    The last parameter of a row takes the rest of the line if ``rest``. One with a ``default`` may be missing; so may
    one that is ``optional``, and then the command's own default counts.
    """

    name: str
    field: str
    default: str | None = None
    rest: bool = False
    number: bool = False
    optional: bool = False
    # A time such as 30m, in seconds; what is none is left for the next parameter.
    time: bool = False
    # Somebody's name after an @; what has none is left for the next parameter.
    place: bool = False

    @property
    def usage(self) -> str:
        """How the help shows it."""
        return f"[{self.name}]" if self.optional or self.default is not None else self.name


@dataclass(frozen=True, slots=True)
class Row:
    """One command: its name as a JSON operation, its words on the text wire, and what they become.

    ``data`` and ``reply`` are the fields of the JSON objects, as the reference shows them; ``example`` is a line
    that a person could type.
    """

    command: type[Command]
    group: str
    summary: str
    op: str = ""
    data: str = ""
    reply: str = ""
    words: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    example: str = ""
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def usage(self) -> str:
        """The first of its words with its parameters."""
        return self.usage_of(self.words[0])

    def usage_of(self, word: str) -> str:
        """One of its words with its parameters."""
        return " ".join((word, *(parameter.usage for parameter in self.parameters)))


ROOM = Parameter("ROOM", "room")
THIS_ROOM = Parameter("ROOM", "room", default=HERE)
TEXT = Parameter("TEXT", "text", rest=True)
USER = Parameter("USER", "user")
TIME = Parameter("TIME", "seconds", optional=True, time=True)
REASON = Parameter("REASON", "reason", default="", rest=True)
