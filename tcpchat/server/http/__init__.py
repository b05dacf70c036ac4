"""HTTP on the one port: pages, the state of the server, and WebSocket."""
