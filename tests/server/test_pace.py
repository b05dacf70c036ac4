from __future__ import annotations

from tcpchat.core.limits import Limits
from tcpchat.server.pace import Pace


def test_a_clock_that_is_set_back_makes_nobody_wait_for_it() -> None:
    now = 3600.0
    pace = Pace(lambda: now, Limits(command_burst=2, commands_per_second=10))
    assert pace.take() == 0
    now = 0.0
    assert pace.take() == 0
    assert pace.take() <= 0.1
