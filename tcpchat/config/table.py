"""Every setting, in one table: what it is called, what it may be, what it is for, and when a change of it counts.

The command line, the variables, the file, the example in deploy/ and what ``tcpchat-admin`` shows come from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from tcpchat.config.kinds import (
    Choice,
    FilePath,
    Flag,
    Fraction,
    HostName,
    Kind,
    ListOf,
    NetworkKind,
    Origin,
    PlaceKind,
    SocketPath,
    Text,
    Whole,
    Word,
)
from tcpchat.core.limits import Limits

DEFAULT_PORT = 3000
PREFIX = "TCPCHAT_"
LIMITS = "limits"
"""The table of the file, and the first part of the names, of the limits."""

# RFC 7677, section 4, asks for 4,096 at the least; today's hardware for far more. A client does them, too.
_FEWEST_ITERATIONS = 100_000
_MOST_ITERATIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``name`` is its key in the file, with its table in front of a dot.

    ``live``: a change counts while the daemon runs, after SIGHUP; others wait for a restart. ``otherwise``: what it is
    when nobody says anything, where that depends on the machine. ``option`` is its word on the command line, which
    for a `Flag` takes no value and says the opposite of the default; a `ListOf` is built by repeating it.
    """

    name: str
    kind: Kind
    default: object
    about: str
    reason: str
    live: bool = False
    option: str | None = None
    letter: str | None = None
    otherwise: str | None = None
    unit: str | None = None
    words: str = field(default="", kw_only=True)

    @property
    def variable(self) -> str:
        """Its name among the environment's variables."""
        return PREFIX + self.name.upper().replace(".", "_")


_TOP = (
    Setting(
        "port",
        Whole(0, 65_535),
        DEFAULT_PORT,
        "TCP port, IPv6 and IPv4",
        "Above 1,023, so that it needs no rights; 0 is a free one that the system chooses, and the log names it.",
        option="port",
        letter="p",
        otherwise=f"$PORT, else {DEFAULT_PORT}; none with endpoints",
    ),
    Setting(
        "endpoints",
        ListOf(Text()),
        (),
        "Listen on Twisted endpoints, as in unix:/run/chat.sock",
        "One port is enough for most.",
        option="endpoint",
    ),
    Setting(
        "data",
        FilePath(),
        None,
        "Directory of the embedded database",
        "Where systemd (StateDirectory=) or the XDG Base Directory Specification puts what a program keeps.",
        option="data",
        letter="d",
        otherwise="$STATE_DIRECTORY, else the user's XDG state directory",
    ),
    Setting(
        "admin_socket",
        SocketPath(),
        None,
        "Unix socket for tcpchat-admin, or off",
        "Only the daemon's own user and root are let in there, whatever the mode of its directory is.",
        option="admin-socket",
        otherwise="admin.sock in the data directory",
    ),
    Setting(
        "database",
        Text(secret=True),
        None,
        "URL of another database: sqlite:////FILE, postgresql://… or mariadb://…",
        "SQLite needs no server, and keeps up with all that one process can deliver.",
        option="database",
        otherwise="SQLite in the data directory",
    ),
    Setting(
        "server_name",
        Word(64),
        "tcpchat",
        "What the server calls itself to those who connect",
        "Those who log in by a key sign it, so that no other server can pass their signature on: let it be unique.",
        option="server-name",
    ),
    Setting(
        "motd",
        FilePath(),
        None,
        "File with the message of the day (UTF-8), shown to all who connect; one that an admin has set goes before it",
        "Who reads a greeting reads a few lines of it.",
        live=True,
        option="motd",
        otherwise="none",
    ),
    Setting(
        "trust",
        ListOf(NetworkKind()),
        (),
        "Exempt networks, as in 10.0.0.0/8, from limits on connections and speed",
        "Nobody is trusted for an address alone unless the operator says so.",
        live=True,
        option="trust",
    ),
    Setting(
        "trust_proxy",
        ListOf(PlaceKind()),
        (),
        "Believe the PROXY headers of networks, as in 192.0.2.7, or of unix sockets: unix",
        "Who can connect from there can claim any address.",
        live=True,
        option="trust-proxy",
    ),
    Setting(
        "web_hosts",
        ListOf(HostName()),
        (),
        "Answer HTTP under these names, as in chat.example.org",
        "Addresses and localhost always count. Any other name may be somebody else's, who lets it point here so that "
        "browsers take a page of theirs for one of this server.",
        live=True,
        option="web-host",
    ),
    Setting(
        "web_origins",
        ListOf(Origin()),
        (),
        "Let pages from elsewhere connect by WebSocket, as in https://example.org",
        "Pages of this server always may; programs that aren't browsers name no page.",
        live=True,
        option="web-origin",
    ),
    Setting(
        "guests",
        Flag(),
        True,
        "Whether anybody may talk without an account",
        "A name is all that a person with telnet should need.",
        live=True,
        option="no-guests",
        words="Let nobody in without an account",
    ),
    Setting(
        "registration",
        Choice(("open", "invitation", "closed")),
        "open",
        "Who may make an account: open, invitation or closed",
        "An account only keeps a name for the one who has it.",
        live=True,
        option="registration",
    ),
    Setting(
        "invitations",
        FilePath(),
        None,
        "File of invitation codes, one on each line (# begins a comment); each is good for any number of accounts",
        "They are in a file of their own, which can have another mode than this one.",
        live=True,
        option="invitations",
        otherwise="none",
    ),
    Setting(
        "forbidden_names",
        ListOf(Word(64)),
        (),
        "Names that nobody can take, nor one that looks like them",
        "The words that the program itself speaks with are reserved anyhow.",
        live=True,
    ),
    Setting(
        "scram_iterations",
        Whole(_FEWEST_ITERATIONS, _MOST_ITERATIONS, none=True),
        0,
        "Make SCRAM-SHA-256 verifiers (RFC 5802) of new passwords, too, with so many iterations",
        "They are cheaper to guess than argon2id.",
        option="scram-iterations",
    ),
    Setting(
        "tls_cert",
        FilePath(),
        None,
        "File with a certificate and its chain (PEM): with it every plain port understands TLS, too",
        "Only its owner can have one that clients know.",
        live=True,
        option="tls-cert",
        otherwise="none",
    ),
    Setting(
        "tls_key",
        FilePath(),
        None,
        "File with the certificate's key (PEM, not encrypted)",
        "Many tools write both into one file.",
        live=True,
        option="tls-key",
        otherwise="the file of the certificate",
    ),
    Setting(
        "tls_self_signed",
        Flag(),
        False,
        "Whether to make a certificate in the data directory, and to log its fingerprint",
        "It is for a first try: clients must be told the fingerprint.",
        live=True,
        option="tls-self-signed",
        words="Make a certificate in the data directory, and log its fingerprint",
    ),
    Setting(
        "require_tls",
        Flag(),
        False,
        "Whether a connection without TLS can do nothing but be told so",
        "telnet and nc speak no TLS.",
        live=True,
        option="require-tls",
        words="Let a connection without TLS do nothing but be told so",
    ),
    Setting(
        "log_format",
        Choice(("text", "json")),
        "text",
        "Lines of the log: text or json",
        "Text is for people; JSON is for programs.",
        option="log-format",
    ),
    Setting(
        "log_level",
        Choice(("debug", "info", "warn", "error")),
        "info",
        "The least that is logged: debug, info, warn or error",
        "A line for each connection is enough to see what has happened.",
        live=True,
        option="log-level",
    ),
    Setting(
        "log_file",
        FilePath(),
        None,
        "File of the log, opened anew after SIGUSR1",
        "systemd, containers and people look at standard error.",
        option="log-file",
        otherwise="standard error",
    ),
)


def _limits() -> tuple[Setting, ...]:
    rows = []
    for one in fields(Limits):
        least, most, default = one.metadata["least"], one.metadata["most"], one.default
        kind = Whole(least, most) if isinstance(default, int) else Fraction(least, most)
        unit, why = one.metadata["unit"], one.metadata["why"]
        rows.append(Setting(f"{LIMITS}.{one.name}", kind, default, why, "", live=True, unit=unit))
    return tuple(rows)


TABLE: tuple[Setting, ...] = (*_TOP, *_limits())
BY_NAME = {row.name: row for row in TABLE}
BY_VARIABLE = {row.variable: row for row in TABLE}
