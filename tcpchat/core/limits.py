"""How much of everything one daemon, one connection and one person may use."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the daemon, with its unit in its name. Trusted addresses are exempt only where it says so."""

    # One line, without its line end. 65,536 is what the protocol promises at the least.
    line_bytes: int = 64 * KIB
    # Before login nothing longer than a name or a login object is needed.
    early_line_bytes: int = 4 * KIB
    # A line too long is skipped, so that the connection survives a wrong paste; beyond this it is an attack.
    skipped_bytes: int = 1 * MIB
    # Everything a connection may send before it has logged in: a first chunk may carry a name and much text.
    early_bytes: int = 128 * KIB
    # Time to log in. A person reading the greeting and thinking of a name needs less.
    login_seconds: float = 120.0
    # Time after which a silent connection is taken for a person and greeted.
    silence_seconds: float = 1.0
    # Time a peer has to take what is left when we close, and then to close in turn, before it is cut off.
    drain_seconds: float = 10.0
    linger_seconds: float = 2.0

    # One message in UTF-8: a screen or two of text, and four of them fit one chunk of 64 KiB.
    text_bytes: int = 16 * KIB
    # A name in characters and in UTF-8: fits a column of a screen, and most scripts in full.
    name_characters: int = 32
    name_bytes: int = 64

    # Why somebody is away: half a line on a screen.
    away_characters: int = 100
    # Conversations with people who have gone that one can still read: what somebody may want to look up again.
    ended_directs: int = 100
    # What a room is for, in UTF-8: two or three sentences.
    topic_bytes: int = 1 * KIB
    # People one doesn't read.
    ignored: int = 100

    # A fan-out to 5,000 takes about 20 ms of the reactor's time.
    people_per_room: int = 5_000
    # In a room with more people than this, those who come and go are counted, not told one by one; and an answer
    # lists no more of them.
    people_told: int = 100
    # In every room so many are told at once; who comes or goes after them is told with the next thing that
    # happens there, or at the end of this time, when those in large rooms are counted: soon enough to see that a
    # room is alive, and long enough for many to be one line.
    moves_told: int = 5
    count_seconds: float = 2.0
    rooms_per_person: int = 100
    # Connections of one account at the same time: devices and bots of one person.
    sessions_per_account: int = 32
    # A message of the day is read by everybody who connects.
    motd_bytes: int = 4 * KIB
    # Why somebody was put out or banned, in characters: a sentence or two.
    reason_characters: int = 300
    # How long who was kicked can't come back: long enough to think, and not a ban.
    kick_seconds: float = 30.0
    # Bans of one room, and of the server: addresses among them are compared one by one, a microsecond each.
    bans_per_room: int = 500
    bans_of_server: int = 2_000
    # Tokens, keys, certificates of one account, of each kind.
    credentials: int = 50
    # How long the name of a deleted account is kept from others, who could take its owner's place.
    held_days: int = 90
    # Rooms one login may create; they stay when it ends.
    rooms_created: int = 50
    # Rooms are small in memory (about 1 KiB), but their list is shown to people.
    rooms: int = 10_000
    # How many of them one listing shows, the busiest first.
    rooms_listed: int = 1_000

    # Names that complete what was begun: more are no help to a person.
    completions: int = 30

    # A page of history, in entries and in bytes of text: what catching up reads at once.
    page_entries: int = 200
    page_bytes: int = 64 * KIB
    # What a join shows when it doesn't say: about a screen.
    join_entries: int = 20

    # The recent tail of a room kept in memory, and of all rooms together.
    tail_entries: int = 256
    tail_bytes: int = 64 * KIB
    tails_bytes: int = 32 * MIB

    # What is accepted and not yet committed, with what surrounds it: beyond the first we stop reading from the
    # connection, beyond the second the author is told that the server is busy.
    uncommitted_connection_bytes: int = 256 * KIB
    uncommitted_bytes: int = 64 * MIB
    change_overhead_bytes: int = 512
    # Requests of one connection that wait for their answers.
    pipelined_requests: int = 1_000
    # Output that a peer has not read, beyond the kernel's buffers and the transport's 64 KiB.
    unread_bytes: int = 1 * MIB

    # Connections from one address at a time (an office behind one router). Trusted addresses are exempt.
    connections_per_address: int = 256
    # Commands of one connection: a burst, then so many a second; beyond it we read more slowly,
    # nothing is refused. Trusted addresses are exempt.
    command_burst: int = 200
    commands_per_second: float = 50.0

    # Passwords of one address, or of one IPv6 network of 64 bits, that wait to be checked or hashed while one is: a
    # check takes some 50 ms of a core, so an office logs in again within seconds, and who guesses gets no further.
    checks_per_address: int = 4
    # Passwords that wait in all: 10 s of one core.
    checks: int = 200
