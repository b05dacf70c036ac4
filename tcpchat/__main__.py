"""``python -m tcpchat``: the line client."""

from tcpchat.client.main import main

main()
