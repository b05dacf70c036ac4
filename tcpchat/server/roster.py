"""Who is connected, and how often from one address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Protocol

from twisted.internet.interfaces import IAddress

from tcpchat.core.limits import Limits
from tcpchat.errors import Code

LOCAL = "local"
"""In the place of an address: a unix socket."""

Network = IPv4Network | IPv6Network


# Refused connections that are told why at a time: half of the files that are kept free.
_REFUSED = 64


class Connected(Protocol):
    """A connection, as the roster sees it."""

    address: str

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""

    def retire(self, text: str, code: Code) -> None:
        """Tell the peer why, answer everything it has sent so far, and close."""

    def abort(self, *, quietly: bool = False) -> None:
        """Cut the connection; ``quietly``: nothing is logged of it."""


class Roster:
    """Every connection there is, at most ``capacity``.

    ``trusted`` networks are exempt from the limit on connections per address.
    """

    def __init__(self, limits: Limits, trusted: Sequence[Network] = (), capacity: int | None = None) -> None:
        self._capacity = capacity
        self._limits = limits
        self.trusted = trusted
        self._connections: set[Connected] = set()
        self._refused: set[Connected] = set()
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connected]:
        return iter(tuple(self._connections))

    def add(self, connection: Connected) -> None:
        """Take a connection in; one too many, of all or from its address, is told so and closed.

        While many of these are still being closed, the next ones are cut off without a word: they use up files.
        """
        self._connections.add(connection)
        self._addresses[connection.address] += 1
        if self._capacity is not None and len(self._connections) - len(self._refused) > self._capacity:
            self._refuse(connection, "The server is full. Please try again later.")
            return
        # A unix socket is guarded by its file's mode, and may bring the clients of a whole proxy.
        exempt = connection.address == LOCAL or self.trusts(connection.address)
        most = self._limits.connections_per_address
        if self._addresses[connection.address] > most and not exempt:
            self._refuse(
                connection, f"There are {most} connections from your address already. Close one and try again."
            )

    def remove(self, connection: Connected) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self._refused.discard(connection)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]

    def _refuse(self, connection: Connected, text: str) -> None:
        self._refused.add(connection)
        if len(self._refused) > _REFUSED:
            connection.abort(quietly=True)  # a flood must not fill the log either
        else:
            connection.dismiss(text, Code.TOO_MANY_CONNECTIONS)

    def trusts(self, address: str) -> bool:
        """Return whether the address is exempt from limits on connections and speed."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.trusted)


def address_of(addr: IAddress | None) -> str:
    """Return the peer's IP address as text, IPv4 never in its IPv6 form; ``local`` for a unix socket."""
    host = getattr(addr, "host", None)
    if host is None:
        return LOCAL
    try:
        parsed: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
