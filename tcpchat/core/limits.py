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
        64 * KIB,
        "bytes",
        "One line before login. Who resumes names a cursor for each room and conversation, in some 50 bytes; together "
        "with all else it is bounded by early_bytes.",
        least=1 * KIB,
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
    http_seconds: float = limit(
        30.0,
        "seconds",
        "Time for one request of HTTP, and to wait for the next one on the same connection.",
        least=1,
        most=_DAY_SECONDS,
    )
    http_connection_seconds: float = limit(
        300.0,
        "seconds",
        "Time for all requests of one connection by HTTP: the next one is its last. A page with its files needs "
        "seconds, and nobody is to hold a place by asking a little now and then.",
        least=1,
        most=_DAY_SECONDS,
    )
    http_header_bytes: int = limit(
        16 * KIB,
        "bytes",
        "All headers of one request: browsers send about one, with others' cookies more.",
        least=2 * KIB,
    )
    websockets: int = limit(
        20_000, "connections", "Connections by WebSocket, of the whole server. Each takes about 10 KiB.", least=0
    )
    ping_seconds: float = limit(
        30.0,
        "seconds",
        "A peer on WebSocket is pinged that often, which keeps proxies from closing what is silent. It is closed if it "
        "doesn't answer by the next time, though it could.",
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
    rooms_followed: int = limit(
        200,
        "rooms",
        "Rooms of one account whose news are kept while it is away, 150 bytes each; of more, the one joined longest "
        "ago is forgotten.",
    )
    directs_told: int = limit(
        50, "conversations", "Those in which something waits that are told at a login, the latest first.", most=1_000
    )
    positions_saved: int = limit(
        500,
        "positions",
        "How many that have moved are stored at once, every count_seconds: some 5 ms of the log writer's time.",
        most=100_000,
    )
    positions_looked: int = limit(
        5_000,
        "positions",
        "How many of those who read along are looked at for that in one turn: a millisecond of the reactor's time.",
    )
    sessions_per_account: int = limit(
        32, "connections", "Connections of one account at the same time: devices and bots of one person."
    )
    resume_guest_seconds: float = limit(
        600.0,
        "seconds",
        "How long a guest whose connection broke can come back as the same, and others see nobody leave: a dead spot, "
        "or a restart. 0: not at all.",
        least=0,
        most=_DAY_SECONDS,
    )
    resume_account_days: float = limit(
        3.0,
        "days",
        "How long that is for an account, whose name is its own anyway: a weekend. 0: not at all.",
        least=0,
        most=365,
    )
    detached_guests_per_address: int = limit(
        8,
        "guests",
        "Guests of one address without a connection whose names are kept: a family, not a hoard of names. The one "
        "whose connection broke first goes first. Trusted addresses are exempt, and all whom the server itself "
        "disconnects when it stops.",
        least=0,
    )
    detached_sessions_per_account: int = limit(
        8,
        "sessions",
        "Sessions of one account without a connection: its devices and bots. As with guests the first goes first, and "
        "the same are exempt.",
        least=0,
    )
    detached_sessions: int = limit(
        10_000,
        "sessions",
        "Sessions without a connection in all: about 2 KiB each. Of guests and accounts those go first of whom there "
        "are more, so that neither pushes out all of the others.",
        least=0,
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
        500,
        "bans",
        "Bans of one room, and mutes of guests: addresses among them are compared one by one, a microsecond each.",
        least=0,
    )
    memberships_per_room: int = limit(
        5_000,
        "people",
        "People of whom one room knows a role, an invitation or a mute: some 200 bytes each, and read at start.",
        least=0,
    )
    last_words_remembered: int = limit(
        20_000,
        "moments",
        "When people spoke last in rooms that are slow, so that a new login is no way to speak again: about 150 bytes.",
    )
    bans_of_server: int = limit(
        2_000, "bans", "Bans of the server: addresses among them are compared one by one, a microsecond each.", least=0
    )
    credentials: int = limit(50, "credentials", "Tokens, keys, certificates of one account, of each kind.")
    token_days: int = limit(
        3_650, "days", "How long a token may last that expires: what is to last longer may last for ever."
    )
    client_id_days: int = limit(
        7,
        "days",
        "How long a client_id is remembered, so that sending again says nothing twice: a script that was off for a "
        "weekend can go on. Each is some 100 bytes in the database.",
        most=3_650,
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
    page_seconds: float = limit(
        5.0,
        "seconds",
        "Time for reading a page, with the wait for its turn: some ms, two seconds on a busy disk. After that "
        "whoever asked is told that it can't be read.",
        least=1,
        most=600,
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
    commit_seconds: float = limit(
        5.0,
        "seconds",
        "Time for one commit: a busy disk may take two. After that the database counts as failing, and what waits is "
        "refused until it answers.",
        least=1,
        most=600,
    )
    free_bytes_least: int = limit(
        64 * MIB,
        "bytes",
        "Space that is left on the disk of the embedded database: below it nothing can be said, until there is a "
        "quarter more. The write-ahead log takes 16 MiB, more under load; the rest is for all else that is on the "
        "disk. 0: that is not looked at.",
        least=0,
    )
    change_overhead_bytes: int = limit(
        512, "bytes", "What surrounds each change that is accepted and not yet committed.", least=0
    )
    pipelined_requests: int = limit(1_000, "requests", "Requests of one connection that wait for their answers.")
    unread_bytes: int = limit(
        256 * KIB,
        "bytes",
        "What is in no log and waits for a peer that doesn't read: what the server tells it alone, and what TLS and "
        "telnet answer by themselves.",
        least=64 * KIB,
    )
    stuck_seconds: float = limit(
        600.0,
        "seconds",
        "Time in which a peer takes nothing at all of what waits for it, before it is closed. It may read as slowly as "
        "it likes.",
        least=1,
        most=_DAY_SECONDS,
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
        "Trusted addresses are exempt. 20 is what the dearest one costs, which could never be done with less.",
        least=20,
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

    # What follows counts an IPv4 address, or an IPv6 network of 64 bits, as one: a network.
    connection_burst: int = limit(
        256,
        "connections",
        "New connections of one network at once, so that an office comes back after a restart. Trusted addresses are "
        "exempt.",
    )
    connections_per_minute: float = limit(
        120.0,
        "connections a minute",
        "New connections of one network after a burst: far more than people need, and a tenth of a second of work.",
        least=1,
    )
    handshakes_per_address: int = limit(
        64, "handshakes", "TLS handshakes of one network under way; more wait for their turn. Trusted ones, too."
    )
    handshakes: int = limit(
        512,
        "handshakes",
        "TLS handshakes under way in all; more wait. One costs 1 to 2 ms of a core, and some 40 KiB while it lasts.",
    )
    handshake_seconds: float = limit(
        20.0,
        "seconds",
        "Time for one handshake. Over a slow line it takes two or three; who stalls must not keep a place.",
        least=0.1,
        most=_DAY_SECONDS,
    )

    proxy_header_seconds: float = limit(
        5.0,
        "seconds",
        "Time for the header of a proxy, which sends it at once; a lost packet is sent anew after 3.",
        least=0.1,
        most=_DAY_SECONDS,
    )
    # The longest header of version 1, and the shortest of version 2 with its addresses, are shorter.
    proxy_header_bytes: int = limit(
        4 * KIB,
        "bytes",
        "The header of a proxy: version 2 may carry a certificate's names, and fits one packet nearly always.",
        least=256,
    )

    failure_seconds: float = limit(
        0.5,
        "seconds",
        "After a proof that failed, the next one of its network waits so long, and then each time twice as long: a "
        "person who mistypes three times waits for 2 s.",
        least=0.001,
        most=_DAY_SECONDS,
    )
    failure_seconds_most: float = limit(
        60.0,
        "seconds",
        "The longest wait after proofs that failed: one can guess 1,440 times a day.",
        least=0.001,
        most=_DAY_SECONDS,
    )
    failure_forgotten_seconds: float = limit(
        600.0,
        "seconds",
        "After so long without a failure all is forgotten: a guesser gains nothing by waiting longer than the longest "
        "wait.",
        most=_DAY_SECONDS,
    )
    failures_remembered: int = limit(
        20_000,
        "networks",
        "Networks, and accounts at home in them, whose failures are remembered: some 300 bytes each.",
    )
    home_days: int = limit(
        30,
        "days",
        "How long an account is at home in a network where it was made or has logged in: there it waits for its own "
        "failures only.",
        least=0,
        most=36_500,
    )
    registrations_per_hour: int = limit(
        30,
        "accounts an hour",
        "New accounts of one network: a class can register in a lesson, a script can't fill the database. Trusted "
        "addresses are exempt.",
    )

    rooms_per_hour: int = limit(
        100,
        "rooms an hour",
        "Rooms that are created from one network: a course can have one each, and a script needs days to use up those "
        "that there can be. Trusted addresses are exempt.",
    )

    wait_seconds: float = limit(
        5.0,
        "seconds",
        "Who would have to wait longer than this is refused and told for how long: a person takes the server for dead "
        "by then. A single pipe never waits so long, as it is read more slowly.",
        least=0.1,
        most=60,
    )
    account_burst: int = limit(
        400,
        "commands",
        "Commands of all connections of one account together: as two that go as fast as they can. 20 is what the "
        "dearest one costs.",
        least=20,
    )
    account_commands_per_second: float = limit(
        100.0, "commands a second", "Commands of all connections of one account after a burst.", least=0.1
    )
    paces_remembered: int = limit(
        20_000, "paces", "People and networks whose pace is remembered, each for some seconds: about 150 bytes."
    )
    work_burst_seconds: float = limit(
        0.5,
        "seconds",
        "Time of the reactor for what makes the server work, such as lists and pages of history, of an account, or of "
        "all guests of a network, who are others whenever they like. Coming back with 256 connections after a restart "
        "takes this; in daily use one needs 0.1 %. Trusted addresses are exempt.",
        least=0.01,
        most=60,
    )
    work_share: float = limit(
        0.05,
        "of the time",
        "The part of the time that passes that one may make the server work after that.",
        least=0.001,
        most=1,
    )
    work_turn_seconds: float = limit(
        0.005,
        "seconds",
        "After so much work at a stretch a connection lets the others go first: their p99 is a few ms.",
        least=0.0001,
        most=1,
    )
    work_entry_seconds: float = limit(
        0.00002,
        "seconds",
        "What an entry of a page from the disk counts as work: a thread reads it, which shares the interpreter with "
        "the reactor. Measured.",
        least=0,
        most=0.01,
    )

    repeats: int = limit(
        10,
        "times",
        "The same text of one person in one room in repeat_seconds: a pipe may repeat a line of a build, and a flood "
        "is one within seconds. Trusted addresses are exempt.",
    )
    short_repeats: int = limit(40, "times", 'Short words ("ok", "yes", "+1") may be said more often.')
    short_characters: int = limit(3, "characters", "How long a short word is at the most.", least=0)
    repeat_seconds: float = limit(
        30.0, "seconds", "The time in which repetitions are counted.", least=0.1, most=_DAY_SECONDS
    )
    repeats_remembered: int = limit(
        32,
        "texts",
        "Texts of one person that are remembered for that; who needs more to repeat doesn't flood with one.",
    )

    def become(self, other: Limits) -> None:
        """Take the values of ``other``, for everybody who has this object."""
        for one in fields(self):
            object.__setattr__(self, one.name, getattr(other, one.name))
