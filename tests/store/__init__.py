"""The log on disk, over SQLite and over real servers of PostgreSQL and MariaDB."""
