"""The annotated example of a configuration, made from the table of settings.

    python -m tcpchat.config.example deploy/tcpchat.toml

writes it anew. Every setting is there with its default, commented out.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tcpchat.config.kinds import Flag, ListOf
from tcpchat.config.table import LIMITS, TABLE, Setting

_WIDTH = 100
_HEAD = """\
The settings of tcpchat, each with its default, commented out: take the # away and change it.

An option on the command line goes before a variable of the environment, that before one in the file .env of the \
working directory, that before this file. `tcpchat-admin check-config FILE` says what is wrong in it, and \
`tcpchat-admin show-config --config FILE` what would be in force.

SIGHUP lets the daemon read it anew: settings marked "live" change at once, the others at the next start. A file with \
any mistake is refused whole. Paths are relative to the directory of this file; an empty one is none."""

_LIMITS_HEAD = """\
Limits. All of them are live. A connection keeps what it began with: the time to log in, and the length of a line. A \
variable is called TCPCHAT_LIMITS_LINE_BYTES, and so on."""


def example() -> str:
    """Return the file."""
    rows = [row for row in TABLE if not row.name.startswith(f"{LIMITS}.")]
    limits = [row for row in TABLE if row.name.startswith(f"{LIMITS}.")]
    blocks = [
        *_paragraphs(_HEAD),
        *map(_setting, rows),
        *_paragraphs(_LIMITS_HEAD),
        f"[{LIMITS}]",
        *map(_limit, limits),
    ]
    return "\n\n".join(blocks) + "\n"


def _setting(row: Setting) -> str:
    notes = [f"{row.about}. {row.reason}"]
    facts = ["live" if row.live else "after a restart", row.variable]
    if row.option is not None:
        facts.insert(1, f"--{row.option}{_argument(row)}")
    if row.otherwise is not None:
        facts.append(f"default: {row.otherwise}")
    notes.append(f"({'; '.join(facts)})")
    return "\n".join([*map(_comment, notes), _line(row)])


def _limit(row: Setting) -> str:
    return f"{_comment(f'{row.about} In {row.unit}.')}\n{_line(row)}"


def _argument(row: Setting) -> str:
    if isinstance(row.kind, Flag):
        return ""
    return " …, repeatable" if isinstance(row.kind, ListOf) else " …"


def _line(row: Setting) -> str:
    return f"#{row.name.removeprefix(f'{LIMITS}.')} = {row.kind.to_toml(row.default)}"


def _paragraphs(text: str) -> Iterator[str]:
    yield "\n#\n".join(map(_comment, text.split("\n\n")))


def _comment(text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(example(), "utf-8")
