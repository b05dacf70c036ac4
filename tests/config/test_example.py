from __future__ import annotations

import re
from pathlib import Path

from tcpchat.config.configuration import read_configuration
from tcpchat.config.example import example
from tcpchat.config.table import TABLE

FILE = Path(__file__).parents[2] / "deploy" / "tcpchat.toml"


def test_the_example_is_current() -> None:
    assert FILE.read_text() == example(), "make it anew: python -m tcpchat.config.example deploy/tcpchat.toml"


def test_the_example_says_the_defaults(tmp_path: Path) -> None:
    text, found = re.subn(r"^#(?=\w+ = )", "", example(), flags=re.MULTILINE)
    assert found == len(TABLE)
    (tmp_path / "chat.toml").write_text(text)
    plain = read_configuration({}, {}, tmp_path)
    configuration = read_configuration({"config": "chat.toml"}, {}, tmp_path)
    assert configuration.values == plain.values
    assert {origin.source for name, origin in configuration.origins.items() if name != "data"} == {"file"}


def test_every_option_is_in_the_manual() -> None:
    manual = (FILE.parents[1] / "docs" / "operations.md").read_text()
    for row in TABLE:
        assert row.option is None or f"| `--{row.option}" in manual, row.option


def test_the_example_as_it_is_changes_nothing(tmp_path: Path) -> None:
    configuration = read_configuration({"config": str(FILE)}, {}, tmp_path)
    assert {origin.source for origin in configuration.origins.values()} == {"default"}
