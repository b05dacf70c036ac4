"""The command line of the daemon, and the settings it amounts to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar, TypedDict

from twisted.python.usage import Options as UsageOptions

import tcpchat
from tcpchat.core.chat import Policy
from tcpchat.core.text import clean_lines
from tcpchat.errors import StartError
from tcpchat.server.certificates import PairFiles
from tcpchat.server.datadir import default_directory
from tcpchat.server.roster import Network
from tcpchat.server.tlsendpoints import parse_tls_endpoint

DEFAULT_PORT = 3000
# A message of the day is read by everybody who connects.
_MOTD_BYTES = 4096
# RFC 7677, section 4, asks for 4,096 at the least; today's hardware for far more. A client does them, too.
_FEWEST_ITERATIONS = 100_000
_MOST_ITERATIONS = 10_000_000


class Options(UsageOptions):
    """What can be said on the command line."""

    synopsis = "[options]"
    longdesc = (
        "tcpchat is a chat daemon: one port for telnet, nc and programs that speak JSON lines, "
        "and a log of every room that survives a crash. Try: twistd -n tcpchat --port 3000, "
        "then: telnet localhost 3000"
    )
    optParameters: ClassVar = [
        ["port", "p", None, f"TCP port, IPv6 and IPv4 [default: $PORT, else {DEFAULT_PORT}; none with --endpoint]"],
        [
            "data",
            "d",
            None,
            "Directory of the embedded database [default: $STATE_DIRECTORY, else the user's XDG state directory]",
        ],
        ["database", None, None, "URL of another database: sqlite:////FILE, postgresql://… or mariadb://…"],
        ["motd", None, None, "File with the message of the day, shown to everybody who connects"],
        ["registration", None, "open", "Who may make an account: open, invitation, closed"],
        ["invitations", None, None, "File of invitation codes, one on each line"],
        [
            "scram-iterations",
            None,
            "0",
            "Make SCRAM-SHA-256 verifiers, too: cheaper to guess [default: none]",
        ],
        [
            "tls-cert",
            None,
            None,
            "File with a certificate and its chain: with it every plain port understands TLS, too",
        ],
        ["tls-key", None, None, "File with the certificate's key [default: the same file]"],
        ["log-format", None, None, "Lines of the log: text, or json [default: text]"],
        ["log-level", None, None, "The least that is logged: debug, info, warn or error [default: info]"],
        ["log-file", None, None, "File of the log, opened anew after SIGUSR1 [default: standard error]"],
    ]

    optFlags: ClassVar = [
        ["no-guests", None, "Let nobody in without an account"],
        ["tls-self-signed", None, "Make a certificate in the data directory, and log its fingerprint"],
        ["require-tls", None, "Let a connection without TLS do nothing but be told so"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["endpoints"] = []
        self["trusted"] = []

    def opt_endpoint(self, description: str) -> None:
        """Listen on a Twisted endpoint, as in unix:/run/chat.sock; may be repeated."""
        self["endpoints"].append(description)

    def opt_trust(self, network: str) -> None:
        """Exempt a network, as in 10.0.0.0/8, from limits on connections and speed; may be repeated."""
        self["trusted"].append(network)

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"tcpchat {tcpchat.__version__}\n")
        sys.exit(0)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the daemon is to do. ``port`` None: none but the endpoints. ``database`` None: the embedded one.

    ``certificate``: what plain ports begin TLS with; ``self_signed``: one that is made in the data directory.
    """

    port: int | None
    endpoints: tuple[str, ...]
    data: Path
    database: str | None
    trusted: tuple[Network, ...]
    motd: str
    policy: Policy = field(default_factory=Policy)
    scram_iterations: int = 0
    certificate: PairFiles | None = None
    self_signed: bool = False
    tls_required: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings for a command line and an environment; raises `StartError` in a line."""
        endpoints = tuple(str(endpoint) for endpoint in options["endpoints"])  # type: ignore[attr-defined]
        given = options["port"] or (None if endpoints else environment.get("PORT"))
        data = options["data"]
        return cls(
            port=_port(str(given)) if given else None if endpoints else DEFAULT_PORT,
            endpoints=endpoints,
            data=Path(str(data)).absolute() if data else default_directory(dict(environment)),
            database=str(options["database"]) if options["database"] else None,
            trusted=tuple(_network(str(network)) for network in options["trusted"]),  # type: ignore[attr-defined]
            motd=_read_motd(Path(str(options["motd"]))) if options["motd"] else "",
            policy=_policy(options),
            scram_iterations=_iterations(str(options.get("scram-iterations") or "0")),
            **_tls(options, endpoints),
        )


class _Tls(TypedDict):
    certificate: PairFiles | None
    self_signed: bool
    tls_required: bool


def _tls(options: Mapping[str, object], endpoints: Sequence[str]) -> _Tls:
    """Return what is said about TLS, as far as it fits together."""
    certificate, key = options["tls-cert"], options["tls-key"]
    self_signed, required = bool(options["tls-self-signed"]), bool(options["require-tls"])
    if key and not certificate:
        raise StartError("--tls-key needs --tls-cert")
    if self_signed and certificate:
        raise StartError("--tls-self-signed can't be given together with --tls-cert")
    if required and not (certificate or self_signed or any(map(parse_tls_endpoint, endpoints))):
        raise StartError("--require-tls needs a certificate: --tls-cert, --tls-self-signed, or an endpoint with one")
    pair: PairFiles | None = None
    if certificate:
        pair = PairFiles(Path(str(certificate)).absolute(), Path(str(key or certificate)).absolute())
    return {"certificate": pair, "self_signed": self_signed, "tls_required": required}


def _policy(options: Mapping[str, object]) -> Policy:
    registration = str(options.get("registration") or "open")
    if registration not in ("open", "invitation", "closed"):
        raise StartError(f"--registration is open, invitation or closed, not {registration!r}")
    path = options.get("invitations")
    codes = frozenset(_read_lines(Path(str(path)))) if path else frozenset()
    if registration == "invitation" and not codes:
        raise StartError("--registration invitation needs codes: --invitations FILE, with one on each line")
    return Policy(not options.get("no-guests"), registration, codes)


def _read_lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise StartError(f"can't read the invitations {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise StartError(f"the invitations {path} are not UTF-8") from None


def _iterations(given: str) -> int:
    if (
        given.isascii()
        and given.isdigit()
        and (int(given) == 0 or _FEWEST_ITERATIONS <= int(given) <= _MOST_ITERATIONS)
    ):
        return int(given)
    raise StartError(f"--scram-iterations is 0, or from {_FEWEST_ITERATIONS} to {_MOST_ITERATIONS}, not {given!r}")


def _port(given: str) -> int:
    if given.isascii() and given.isdigit() and int(given) < 65536:
        return int(given)
    raise StartError(f"the port {given!r} is not a number from 0 to 65535")


def _network(given: str) -> Network:
    try:
        return ip_network(given)
    except ValueError as error:
        raise StartError(f"--trust wants a network such as 192.0.2.0/24 or ::1: {error}") from None


def _read_motd(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOTD_BYTES + 1)
        if len(content) > _MOTD_BYTES:
            raise StartError(f"the message of the day {path} is longer than {_MOTD_BYTES} bytes")
        return clean_lines(content.decode())
    except OSError as error:
        raise StartError(f"can't read the message of the day {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise StartError(f"the message of the day {path} is not UTF-8") from None
