"""The figures as a picture: each server beside the bare loop, one scenario below the other."""

# The picture is an extra; without it the types of all else can still be checked.
# mypy: disable-error-code="import-not-found"

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import results
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from report import Report
from results import Cell
from scenarios import Scenario
from servers import BASELINE

_WIDTH = 9.0  # inches, as all lengths here
_BAR = 0.2
_GAP = 0.18  # between the groups of two scenarios
_LEAST_GROUP = 0.34  # two lines of text
_PANEL_EDGE = 0.6  # title and axis
_LEGEND = 0.3
_CAPTION_LINE = 0.14
_CAPTION_COLUMNS = 165
_TEXT_SHARE = 1.3  # how far the axis goes on behind the longest bar, for the text at it

_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_FAILED_COLOR = "#c00000"
_QUIET_COLOR = "#666666"
_LIMIT_LINE: dict[str, Any] = {"color": "#333333", "linestyle": "--", "linewidth": 1}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One half of the picture: a figure of all servers, divided by the bare loop's."""

    title: str
    ratio: Callable[[Cell, Cell | None], float | None]
    text: Callable[[Cell], str]
    unit: str
    shows: Callable[[Scenario], bool]


_PANELS = (
    _Panel(
        "Server CPU time per delivery, bare loop = 1 (shorter is better)",
        results.cpu_ratio,
        results.cpu_text,
        "µs",
        lambda scenario: scenario.speaks,
    ),
    _Panel(
        "Deliveries per second at full speed, bare loop = 1 (longer is better)",
        results.throughput_ratio,
        results.throughput_text,
        "/s",
        lambda scenario: scenario.flat_out,
    ),
)


def draw(report: Report, path: Path) -> None:
    """Write the picture; the suffix of the file says in which format."""
    with mpl.rc_context():
        _set_style()
        dateless = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
        _figure(report).savefig(path, dpi=150, metadata=dateless)


def _set_style() -> None:
    mpl.rcdefaults()  # not what a user has set for other pictures
    mpl.rcParams["font.family"] = "sans-serif"
    mpl.rcParams["font.sans-serif"] = ["DejaVu Sans", "Verdana"]
    mpl.rcParams["font.size"] = 8
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text: small, and sharp
    mpl.rcParams["svg.hashsalt"] = "benchmarks"  # equal figures give an equal file


def _figure(report: Report) -> Figure:
    cells = report.cells
    servers = [name for name in dict.fromkeys(cell.server for cell in cells) if name != BASELINE]
    group = max(_LEAST_GROUP, _BAR * len(servers)) + _GAP
    shown = [(panel, _scenarios(panel, cells)) for panel in _PANELS]
    shown = [(panel, scenarios) for panel, scenarios in shown if scenarios]
    heights = [_PANEL_EDGE + group * len(scenarios) for _, scenarios in shown]
    caption = _caption(report)
    below = _CAPTION_LINE * (len(caption) + 1)
    height = sum(heights) + _LEGEND + below
    rect = (0, below / height, 1, 1 - below / height)
    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.08, rect=rect)
    figure = Figure(figsize=(_WIDTH, height), layout=layout)
    grid = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
    for axes, (panel, scenarios) in zip(grid[:, 0], shown, strict=True):
        _draw_panel(axes, panel, scenarios, cells, servers, group)
    handles = [Patch(color=_color(i), label=name) for i, name in enumerate(servers)]
    line = Line2D([], [], label="bare C loop", **_LIMIT_LINE)
    figure.legend(handles=[*handles, line], loc="outside upper right", ncols=len(handles) + 1, frameon=False)
    figure.text(0.2 / _WIDTH, 0.05 / height, "\n".join(caption), size=6, color=_QUIET_COLOR, va="bottom")
    return figure


def _color(column: int) -> str:
    return _COLORS[column % len(_COLORS)]


def _scenarios(panel: _Panel, cells: Iterable[Cell]) -> list[Scenario]:
    return [s for s in dict.fromkeys(cell.scenario for cell in cells) if panel.shows(s)]


def _caption(report: Report) -> list[str]:
    paragraphs = [report.head, *results.notes(report.cells)]
    return [line for text in paragraphs for line in textwrap.wrap(text, _CAPTION_COLUMNS)]


def _draw_panel(
    axes: Axes,
    panel: _Panel,
    scenarios: list[Scenario],
    cells: list[Cell],
    servers: list[str],
    group: float,
) -> None:
    """Draw one group of bars per scenario, from top to bottom."""
    limits = results.baselines(cells)
    found = {(cell.scenario.name, cell.server): cell for cell in cells}
    longest = 1.0
    for row, scenario in enumerate(scenarios):
        _write_label(axes, panel, scenario, limits.get(scenario.name), row * group)
        for column, server in enumerate(servers):
            cell = found.get((scenario.name, server))
            if cell is None:
                continue
            place = row * group + (column - (len(servers) - 1) / 2) * _BAR
            ratio = panel.ratio(cell, limits.get(scenario.name))
            if ratio is not None:
                axes.barh(place, ratio, _BAR * 0.9, color=_color(column))
            _write_at_bar(axes, panel, cell, ratio, place)
            longest = max(longest, ratio or 0)
    axes.axvline(1, **_LIMIT_LINE)
    axes.set_yticks([])
    axes.set_ylim((len(scenarios) - 0.5) * group, -0.5 * group)
    axes.set_xlim(0, longest * _TEXT_SHARE)
    axes.set_title(panel.title, loc="left", size=9, weight="bold")
    axes.spines[["top", "right"]].set_visible(False)


def _write_at_bar(axes: Axes, panel: _Panel, cell: Cell, ratio: float | None, place: float) -> None:
    text = panel.text(cell)
    if not cell.failure:
        compared = "not compared" if ratio is None else f"{ratio:.2f}×"
        text = f"{compared} ({text} {panel.unit})"
    axes.annotate(
        text,
        (ratio or 0, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        size=7,
        color=_FAILED_COLOR if cell.failure else "black",
        weight="bold" if cell.failure else "normal",
        # The line of the bare loop may pass behind it.
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )


def _write_label(axes: Axes, panel: _Panel, scenario: Scenario, baseline: Cell | None, place: float) -> None:
    """Write what a group of bars is about to its left."""
    _write_label_line(axes, f"{scenario.name} – {scenario.title}", place, 5, "black")
    if baseline is not None and baseline.failure:
        _write_label_line(axes, f"bare loop {results.FAILED}", place, -5, _FAILED_COLOR)
    elif baseline is not None:
        text = f"bare loop {panel.text(baseline)} {panel.unit}"
        _write_label_line(axes, text, place, -5, _QUIET_COLOR)


def _write_label_line(axes: Axes, text: str, place: float, above: float, color: str) -> None:
    # Each line for itself: of a text of several lines an SVG file keeps only the left edge.
    axes.annotate(
        text,
        (0, place),
        xytext=(-5, above),
        textcoords="offset points",
        ha="right",
        va="center",
        color=color,
        annotation_clip=False,
    )
