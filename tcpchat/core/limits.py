"""How much of everything one daemon, one connection and one person may use."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TypeVar

KIB = 1024
MIB = 1024 * KIB

# Far beyond any use, and within what JSON and the databases keep exact.
_MOST = 2**40
# The reactor waits no longer than 24 days at a time.
_DAY_SECONDS = 86_400

Number = TypeVar("Number", int, float)


def limit(default: Number, unit: str, why: str, *, least: float = 1, most: float = _MOST) -> Number:
    """Return a field of `Limits`: its default, its unit, the reason for it, and the bounds that an operator may set.

    The bounds are those beyond which the daemon would break, or a promise of the protocol. They are checked where
    settings are read, not here: a test may want a limit of 3.
    """
    return field(default=default, metadata={"unit": unit, "why": why, "least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the daemon, with its unit in its name. Trusted addresses are exempt only where it says so.

    One object is shared by all who ask it, each time they need to know: `become` changes it for everybody.
    """

    line_bytes: int = limit(
        64 * KIB,
        "bytes",
        "One line, without its line end. 65,536 is what the protocol promises at the least.",
        least=64 * KIB,
    )
    early_line_bytes: int = limit(
        4 * KIB, "bytes", "Before login nothing longer than a name or a login object is needed.", least=1 * KIB
    )
    skipped_bytes: int = limit(
        1 * MIB,
        "bytes",
        "A line too long is skipped, so that the connection survives a wrong paste; beyond this it is an attack.",
        least=0,
    )
    early_bytes: int = limit(
        128 * KIB,
        "bytes",
        "Everything a connection may send before it has logged in: a first chunk may carry a name and much text.",
        least=32 * KIB,
    )
    login_seconds: float = limit(
        120.0,
        "seconds",
        "Time to log in. A person reading the greeting and thinking of a name needs less.",
        most=_DAY_SECONDS,
    )
    silence_seconds: float = limit(
        1.0,
        "seconds",
        "Time after which a silent connection is taken for a person and greeted.",
        least=0.1,
        most=_DAY_SECONDS,
    )
    drain_seconds: float = limit(
        10.0,
        "seconds",
        "Time a peer has to take what is left when we close, before it is cut off.",
        least=0.1,
        most=_DAY_SECONDS,
    )
    linger_seconds: float = limit(
        2.0,
        "seconds",
        "Time a peer has to close in turn once it has taken what was left, before it is cut off.",
        least=0.1,
        most=_DAY_SECONDS,
    )

    text_bytes: int = limit(
        16 * KIB,
        "bytes",
        "One message in UTF-8: a screen or two of text, and four of them fit one chunk of 64 KiB.",
        most=1 * MIB,
    )
    # The databases have columns of 64 characters.
    name_characters: int = limit(32, "characters", "A name: fits a column of a screen.", most=64)
    name_bytes: int = limit(64, "bytes", "A name in UTF-8: most scripts in full.", most=64)

    away_characters: int = limit(100, "characters", "Why somebody is away: half a line on a screen.", most=10_000)
    ended_directs: int = limit(
        100,
        "conversations",
        "Conversations with people who have gone that one can still read: what somebody may want to look up again.",
        least=0,
    )
    topic_bytes: int = limit(1 * KIB, "bytes", "What a room is for, in UTF-8: two or three sentences.", most=64 * KIB)
    ignored: int = limit(100, "people", "People one doesn't read.", least=0)

    people_per_room: int = limit(5_000, "people", "A fan-out to 5,000 takes about 20 ms of the reactor's time.")
    people_told: int = limit(
        100,
        "people",
        "In a room with more people than this, those who come and go are counted, not told one by one; and an answer "
        "lists no more of them.",
    )
    moves_told: int = limit(
        5,
        "moves",
        "In every room so many who come or go are told at once; who comes or goes after them is told with the next "
        "thing that happens there, or at the end of count_seconds.",
        least=0,
    )
    count_seconds: float = limit(
        2.0,
        "seconds",
        "When those who come and go in large rooms are counted: soon enough to see that a room is alive, and long "
        "enough for many to be one line.",
        least=0.1,
        most=60,
    )
    rooms_per_person: int = limit(100, "rooms", "Rooms one person is in at the same time.")
    sessions_per_account: int = limit(
        32, "connections", "Connections of one account at the same time: devices and bots of one person."
    )
    motd_bytes: int = limit(4 * KIB, "bytes", "A message of the day is read by everybody who connects.", most=64 * KIB)
    reason_characters: int = limit(
        300, "characters", "Why somebody was put out or banned: a sentence or two.", most=10_000
    )
    kick_seconds: float = limit(
        30.0,
        "seconds",
        "How long who was kicked can't come back: long enough to think, and not a ban.",
        least=0,
        most=_DAY_SECONDS,
    )
    bans_per_room: int = limit(
        500, "bans", "Bans of one room: addresses among them are compared one by one, a microsecond each.", least=0
    )
    bans_of_server: int = limit(
        2_000, "bans", "Bans of the server: addresses among them are compared one by one, a microsecond each.", least=0
    )
    credentials: int = limit(50, "credentials", "Tokens, keys, certificates of one account, of each kind.")
    token_days: int = limit(
        3_650, "days", "How long a token may last that expires: what is to last longer may last for ever."
    )
    held_days: int = limit(
        90,
        "days",
        "How long the name of a deleted account is kept from others, who could take its owner's place.",
        least=0,
        most=36_500,
    )
    rooms_created: int = limit(50, "rooms", "Rooms one login may create; they stay when it ends.", least=0)
    rooms: int = limit(10_000, "rooms", "Rooms are small in memory (about 1 KiB), but their list is shown to people.")
    rooms_listed: int = limit(1_000, "rooms", "How many of them one listing shows, the busiest first.")

    completions: int = limit(30, "names", "Names that complete what was begun: more are no help to a person.")

    page_entries: int = limit(200, "entries", "A page of history: what catching up reads at once.", most=10_000)
    page_bytes: int = limit(
        64 * KIB, "bytes", "A page of history, in bytes of text: what catching up reads at once.", least=1 * KIB
    )
    join_entries: int = limit(
        20, "entries", "What a join shows when it doesn't say: about a screen.", least=0, most=10_000
    )

    tail_entries: int = limit(256, "entries", "The recent tail of a room kept in memory.")
    tail_bytes: int = limit(64 * KIB, "bytes", "The recent tail of a room kept in memory.")
    tails_bytes: int = limit(32 * MIB, "bytes", "The recent tails of all rooms together.")

    uncommitted_connection_bytes: int = limit(
        256 * KIB,
        "bytes",
        "What of one connection is accepted and not yet committed, with what surrounds it: beyond it we stop reading "
        "from the connection.",
    )
    uncommitted_bytes: int = limit(
        64 * MIB,
        "bytes",
        "What is accepted and not yet committed in all: beyond it the author is told that the server is busy.",
        least=1 * MIB,
    )
    change_overhead_bytes: int = limit(
        512, "bytes", "What surrounds each change that is accepted and not yet committed.", least=0
    )
    pipelined_requests: int = limit(1_000, "requests", "Requests of one connection that wait for their answers.")
    unread_bytes: int = limit(
        1 * MIB,
        "bytes",
        "Output that a peer has not read, beyond the kernel's buffers and the transport's 64 KiB.",
        least=64 * KIB,
    )

    tls_messages: int = limit(
        64,
        "messages",
        "Messages of TLS itself, such as one that renews keys, that a connection may send at once after its handshake; "
        "some count twice. A key is good for millions of records, and to renew one costs as much as a command.",
    )
    tls_messages_per_second: float = limit(
        1.0, "messages a second", "Messages of TLS itself after a burst: who sends more is cut off.", least=0.01
    )

    connections_per_address: int = limit(
        256,
        "connections",
        "Connections from one address at a time (an office behind one router). Trusted addresses are exempt.",
    )
    command_burst: int = limit(
        200,
        "commands",
        "Commands of one connection that are taken at once; beyond it we read more slowly, nothing is refused. "
        "Trusted addresses are exempt.",
    )
    commands_per_second: float = limit(
        50.0,
        "commands a second",
        "Commands of one connection after a burst. Trusted addresses are exempt.",
        least=0.1,
    )

    checks_per_address: int = limit(
        4,
        "passwords",
        "Passwords of one address, or of one IPv6 network of 64 bits, that wait to be checked or hashed while one is: "
        "a check takes some 50 ms of a core, so an office logs in again within seconds, and who guesses gets no "
        "further.",
    )
    checks: int = limit(200, "passwords", "Passwords that wait in all: 10 s of one core.")

    def become(self, other: Limits) -> None:
        """Take the values of ``other``, for everybody who has this object."""
        for one in fields(self):
            object.__setattr__(self, one.name, getattr(other, one.name))
