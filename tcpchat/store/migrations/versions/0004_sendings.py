"""What was sent under a client's id.

MariaDB commits each statement by itself: what a start that was interrupted has made already is left as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    key = sa.String(96).with_variant(mysql.VARCHAR(96, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
    op.create_table(
        "sendings",
        sa.Column("key", key, primary_key=True),
        sa.Column("room", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("sendings_at", "sendings", ["at"], if_not_exists=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("sendings")
