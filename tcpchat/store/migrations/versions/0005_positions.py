"""How far each account has read the rooms it follows and its conversations.

MariaDB commits each statement by itself: what a start that was interrupted has made already is left as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    mentions = sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
    op.create_table(
        "positions",
        sa.Column("account", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("room", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("mentions", mentions, nullable=False),
        if_not_exists=True,
    )
    op.create_index("positions_room", "positions", ["room"], if_not_exists=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("positions")
