"""Bad clients: chaos.py PORT COUNT SEED opens COUNT connections to 127.0.0.1:PORT, each of which

sends garbage and closes, half-closes and never reads, resets, or vanishes: its socket is gone without
a word to the other side (TCP_REPAIR of tcp(7), for root; without that right it stays open until the
end). Prints `done` and how many there were of each.
"""
import collections
import random
import socket
import struct
import sys

TCP_REPAIR = 19

port, count, seed = map(int, sys.argv[1:])
chance = random.Random(seed)
kept = []
told = collections.Counter()


def garbage(client):
    client.sendall(chance.randbytes(chance.randrange(1, 5000)))
    client.close()


def half_close(client):
    client.sendall(chance.randbytes(1000))
    client.shutdown(socket.SHUT_WR)
    kept.append(client)


def reset(client):
    client.sendall(chance.randbytes(chance.randrange(0, 1000)))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def vanish(client):
    client.sendall(b"about to vanish")
    try:
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        client.close()
    except PermissionError:
        kept.append(client)


for _ in range(count):
    fate = chance.choice([garbage, half_close, reset, vanish])
    told[fate.__name__] += 1
    fate(socket.create_connection(("127.0.0.1", port)))
print("done", " ".join(f"{name}={n}" for name, n in sorted(told.items())), flush=True)
