"""A client that sends and never reads: never_reads.py PORT prints `stalled BYTES` when the server takes no more.

Then each line on standard input reads all that comes until as much has come back as was sent, and
prints `read BYTES`.
"""
import select
import socket
import sys

client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.setblocking(False)
block = bytes(65536)
sent = 0
while select.select([], [client], [], 1.0)[1]:
    sent += client.send(block)
print("stalled", sent, flush=True)
sys.stdin.readline()
client.setblocking(True)
read = 0
while read < sent:
    read += len(client.recv(65536))
print("read", read, flush=True)
