"""tcpchat: one chat daemon on one port, where a room is a durable log and a reader is a cursor."""

__version__ = "0.1.0"
