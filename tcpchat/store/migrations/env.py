"""Run by Alembic. The connection comes from `tcpchat.store.database`, never from a file."""

from __future__ import annotations

from alembic import context

from tcpchat.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
with context.begin_transaction():
    context.run_migrations()
