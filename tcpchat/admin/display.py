"""How answers look on a terminal: tables as wide as what is in them, local times, nothing that a terminal obeys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tcpchat.core.text import clean
from tcpchat.wire.wrap import columns

Cell = str | int | float
_GAP = "  "


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Yield a line of heads and one for each row; numbers stand on the right. Without rows, only a word of that."""
    rows = list(rows)
    if not rows:
        yield "There is nothing to show."
        return
    lines = [[head.upper() for head in heads], *([_text(cell) for cell in row] for row in rows)]
    widths = [max(columns(line[place]) for line in lines) for place in range(len(heads))]
    numeric = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(heads))]
    for line in lines:
        cells = (_padded(*one) for one in zip(line, widths, numeric, strict=True))
        yield _GAP.join(cells).rstrip()


def moment(at: int | None) -> str:
    """Return a time in ms since 1970, UTC, by the clock of this machine; nothing for none."""
    return "" if at is None else f"{datetime.fromtimestamp(at / 1000):%Y-%m-%d %H:%M:%S}"


def sentence(text: str) -> str:
    """Return words of the daemon's, or of this program about them, as one harmless line."""
    return clean(text)


def _text(cell: Cell) -> str:
    return clean(cell) if isinstance(cell, str) else f"{cell:,}"


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - columns(text))
    return space + text if right else text + space
