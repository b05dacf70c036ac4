"""The chat itself: people, rooms, rules. Synchronous, without sockets, SQL, threads or a clock of its own."""
