from __future__ import annotations

from twisted.internet.task import Clock

from tcpchat.core.limits import Limits
from tcpchat.server.ticker import Ticker


def test_it_goes_on_at_the_pace_of_the_limits() -> None:
    clock, limits, ticks = Clock(), Limits(count_seconds=2), list[float]()
    ticker = Ticker(lambda: ticks.append(clock.seconds()), limits, clock)
    ticker.stop()
    ticker.start()
    clock.pump([1] * 4)
    assert ticks == [2, 4]
    limits.become(Limits(count_seconds=10))
    clock.pump([1] * 20)
    assert ticks[:3] == [2, 4, 6]
    assert len(ticks) == 5
    ticker.stop()
    clock.pump([1] * 20)
    assert len(ticks) == 5
