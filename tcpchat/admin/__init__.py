"""The operator's tool, ``tcpchat-admin``."""
