"""The wires: pure codecs between bytes and the hub's commands, events and answers."""
