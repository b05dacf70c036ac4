"""The space on the disk is looked at again and again, and a look that fails ends nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from tcpchat.server.space import LOOK_SECONDS, DiskSpace, free_bytes


class Threads(Clock):
    """A virtual clock whose threads do at once what they are given."""

    def getThreadPool(self) -> Threads:
        return self

    def callInThreadWithCallback(self, done: Callable[..., None], call: Callable[..., Any], *args: Any) -> None:
        try:
            found = call(*args)
        except OSError:
            done(False, Failure())
        else:
            done(True, found)

    def callFromThread(self, call: Callable[..., None], *args: Any) -> None:
        call(*args)


def test_it_looks_at_once_and_then_again_and_again(tmp_path: Path) -> None:
    clock, told = Threads(), list[int | None]()
    space = DiskSpace(tmp_path, clock, told.append)
    space.start()
    assert len(told) == 1
    clock.pump([LOOK_SECONDS] * 3)
    assert len(told) == 4
    assert all(told)
    space.stop()
    clock.advance(LOOK_SECONDS)
    assert len(told) == 4


def test_a_disk_that_can_not_be_asked_is_said_once(tmp_path: Path) -> None:
    clock, told = Threads(), list[int | None]()
    space = DiskSpace(tmp_path / "nothing", clock, told.append)
    with capturedLogs() as logged:
        space.start()
        clock.pump([LOOK_SECONDS] * 3)
    assert told == [None] * 4
    assert len(logged) == 1


def test_a_fault_in_telling_ends_nothing(tmp_path: Path) -> None:
    told = list[int | None]()

    def fail(free: int | None) -> None:
        told.append(free)
        raise RuntimeError

    clock = Threads()
    DiskSpace(tmp_path, clock, fail).start()
    with capturedLogs():
        clock.advance(LOOK_SECONDS)
    assert len(told) == 2


def test_what_is_free_is_what_can_be_written(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
