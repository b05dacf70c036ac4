"""Order in the house: roles, settings of rooms, bans, names, and the audit log.

MariaDB commits each statement by itself: what a start that was interrupted has made already is left as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"


def _exact(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _long_text() -> sa.Text:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    """Add two columns, and create the five tables."""
    _add("rooms", sa.Column("settings", _long_text(), nullable=True), "{}")
    _add("accounts", sa.Column("role", sa.SmallInteger, nullable=True), 1)
    op.create_table(
        "memberships",
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("person", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("role", sa.SmallInteger, nullable=False),
        sa.Column("muted", sa.BigInteger, nullable=False),
        sa.Column("invited", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "bans",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("room", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.SmallInteger, nullable=False),
        sa.Column("data", _exact(100), nullable=False),
        sa.Column("name", _exact(100), nullable=False),
        sa.Column("reason", _long_text(), nullable=False),
        sa.Column("by", _exact(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_index("bans_room", "bans", ["room"], if_not_exists=True)
    op.create_table(
        "name_rules",
        sa.Column("key", _exact(64), primary_key=True),
        sa.Column("name", _exact(64), nullable=False),
        sa.Column("rule", _exact(16), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "server_state",
        sa.Column("name", _exact(32), primary_key=True),
        sa.Column("value", _long_text(), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.BigInteger, nullable=False),
        sa.Column("by", _exact(128), nullable=False),
        sa.Column("act", _exact(32), nullable=False),
        sa.Column("subject", _long_text(), nullable=False),
        sa.Column("reason", _long_text(), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("room", sa.BigInteger, nullable=False),
        sa.Column("room_name", _exact(64), nullable=False),
        if_not_exists=True,
    )
    op.create_index("audit_room", "audit", ["room", "id"], if_not_exists=True)


def downgrade() -> None:
    """Drop them."""
    for table in ("audit", "server_state", "name_rules", "bans", "memberships"):
        op.drop_table(table)
    for table, column in (("accounts", "role"), ("rooms", "settings")):
        with op.batch_alter_table(table) as altered:
            altered.drop_column(column)


def _add(table: str, column: sa.Column[object], value: object) -> None:
    """Add a column in which every row has ``value``, unless it is there."""
    connection = op.get_bind()
    if column.name not in {known["name"] for known in sa.inspect(connection).get_columns(table)}:
        with op.batch_alter_table(table) as altered:
            altered.add_column(column)
    rows = sa.table(table, sa.column(column.name))
    unset = rows.c[column.name].is_(None)
    connection.execute(sa.update(rows).where(unset).values({column.name: value}))
    with op.batch_alter_table(table) as altered:
        altered.alter_column(column.name, existing_type=column.type, nullable=False)
