"""Sessions that can be resumed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"


def _exact(length: int) -> sa.String:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
    )


def _long_text() -> sa.Text:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("code", _exact(64), nullable=False),
        sa.Column("next", _exact(64), nullable=False),
        sa.Column("person", sa.BigInteger, nullable=False),
        sa.Column("name", _exact(64), nullable=False),
        sa.Column("color", _exact(20), nullable=True),
        sa.Column("registered", sa.Boolean, nullable=False),
        sa.Column("credential", sa.BigInteger, nullable=False),
        sa.Column("proof", sa.SmallInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("address", _exact(64), nullable=False),
        sa.Column("detached", sa.BigInteger, nullable=False),
        sa.Column("state", _long_text(), nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("sessions")
