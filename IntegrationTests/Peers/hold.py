"""Keeps connections open: hold.py PORT COUNT opens COUNT connections to 127.0.0.1:PORT and prints `held`.

The server's kernel takes them, whether the server does or not. Each line on standard input closes
one and prints `closed`; its end closes all.
"""
import socket
import sys

port, count = map(int, sys.argv[1:])
clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
print("held", flush=True)
for _ in sys.stdin:
    clients.pop(0).close()
    print("closed", flush=True)
