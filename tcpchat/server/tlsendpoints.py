"""The endpoints that speak TLS from their first byte: ``ssl:`` and ``tls:``, as Twisted spells them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted.internet.endpoints import quoteStringArgument

from tcpchat.errors import StartError
from tcpchat.server.certificates import PairFiles, PemDirectory, Source

_PREFIXES = ("ssl", "tls")
_FORMS = {
    "ssl": "ssl:PORT:privateKey=FILE:certKey=FILE[:extraCertChain=FILE][:interface=ADDRESS]",
    "tls": "tls:DIRECTORY:PORT[:interface=ADDRESS]",
}
# What Twisted knows besides: what is said here about it is ours, or no longer safe.
_IGNORED = frozenset(("backlog",))


@dataclass(frozen=True, slots=True)
class TlsEndpoint:
    """Where to listen, and with which certificates. ``plain`` is the same place without TLS; None: every address."""

    source: Source
    port: int
    plain: str | None


def parse_tls_endpoint(description: str) -> TlsEndpoint | None:
    """Return what ``ssl:…`` or ``tls:…`` means, None for any other endpoint; raises `StartError`.

    Without ``interface`` it is every address of this machine, IPv6 and IPv4, as for ``--port``. Protocol versions,
    ciphers and the like can't be chosen.
    """
    arguments, named = split(description)
    prefix = arguments.pop(0)
    if prefix not in _PREFIXES:
        return None
    complaint = StartError(f"the endpoint {description!r} is not of the form {_FORMS[prefix]}")
    names = ("port", "interface") if prefix == "ssl" else ("path", "port", "backlog", "interface")
    if len(arguments) > len(names) or "" in arguments or "" in named.values():
        raise complaint
    for name, value in zip(names, arguments, strict=False):
        if named.setdefault(name, value) is not value:
            raise complaint
    source: Source
    try:
        if prefix == "ssl":
            key = Path(named.pop("privateKey")).absolute()
            certificate = Path(named.pop("certKey", key)).absolute()
            chain = named.pop("extraCertChain", None)
            source = PairFiles(certificate, key, Path(chain).absolute() if chain else None)
        else:
            source = PemDirectory(Path(named.pop("path")).absolute())
        port = named.pop("port") if prefix == "ssl" else named.pop("port", "443")
    except KeyError:
        raise complaint from None
    interface = named.pop("interface", None)
    if not (port.isascii() and port.isdigit() and int(port) < 65536) or named.keys() - _IGNORED:
        raise complaint
    plain = f"tcp:{port}:interface={quoteStringArgument(interface)}" if interface else None
    return TlsEndpoint(source, int(port), plain)


def split(description: str) -> tuple[list[str], dict[str, str]]:
    """Return an endpoint's arguments without a name, and those with one.

    A backslash takes the meaning of what follows away.
    """
    arguments: list[str] = []
    named: dict[str, str] = {}
    name: str | None = None
    text = ""

    def end() -> None:
        if name is None:
            arguments.append(text)
        else:
            named[name] = text

    characters = iter(description)
    for character in characters:
        if character == "\\":
            text += next(characters, "")
        elif character == ":":
            end()
            name, text = None, ""
        elif character == "=" and name is None:
            name, text = text, ""
        else:
            text += character
    end()
    return arguments, named
