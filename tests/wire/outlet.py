"""A connection as a codec sees it, which keeps what it is told."""

from __future__ import annotations

from collections.abc import Callable


class Outlet:
    """Counts how often its reader was told to read differently."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.answers = b""
        self.reformatted = 0

    def answer(self, data: bytes) -> None:
        self.answers += data

    def later(self, seconds: float, say: Callable[[], None]) -> None:
        self.say = say

    def reformat(self) -> None:
        self.reformatted += 1


OUTLET = Outlet()
