"""The space that is left on the disk of the database, looked at again and again off the reactor's thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

# Looking costs a few µs; in two seconds a fast disk is given some 1,000 MiB, this daemon writes some 20 at the most.
LOOK_SECONDS = 2.0


class DiskSpace:
    """Looks at the disk of ``directory`` between `start` and `stop`, and tells how many bytes are left there.

    ``tell`` is called on the reactor's thread, with None if that can't be known.
    """

    _log = Logger()

    def __init__(self, directory: Path, reactor: Any, tell: Callable[[int | None], None]) -> None:
        self._directory = directory
        self._reactor = reactor
        self._tell = tell
        self._unknown = False
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor

    def start(self) -> None:
        """Begin to look, at once."""
        self._looking.start(LOOK_SECONDS)

    def stop(self) -> None:
        """Look no more."""
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> Deferred[None]:
        # The next look waits for this one: a disk that hangs takes one thread and no more.
        looking: Deferred[int] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), free_bytes, self._directory
        )
        return looking.addErrback(self._failed).addCallback(self._told)

    def _told(self, free: int | None) -> None:
        if not self._looking.running:
            return
        try:
            self._tell(free)
        except Exception:  # or there would be no other look
            self._log.failure("the space that is left could not be told")

    def _failed(self, failure: Failure) -> None:
        failure.trap(OSError)
        if not self._unknown:
            self._unknown = True
            self._log.warn(
                "the space left in {directory} is not known: {why}", directory=self._directory, why=failure.value
            )


def free_bytes(directory: Path) -> int:
    """Return how many bytes this process may still write to the disk of ``directory``. Blocks, and raises OSError."""
    disk = os.statvfs(directory)
    blocks = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return blocks * disk.f_frsize
