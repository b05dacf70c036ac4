from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.wire.wrap import columns, wrap


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("", [""]),
        ("nina: short", ["nina: short"]),
        ("nina: exactly twenty", ["nina: exactly twenty"]),
        ("nina: this is longer than twenty", ["nina: this is longer", "  than twenty"]),
        ("nina: two  spaces  stay, but not at the cut", ["nina: two  spaces", "  stay, but not at", "  the cut"]),
        ("n: " + "x" * 50, ["n:", "  " + "x" * 18, "  " + "x" * 18, "  " + "x" * 14]),
        ("y" * 25 + " z", ["y" * 20, "  " + "y" * 5 + " z"]),
        # Two columns each, of which the last would stand in column 20 and 21.
        ("nina: 漢字漢字漢字漢字", ["nina:", "  漢字漢字漢字漢字"]),
        ("a" + "漢" * 15, ["a" + "漢" * 9, "  " + "漢" * 6]),
        # The mark stays with its letter.
        ("e\u0301" * 21, ["e\u0301" * 20, "  e\u0301"]),
        # Of what some terminals show, or show wider, and others don't the most is counted: a soft hyphen, and a heart
        # that is made a picture.
        ("n: " + "\u00ad" * 18, ["n:", "  " + "\u00ad" * 18]),
        ("n: " + "\u2764\ufe0f" * 9, ["n:", "  " + "\u2764\ufe0f" * 9]),
    ],
)
def test_lines_of_twenty_columns(line: str, lines: list[str]) -> None:
    assert wrap(line, 20) == lines


def test_without_a_width_and_for_very_long_lines_nothing_changes() -> None:
    assert wrap("x " * 500, 0) == ["x " * 500]
    assert wrap("x " * 1025, 20) == ["x " * 1025]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=300), st.integers(20, 80))
def test_nothing_is_lost_and_no_line_is_too_long(text: str, width: int) -> None:
    first, *others = wrap(text, width)
    assert all(columns(line) <= width for line in (first, *others))
    assert all(line.startswith("  ") for line in others)
    assert "".join((first, *others)).replace(" ", "") == text.replace(" ", "")
