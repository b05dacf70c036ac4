"""The tables. Their history is in ``migrations``; a test holds the two against each other."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, SmallInteger, String, Table, Text

metadata = MetaData()

# Of the character set utf8mb4, which is four bytes wide. Named here without SQLAlchemy's module for MariaDB, which
# would be loaded, and kept in memory, with every database.
_BY_CODE_POINT = "utf8mb4_bin"


def exact(length: int) -> String:
    """Return a text column type of so many characters that compares code point by code point.

    MariaDB would compare without case and accents; our keys are folded already.
    """
    return String(length).with_variant(String(length, collation=_BY_CODE_POINT), "mysql", "mariadb")


def long_text() -> Text:
    """Return the type of a text without a length of its own; of 4 Mi characters MariaDB makes a MEDIUMTEXT."""
    return Text().with_variant(Text(2**22 - 1, collation=_BY_CODE_POINT), "mysql", "mariadb")


rooms = Table(
    "rooms",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # NULL once deleted, so that the name is free while the log is being removed.
    Column("key", exact(64), nullable=True),
    Column("name", exact(64), nullable=False),
    Column("direct", Boolean, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("topic", long_text(), nullable=False),
    Column("creator", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("deleted", BigInteger, nullable=True),
    # RoomSettings as JSON.
    Column("settings", long_text(), nullable=False),
    Index("rooms_key", "key", unique=True),
)

# The hot table: one clustered key and nothing else, so that a commit costs one tree.
entries = Table(
    "entries",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("author", BigInteger, nullable=False),
    Column("name", exact(64), nullable=False),
    Column("color", exact(20), nullable=True),
    Column("kind", SmallInteger, nullable=False),
    Column("body", long_text(), nullable=False),
    sqlite_with_rowid=False,
)

# What was sent under a client's id, for some days, so that sending it again says nothing twice. The key is the author's
# id and the client's. Beside the log, which has to do without an index that only some entries need.
sendings = Table(
    "sendings",
    metadata,
    Column("key", exact(96), primary_key=True),
    Column("room", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    # What was asked for, as 63 bits of a hash.
    Column("digest", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("sendings_at", "at"),
    sqlite_with_rowid=False,
)

# The last batch that each node has committed, with the heads it reached and the credentials it removed: what a writer
# asks for when its connection was lost and it doesn't know whether the commit was done.
batches = Table(
    "batches",
    metadata,
    Column("node", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("heads", long_text(), nullable=False),
)

# Those who come back. Their ids are those of the people they were when they registered.
accounts = Table(
    "accounts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    # NULL once a deleted account's name has gone to another.
    Column("key", exact(64), nullable=True),
    Column("name", exact(64), nullable=False),
    Column("color", exact(20), nullable=True),
    Column("state", SmallInteger, nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("role", SmallInteger, nullable=False),
    Index("accounts_key", "key", unique=True),
)

# What proves an account. Either `token` or `data` is NULL: a token alone tells whose it is, and so is found by its hash
# and unique; the same key or certificate may prove several accounts.
credentials = Table(
    "credentials",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("account", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("token", exact(64), nullable=True),
    Column("data", exact(255), nullable=True),
    Column("label", exact(100), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=True),
    Column("used", BigInteger, nullable=True),
    Index("credentials_account", "account"),
    Index("credentials_token", "token", unique=True),
)

# What is known of a person in a room that isn't so of everybody.
memberships = Table(
    "memberships",
    metadata,
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("role", SmallInteger, nullable=False),
    Column("muted", BigInteger, nullable=False),
    Column("invited", Boolean, nullable=False),
)

# How far an account has read a room that it follows, or a conversation, and which later entries mention it: their
# numbers as JSON.
positions = Table(
    "positions",
    metadata,
    Column("account", BigInteger, primary_key=True, autoincrement=False),
    Column("room", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("mentions", long_text(), nullable=False),
    Index("positions_room", "room"),
)

# Who may not come in; room 0 is the whole server.
bans = Table(
    "bans",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("room", BigInteger, nullable=False),
    Column("subject", SmallInteger, nullable=False),
    Column("data", exact(100), nullable=False),
    Column("name", exact(100), nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("by", exact(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Index("bans_room", "room"),
)

# Names that admins keep from people.
name_rules = Table(
    "name_rules",
    metadata,
    Column("key", exact(64), primary_key=True),
    Column("name", exact(64), nullable=False),
    Column("rule", exact(16), nullable=False),
)

# What the whole server remembers: the message of the day, an emergency.
server_state = Table(
    "server_state",
    metadata,
    Column("name", exact(32), primary_key=True),
    Column("value", long_text(), nullable=False),
)

# Who did what to whom, in the order in which it was done.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", BigInteger, nullable=False),
    Column("by", exact(128), nullable=False),
    Column("act", exact(32), nullable=False),
    Column("subject", long_text(), nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("room", BigInteger, nullable=False),
    Column("room_name", exact(64), nullable=False),
    Index("audit_room", "room", "id"),
)

# What brings back those whose connections broke. The codes are hashes; an empty one is none, and so is credential 0.
sessions = Table(
    "sessions",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("code", exact(64), nullable=False),
    Column("next", exact(64), nullable=False),
    Column("person", BigInteger, nullable=False),
    Column("name", exact(64), nullable=False),
    Column("color", exact(20), nullable=True),
    Column("registered", Boolean, nullable=False),
    Column("credential", BigInteger, nullable=False),
    Column("proof", SmallInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("address", exact(64), nullable=False),
    # Since when there is no connection, in ms since 1970, UTC; 0 while there was one.
    Column("detached", BigInteger, nullable=False),
    # Belongings as JSON.
    Column("state", long_text(), nullable=False),
)
