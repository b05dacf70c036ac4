"""All that one call of the command has found out, and the file that it is kept in."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import results
from machine import Machine
from results import Cell


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of all cells, and what they depend on."""

    machine: Machine
    rounds: int
    cells: list[Cell]

    @property
    def head(self) -> str:
        """The line above the table."""
        return f"{self.machine.line()}; rounds: {self.rounds}."

    @property
    def failed(self) -> bool:
        """True if a cell has no figures."""
        return any(cell.failure for cell in self.cells)

    def show(self, markdown: bool) -> str:
        """The head, the table and the notes."""
        table = results.rows(self.cells)
        text = results.as_markdown(table) if markdown else results.as_text(table)
        notes = results.notes(self.cells)
        return "\n".join([self.head, "", text, *([""] if notes else []), *notes])


def write(report: Report, path: Path) -> None:
    """Write everything as JSON; `read` gives the same report."""
    content = {
        "machine": asdict(report.machine),
        "rounds": report.rounds,
        "cells": [results.as_json(cell) for cell in report.cells],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read(path: Path) -> Report:
    """Read what `write` wrote; raises ValueError if it is something else, or OSError."""
    try:
        content = json.loads(path.read_text("utf-8"))
        cells = [results.from_json(cell) for cell in content["cells"]]
        return Report(Machine(**content["machine"]), content["rounds"], cells)
    except KeyError as error:
        raise ValueError(f"{path} has no {error}, or does not know it") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold figures: {error}") from error
