"""The situations that are measured: rooms, members, and how they speak."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """One situation, the same for every server.

    `window` is the number of messages that a sender may have under way, i.e. not yet seen by
    every reader: such a scenario runs as fast as server and generator can. `rate` is in messages
    per second, all senders together: such a scenario offers a fixed load. Exactly one of the two
    is given, except where nobody speaks. `seconds` is the time of sending.
    """

    name: str
    title: str
    rooms: int
    members: int
    senders: int
    window: int = 0
    rate: int = 0
    seconds: int = 3

    @property
    def connections(self) -> int:
        """Clients of all rooms together; each is in one room."""
        return self.rooms * self.members

    @property
    def speaks(self) -> bool:
        """False where only connections are made."""
        return self.senders > 0

    @property
    def flat_out(self) -> bool:
        """True where server and generator set the pace, and throughput says something."""
        return self.speaks and self.window > 0

    def arguments(self) -> list[str]:
        """The scenario as arguments of chatload."""
        numbers = {
            "--rooms": self.rooms,
            "--members": self.members,
            "--senders": self.senders,
            "--duration": self.seconds,
        }
        if self.window:
            numbers["--window"] = self.window
        if self.rate:
            numbers["--rate"] = self.rate
        return [word for name, number in numbers.items() for word in (name, str(number))]


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("A", "one busy room, many messages under way", 1, 110, 10, window=64),
        Scenario("A4", "one busy room, few messages under way", 1, 110, 10, window=4),
        Scenario("B", "one large room", 1, 1010, 10, window=16),
        Scenario("C", "many small rooms, flat out", 200, 10, 1, window=16),
        Scenario("D", "a quiet room: 20 messages/s", 1, 51, 1, rate=20, seconds=5),
        Scenario("E", "5,000 idle connections", 100, 50, 0, seconds=0),
        Scenario("F", "54,500 deliveries/s offered", 1, 110, 10, rate=500),
        Scenario("G", "218,000 deliveries/s offered", 1, 110, 10, rate=2000),
    )
}

DEFAULT_SCENARIOS = ("A", "C", "D", "F", "G")
