"""The Twisted room: sockets, threads, time, and the composition of the parts (`tcpchat.server.service`)."""
