from __future__ import annotations

import pytest

from tcpchat.config.dotenv import Line, parse


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X_A=plain", "plain"),
        ("  export X_A = two words  ", "two words"),
        ("X_A=value # a comment", "value"),
        ("X_A=value # it's a comment", "value"),
        ("X_A=a#b", "a#b"),
        ("X_A=", ""),
        ("X_A= # nothing", ""),
        ("X_A=#", ""),
        ("X_A='single # \\n \"'  # a comment", 'single # \\n "'),
        (r'X_A="double \"quoted\" \\ \n $HOME # "', 'double "quoted" \\ \n $HOME # '),
        ("X_A=$HOME", "$HOME"),
        ('X_A="open', None),
        ("X_A='a'b", None),
        (r'X_A="\t"', None),
        ("X_A=a'b", None),
        ("X_A", None),
        ("X_A: 5", None),
    ],
)
def test_a_line(line: str, value: str | None) -> None:
    assert parse(line, "X_") == [Line(1, "X_A", value)]


def test_what_is_somebody_else_s_is_passed_over() -> None:
    text = "# X_A=1\nPORT=1\n\n???\nOTHER='a\nb'\nX_B=2\r\nMY_X_C=3\n"
    assert parse(text, "X_") == [Line(7, "X_B", "2")]
