"""Certificates that end soon are said in time, and again each day."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tcpchat.server.certificates import PairFiles
from tcpchat.server.tls import TlsContext
from tcpchat.server.watch import LOOK_SECONDS, REMIND_SECONDS, CertificateWatch
from tests.certificates import issue


class Threads(Clock):
    """A virtual clock whose threads do at once what they are given."""

    def getThreadPool(self) -> Threads:
        return self

    def callInThreadWithCallback(self, done: Callable[..., None], call: Callable[..., Any], *args: Any) -> None:
        done(True, call(*args))

    def callFromThread(self, call: Callable[..., None], *args: Any) -> None:
        call(*args)


@pytest.mark.parametrize(
    ("days", "warned"),
    [((-76, 14.01), False), ((-77, 13.99), True), ((-4, 1.01), False), ((-5.1, 0.9), True), ((-2, -1), True)],
)
def test_a_certificate_that_ends_soon_is_warned_of(tmp_path: Path, days: tuple[float, float], *, warned: bool) -> None:
    certificate, key = issue("localhost", days=days).write(tmp_path)
    warnings = TlsContext(PairFiles(certificate, key)).warnings
    assert bool(warnings) is warned
    assert all(str(certificate) in warning for warning in warnings)


def test_it_is_said_again_each_day_and_no_more_often(tmp_path: Path) -> None:
    certificate, key = issue("localhost", days=(-80, 10)).write(tmp_path)
    clock = Threads()
    watch = CertificateWatch([TlsContext(PairFiles(certificate, key))], clock)
    with capturedLogs() as logged:
        watch.start()
        clock.pump([LOOK_SECONDS] * int(2 * REMIND_SECONDS / LOOK_SECONDS))
        watch.stop()
    warnings = [event["warning"] for event in logged if event["log_level"] is LogLevel.warn]
    assert len(warnings) == 3
    assert set(warnings) == {warnings[0]}
