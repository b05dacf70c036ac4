"""Log and accounts on disk, through SQLAlchemy: SQLite, PostgreSQL, MariaDB. All here blocks; threads call it."""
