"""Ports of the daemon, while nobody accepts: the reactor isn't running here."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from twisted.internet.protocol import ServerFactory
from twisted.internet.tcp import Port

from tcpchat.server.endpoints import listen

# More than Twisted's own queue takes, and the kernel's rounding up.
_EARLY = 300


@pytest.mark.parametrize("endpoint", ["", "tcp:0:interface=127.0.0.1", "unix:{directory}/socket"])
def test_hundreds_may_wait_to_be_accepted(tmp_path: Path, endpoint: str) -> None:
    from twisted.internet import reactor

    endpoints = [endpoint.format(directory=tmp_path)] if endpoint else []
    (port,) = listen(reactor, ServerFactory(), None if endpoint else 0, endpoints)
    assert isinstance(port, Port)
    with ExitStack() as waiting:
        waiting.callback(port.stopListening)
        for _ in range(_EARLY):
            family = port.socket.family
            peer = waiting.enter_context(socket.socket(family))
            peer.settimeout(5)
            peer.connect(port.socket.getsockname())


def test_a_flood_is_accepted_in_small_parts() -> None:
    from twisted.internet import reactor

    factory = Counting()
    (port,) = listen(reactor, factory, 0, ())
    assert isinstance(port, Port)
    with ExitStack() as waiting:
        waiting.callback(port.stopListening)
        for _ in range(20):
            waiting.enter_context(socket.create_connection(("localhost", port.getHost().port), 5))
        accepted = []
        for _ in range(3):
            port.doRead()
            accepted.append(factory.count)
    assert accepted == [8, 16, 20]


class Counting(ServerFactory):
    """Lets nobody in, and counts them."""

    noisy = False
    count = 0

    def buildProtocol(self, addr: object) -> None:
        self.count += 1
