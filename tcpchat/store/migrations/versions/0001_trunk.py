"""The trunk: rooms, their entries, and the batches of each node."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None


def _exact(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _long_text() -> sa.Text:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "rooms",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", _exact(64), nullable=True),
        sa.Column("name", _exact(64), nullable=False),
        sa.Column("direct", sa.Boolean, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("topic", _long_text(), nullable=False),
        sa.Column("creator", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.BigInteger, nullable=True),
    )
    op.create_index("rooms_key", "rooms", ["key"], unique=True)
    op.create_table(
        "entries",
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("author", sa.BigInteger, nullable=False),
        sa.Column("name", _exact(64), nullable=False),
        sa.Column("color", _exact(20), nullable=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("body", _long_text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "batches",
        sa.Column("node", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("heads", _long_text(), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("batches")
    op.drop_table("entries")
    op.drop_table("rooms")
