"""The reference in docs/protocol.md, made from the command table.

    python -m tcpchat.wire.reference docs/protocol.md

writes it anew between its markers.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tcpchat.wire.table import GROUPS, TABLE, Row


def operations() -> str:
    """Return the JSON operations as a Markdown table."""
    rows = [row for row in _sorted() if row.op]
    lines = [f"| `{row.op}` | {row.summary} | {row.data or '–'} | {row.reply or '–'} |" for row in rows]
    return "\n".join(["| op | what it does | data | reply's data |", "|---|---|---|---|", *lines])


def commands() -> str:
    """Return the commands of the text wire as a Markdown table."""
    lines = ["| command | also | what it does | for example |", "|---|---|---|---|"]
    for row in _sorted():
        if row.words:
            also = ", ".join(f"`{row.usage_of(word)}`" for word in row.words[1:])
            lines.append(f"| `{row.usage}` | {also} | {row.summary} | `{row.example}` |")
    return "\n".join(lines)


def updated(document: str) -> str:
    """Return ``document`` with the tables between their markers made anew. Raises ValueError if a marker is missing."""
    for name, table in (("operations", operations()), ("commands", commands())):
        pattern = rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)"
        document, found = re.subn(pattern, lambda match: f"{match[1]}{table}\n{match[2]}", document, flags=re.DOTALL)  # noqa: B023
        if found != 1:
            raise ValueError(f"the markers of {name} are not there once")
    return document


def _sorted() -> list[Row]:
    return sorted(TABLE, key=lambda row: GROUPS.index(row.group))


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text()))
