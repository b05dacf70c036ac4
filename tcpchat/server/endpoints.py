"""Where the daemon listens: a dual-stack TCP port, any endpoint that Twisted knows, and those under TLS."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.internet.tcp import Port
from twisted.python.failure import Failure

from tcpchat.errors import StartError
from tcpchat.server.certificates import BadCertificate, Source
from tcpchat.server.departures import Departures
from tcpchat.server.tlsendpoints import TlsEndpoint, parse_tls_endpoint, split
from tcpchat.server.transport import write_directly

# Connections that may wait to be accepted: after a restart everybody comes back at once.
BACKLOG = 1024
# Connections that are accepted in one turn of the reactor: 2 ms or so, which others may have to wait.
_TURN_ACCEPTS = 8


# Makes the factory for a port that speaks TLS from its first byte, with certificates from there.
UnderTls = Callable[[Source], ServerFactory]


def listen(
    reactor: Any,
    factory: ServerFactory,
    port: int | None,
    endpoints: Sequence[str],
    under_tls: UnderTls | None = None,
) -> list[IListeningPort]:
    """Listen on ``port`` (0: a free one) and on every endpoint; raises `StartError`, listening nowhere then."""
    listening: list[IListeningPort] = []
    try:
        if port is not None:
            listening.append(_listen_port(reactor, factory, port))
        for description in endpoints:
            secure = parse_tls_endpoint(description) if under_tls is not None else None
            if secure is None or under_tls is None:
                listening.append(_listen_endpoint(reactor, factory, description))
                continue
            try:
                secure_factory = under_tls(secure.source)
            except BadCertificate as error:
                raise StartError(f"can't listen on {description!r}: {error}") from None
            listening.append(_listen_secure(reactor, secure_factory, secure))
    except StartError:
        for begun in listening:
            begun.stopListening()
        raise
    departures = Departures(reactor)
    for begun in listening:
        if isinstance(begun, Port):
            begun.socket.listen(BACKLOG)  # Linux takes the new length (listen(2)); Twisted's own is 50
            # A telnet may send a part of a command as urgent data (Synch, RFC 854): without this it would be missing
            # from the stream, and break the line that follows. Connections inherit it.
            begun.socket.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
            _accept_few(begun)
        write_directly(begun, departures)
    return listening


def place(port: IListeningPort) -> str:
    """Return where a port listens, in a few words: ``[::]:3000``, ``192.0.2.1:3000``, ``/run/chat.sock``."""
    address = port.getHost()
    match address:
        case IPv4Address():
            return f"{address.host}:{address.port}"
        case IPv6Address():
            return f"[{address.host}]:{address.port}"
        case UNIXAddress():
            return os.fsdecode(address.name or b"a socket without a name")
    return str(address)


def check_endpoint(description: str) -> None:
    """Raise `StartError` for what is no endpoint without TLS, or none on this machine. Blocks: it asks for names.

    What systemd hands over is not looked at: only the daemon has it.
    """
    if description.startswith("systemd:"):
        return
    try:
        serverFromString(None, description)
    except Exception as error:
        raise StartError(f"it is not one that Twisted knows: {error}") from None
    (prefix, *places), named = split(description)
    if not prefix.startswith("tcp"):
        return
    port = named.get("port", next(iter(places), ""))
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise StartError("its port is no number from 0 to 65535")
    interface = named.get("interface", places[1] if len(places) > 1 else "")
    try:
        socket.getaddrinfo(interface or None, port)
    except (OSError, UnicodeError):
        raise StartError(f"{interface} is no address of this machine") from None


def _listen_port(reactor: Any, factory: ServerFactory, port: int) -> IListeningPort:
    try:
        listener = _dual_stack_socket(port)
    except (OSError, OverflowError) as error:
        raise StartError(f"can't listen on port {port}: {_reason(error)}") from None
    try:
        listener.setblocking(False)
        listening: IListeningPort = reactor.adoptStreamPort(listener.fileno(), listener.family, factory)
    finally:
        listener.close()  # the reactor has its own copy
    return listening


def _listen_secure(reactor: Any, factory: ServerFactory, endpoint: TlsEndpoint) -> IListeningPort:
    if endpoint.plain is None:
        return _listen_port(reactor, factory, endpoint.port)
    return _listen_endpoint(reactor, factory, endpoint.plain)


def _accept_few(port: Port) -> None:
    """Let ``port`` accept a few connections in one turn of the reactor; Twisted's own number grows under a flood."""
    read = port.doRead

    def read_few() -> None:
        port.numberAccepts = _TURN_ACCEPTS
        read()

    port.doRead = read_few  # type: ignore[method-assign]


def _dual_stack_socket(port: int) -> socket.socket:
    """Return a listening socket for IPv6 and IPv4, or for IPv4 where there is no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server(("", port), backlog=BACKLOG)


def _listen_endpoint(reactor: Any, factory: ServerFactory, description: str) -> IListeningPort:
    try:
        endpoint = serverFromString(reactor, description)
    except Exception as error:
        # Each kind of endpoint complains in its own way about its own arguments.
        raise StartError(f"the endpoint {description!r} is not one that Twisted knows: {error}") from None
    results: list[IListeningPort | Failure] = []
    attempt: Deferred[IListeningPort] = endpoint.listen(factory)
    attempt.addBoth(results.append)
    if not results:
        raise StartError(f"the endpoint {description!r} does not listen at once")
    result = results[0]
    if isinstance(result, Failure):
        raise StartError(f"can't listen on {description!r}: {_reason(result.value)}")
    return result


def _reason(error: BaseException | None) -> str:
    cause = error.socketError if isinstance(error, CannotListenError) else error
    if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
        return "another program is listening there"
    return str(getattr(cause, "strerror", None) or cause)
