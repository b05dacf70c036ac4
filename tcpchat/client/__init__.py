"""The line client: a person or a pipe at one end, JSON lines at the other."""
