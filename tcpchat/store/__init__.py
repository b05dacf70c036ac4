"""The log on disk, through SQLAlchemy: SQLite, PostgreSQL or MariaDB. Everything here blocks; threads call it."""
