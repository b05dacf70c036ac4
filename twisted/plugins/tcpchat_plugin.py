"""Makes ``twistd tcpchat`` known to twistd."""

from twisted.application.service import ServiceMaker

tcpchat = ServiceMaker(
    "tcpchat",
    "tcpchat.server.service",
    "A chat daemon: one port for telnet, nc and JSON lines, and a durable log of every room.",
    "tcpchat",
)
