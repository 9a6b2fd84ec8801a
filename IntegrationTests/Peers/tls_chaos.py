"""Bad clients of TLS: tls_chaos.py PORT COUNT SEED [FATE...]

Opens COUNT connections to 127.0.0.1:PORT, one after the other, each of which comes to a bad end: `stall`
(says half of a ClientHello, and waits for the server to give up), `garbage`, `http`, `reset` (in the
middle of the handshake), `cut` (ends in the middle of a record of the handshake), `torn` (does the
handshake, then ends in the middle of a record of data), `gone` (connects and ends), `vanish` (its socket
is gone without a word to the other side: TCP_REPAIR of tcp(7), for root, else as `gone`).

Of several fates at most 150 stall at once. Prints `done` and how many there were of each, when the server has given up
the last of those that stalled.
"""
import collections
import random
import resource
import select
import socket
import ssl
import struct
import sys

TCP_REPAIR = 19
MOST_STALLED = 150 if len(sys.argv) != 5 else 1 << 30

port, count, seed = map(int, sys.argv[1:4])
chance = random.Random(seed)
told = collections.Counter()
stalled = select.epoll()
sockets = {}
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def client_hello():
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()


hello = client_hello()


def reap(block):
    """Closes those that the server has given up."""
    for number, _ in stalled.poll(-1 if block else 0):
        sockets.pop(number).close()


def stall(client):
    client.sendall(hello[: chance.randrange(len(hello))])
    while len(sockets) >= MOST_STALLED:
        reap(True)
    sockets[client.fileno()] = client
    stalled.register(client.fileno(), select.EPOLLRDHUP)


def garbage(client):
    client.sendall(chance.randbytes(chance.randrange(1, 5000)))
    client.close()


def http(client):
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.recv(4096)
    client.close()


def reset(client):
    client.sendall(hello[: chance.randrange(len(hello) + 1)])
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def cut(client):
    client.sendall(hello[: chance.randrange(1, len(hello))])
    client.close()


def torn(client):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            secure.do_handshake()
            break
        except ssl.SSLWantReadError:
            client.sendall(outgoing.read())
            incoming.write(client.recv(65536))
    secure.write(bytes(1000))
    client.sendall(outgoing.read()[:-10])
    client.close()


def gone(client):
    client.close()


def vanish(client):
    client.sendall(hello[:100])
    try:
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        pass
    client.close()


# Half of the work is in `torn`, and a server must wait for those that say nothing: so they are few.
weights = {stall: 6, garbage: 20, http: 20, reset: 20, cut: 20, torn: 3, gone: 20, vanish: 1}
if sys.argv[4:]:
    weights = {fate: 1 for fate in weights if fate.__name__ in sys.argv[4:]}
for fate in chance.choices(list(weights), list(weights.values()), k=count):
    told[fate.__name__] += 1
    try:
        fate(socket.create_connection(("127.0.0.1", port)))
    except (ConnectionResetError, BrokenPipeError):
        pass
    reap(False)
while sockets:
    reap(True)
print("done", " ".join(f"{name}={n}" for name, n in sorted(told.items())), flush=True)
