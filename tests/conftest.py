"""In CI a skipped test is a failure: what a test needs is installed there."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# A machine under load is slow, and no test here is about time.
settings.register_profile("tcpchat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tcpchat")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seconds", type=float, default=5.0, help="how long each wire is sent damaged sessions")
    parser.addoption("--fuzz-seed", type=int, default=0, help="the seed that a run with damaged sessions printed")
    parser.addoption("--update-transcripts", action="store_true", help="write tests/transcripts as they are shown now")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("CI is set, and tests were skipped: that is a failure.", red=True)
