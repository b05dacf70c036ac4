"""Whole sessions at terminals, word for word: tests/transcripts holds what each person types and then sees.

A line is ``nina> what she types``, ``nina< what she sees``, a direction in parentheses, a comment (``#``) or empty.
Who is named for the first time connects, and waits for the greeting. After a change of words
`pytest --update-transcripts` writes the files anew: read what has changed as somebody who hears it read aloud would.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import House, Script, Terminal

_TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
_TYPED = re.compile(r"(\w+)> ?(.*)")
_SHOWN = re.compile(r"\w+< ?.*|\(\w+ is disconnected\)")
_NAWS = b"\xff\xfb\x1f\xff\xfa\x1f%b\x00\x18\xff\xf0"


class Stage:
    """People at their terminals, and the transcript of what happens there."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._house = House()
        self._people: dict[str, Terminal] = {}
        self._directions: dict[str, Callable[..., None]] = {
            r"(\w+) connects": self._person,
            r"(\w+)'s terminal has (\d+) columns": self._resize,
            r"(\w+) has an account": self._register,
            r"(\w+) hangs up": self._hang_up,
            r"(\d+) seconds pass": self._wait,
        }

    def perform(self, line: str) -> None:
        """Do what a line of a transcript says, and note it and what everybody sees of it, whoever did it first."""
        if found := _TYPED.fullmatch(line):
            name, typed = found.groups()
            self._person(name)
            self.lines.append(line)
            self._people[name].type(typed)
            self._note(name)
        elif line.startswith("("):
            self.lines.append(line)
            self._direct(line.strip("()"))
            self._note()
        else:
            self.lines.append(line)

    def _direct(self, direction: str) -> None:
        for pattern, act in self._directions.items():
            if found := re.fullmatch(pattern, direction):
                act(*found.groups())
                return
        raise AssertionError(f"nobody knows what to do: {direction}")

    def _person(self, name: str) -> None:
        if name not in self._people:
            self._people[name] = Terminal(self._house)
            self._house.clock.advance(1)
            self._note(name)

    def _resize(self, name: str, columns: str) -> None:
        self._person(name)
        terminal = self._people[name].transport
        terminal.receive(_NAWS % int(columns).to_bytes(2, "big"))
        terminal.take()  # telnet's answers are not shown

    def _register(self, name: str) -> None:
        person = Script(self._house, name)
        person.ask("register", password="correct horse")
        person.ask("quit")

    def _hang_up(self, name: str) -> None:
        self._people.pop(name).transport.end()
        self._house.settle()

    def _wait(self, seconds: str) -> None:
        self._house.clock.advance(int(seconds))

    def _note(self, first: str = "") -> None:
        for name in sorted(self._people, key=lambda name: name != first):
            person = self._people[name]
            self.lines += [f"{name}< {line}".rstrip() for line in person.take()]
            if person.transport.write_closed:
                self.lines.append(f"({name} is disconnected)")
                del self._people[name]


@pytest.mark.parametrize("path", _TRANSCRIPTS, ids=lambda path: path.stem)
def test_everybody_sees_what_the_transcript_says(path: Path, request: pytest.FixtureRequest) -> None:
    written = path.read_text("utf-8")
    stage = Stage()
    for line in written.splitlines():
        if not _SHOWN.fullmatch(line):
            stage.perform(line)
    seen = "\n".join(stage.lines) + "\n"
    if request.config.getoption("--update-transcripts"):
        path.write_text(seen, "utf-8")
    else:
        assert seen.splitlines() == written.splitlines()


def test_there_are_transcripts() -> None:
    assert _TRANSCRIPTS
