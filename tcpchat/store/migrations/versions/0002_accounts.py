"""Accounts: those who come back, and what proves who they are.

MariaDB commits each statement by itself: what a start that was interrupted has made already is left as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"


def _exact(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _long_text() -> sa.Text:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    """Create the two tables."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("key", _exact(64), nullable=True),
        sa.Column("name", _exact(64), nullable=False),
        sa.Column("color", _exact(20), nullable=True),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("reason", _long_text(), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_index("accounts_key", "accounts", ["key"], unique=True, if_not_exists=True)
    op.create_table(
        "credentials",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("token", _exact(64), nullable=True),
        sa.Column("data", _exact(255), nullable=True),
        sa.Column("label", _exact(100), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=True),
        sa.Column("used", sa.BigInteger, nullable=True),
        if_not_exists=True,
    )
    op.create_index("credentials_account", "credentials", ["account"], if_not_exists=True)
    op.create_index("credentials_token", "credentials", ["token"], unique=True, if_not_exists=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("credentials")
    op.drop_table("accounts")
