"""Figures of the runs, their medians, and the table that is printed."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from scenarios import SCENARIOS, Scenario
from servers import BASELINE

Figures = dict[str, float]
"""The numbers of one run, under the names that chatload prints; `start_s` is added."""

NOTHING = "-"
FAILED = "FAILED"
LIMIT_MARK = "†"
_LIMIT_LOAD = 0.95  # of a core


@dataclass(slots=True)
class Cell:
    """All rounds of one server in one scenario."""

    scenario: Scenario
    server: str
    rounds: list[Figures] = field(default_factory=list)
    failure: str = ""
    """Why there are no figures; empty if all is well."""

    def median(self, name: str) -> float:
        """Median of one figure over the rounds; there must be a round."""
        return statistics.median(figures[name] for figures in self.rounds)

    @property
    def generator_limited(self) -> bool:
        """True if the load generator was at its limit while the server was not."""
        return self.median("gen_util") > _LIMIT_LOAD > self.median("srv_util")


def _significant(value: float) -> str:
    """Three significant digits, without an exponent."""
    decimals = 0
    while decimals < 4 and 0 < value * 10**decimals < 100:
        decimals += 1
    return f"{value:.{decimals}f}"


def _grouped(value: float) -> str:
    return f"{value:,.0f}"


def _hundredths(value: float) -> str:
    return f"{value:.2f}"


def _mib(kib: float) -> str:
    return _significant(kib / 1024)


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    figure: str
    show: Callable[[float], str]
    of_messages: bool = True
    """Empty where nobody speaks."""


_CPU = _Column("µs/delivery", "us_per_deliv", _significant)
_THROUGHPUT = _Column("deliveries/s", "deliv_per_s", _grouped)
_COLUMNS = (
    _THROUGHPUT,
    _Column("p50 ms", "p50_ms", _significant),
    _Column("p99 ms", "p99_ms", _significant),
    _Column("p99.9 ms", "p999_ms", _significant),
    _Column("KiB/conn.", "rss_per_conn_kb", _significant, of_messages=False),
    _Column("conn./s", "conn_per_s", _grouped, of_messages=False),
    _Column("MiB idle", "rss0_kb", _mib, of_messages=False),
    _Column("start s", "start_s", _hundredths, of_messages=False),
)
_NEEDED = {"gen_util", "srv_util", _CPU.figure, *(column.figure for column in _COLUMNS)}

TITLES = (
    *("scenario", "server", _CPU.title, "vs bare"),
    *(column.title for column in _COLUMNS),
)


def _show(cell: Cell, column: _Column) -> str:
    if column.of_messages and not cell.scenario.speaks:
        return NOTHING
    text = column.show(cell.median(column.figure))
    return text + LIMIT_MARK if column is _THROUGHPUT and cell.generator_limited else text


def cpu_text(cell: Cell) -> str:
    """Microseconds of CPU time per delivery as the table shows them."""
    return FAILED if cell.failure else _show(cell, _CPU)


def throughput_text(cell: Cell) -> str:
    """Deliveries per second as the table shows them."""
    return FAILED if cell.failure else _show(cell, _THROUGHPUT)


def cpu_ratio(cell: Cell, baseline: Cell | None) -> float | None:
    """CPU time per delivery, divided by the baseline's; None if one of the two has no figure."""
    return _ratio(cell, baseline, _CPU)


def throughput_ratio(cell: Cell, baseline: Cell | None) -> float | None:
    """Deliveries per second, divided by the baseline's; None if one of the two has no figure."""
    return _ratio(cell, baseline, _THROUGHPUT)


def _ratio(cell: Cell, baseline: Cell | None, column: _Column) -> float | None:
    if cell.failure or baseline is None or baseline.failure or not cell.scenario.speaks:
        return None
    limit = baseline.median(column.figure)
    return cell.median(column.figure) / limit if limit else None


def baselines(cells: Iterable[Cell]) -> dict[str, Cell]:
    """The cells of the bare loop by the names of their scenarios."""
    return {cell.scenario.name: cell for cell in cells if cell.server == BASELINE}


def rows(cells: Iterable[Cell]) -> list[tuple[str, ...]]:
    """The table without its titles, a row per cell, as text."""
    cells = list(cells)
    limits = baselines(cells)
    table = []
    for cell in cells:
        name = cell.scenario.name
        if cell.failure:
            table.append((name, cell.server, FAILED, *([NOTHING] * (len(TITLES) - 3))))
            continue
        ratio = cpu_ratio(cell, limits.get(name))
        compared = NOTHING if ratio is None else f"{ratio:.2f}"
        figures = (_show(cell, column) for column in _COLUMNS)
        table.append((name, cell.server, _show(cell, _CPU), compared, *figures))
    return table


def notes(cells: Iterable[Cell]) -> list[str]:
    """What must be said below the table."""
    cells = list(cells)
    failed = [cell for cell in cells if cell.failure]
    lines = [f"{FAILED}: {cell.scenario.name} {cell.server}: {cell.failure}" for cell in failed]
    if any(cell.generator_limited for cell in cells if not cell.failure):
        lines.append(f"{LIMIT_MARK} The load generator was at its limit, the server was not.")
    return lines


def as_text(table: list[tuple[str, ...]]) -> str:
    """Aligned columns for a terminal."""
    lines = [TITLES, *table]
    widths = [max(len(line[i]) for line in lines) for i in range(len(TITLES))]
    return "\n".join("  ".join(_align(line, widths)).rstrip() for line in lines)


def as_markdown(table: list[tuple[str, ...]]) -> str:
    """A table for a Markdown file."""
    marks = ("---", "---", *["---:"] * (len(TITLES) - 2))
    return "\n".join("| " + " | ".join(line) + " |" for line in (TITLES, marks, *table))


def _align(line: tuple[str, ...], widths: list[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [
        text.ljust(width) if i < 2 else text.rjust(width)
        for i, (text, width) in enumerate(zip(line, widths, strict=True))
    ]


def as_json(cell: Cell) -> dict[str, object]:
    """A cell with the figures of every round."""
    return {
        "scenario": cell.scenario.name,
        "server": cell.server,
        "failure": cell.failure or None,
        "rounds": cell.rounds,
    }


def from_json(content: dict[str, Any]) -> Cell:
    """The cell that `as_json` made this of; raises KeyError if something is missing."""
    rounds: list[Figures] = content["rounds"]
    failure = content["failure"] or ""
    if not rounds and not failure:
        raise KeyError("rounds")
    for figures in rounds:
        for name in sorted(_NEEDED - figures.keys()):
            raise KeyError(name)
    return Cell(SCENARIOS[content["scenario"]], content["server"], rounds, failure)
