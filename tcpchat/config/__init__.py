"""The settings: a table of all of them, and the places they are read from."""
