"""The package `websockets` on the other side.

    websocket_peer.py server PATH-OF-SOCKET | -     echoes each message; prints "listening PORT-OR-PATH"
    websocket_peer.py client URI PATH-OF-SOCKET | - FILE

The server pings each client first, sends long messages back in fragments, and prints how each
connection closed. The client sends FILE in messages of all lengths, among them text and fragments,
reads as much back, pings, closes, and prints how.
"""
import asyncio
import pathlib
import sys

from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import serve, unix_serve


def fragments(data):
    middle = len(data) // 3
    return [data[:middle], b"", data[middle:]]


async def ping(socket):
    await (await socket.ping(b"are you there"))
    print("pong", flush=True)


async def echo(socket):
    # Beside the rest: the pong comes behind messages that are under way.
    pinging = asyncio.create_task(ping(socket))
    async for message in socket:
        await socket.send(fragments(message) if len(message) > 1000 else message)
    await pinging
    print("closed", socket.close_code, flush=True)


async def server(path):
    if path != "-":
        async with unix_serve(echo, path):
            print("listening", path, flush=True)
            await asyncio.get_running_loop().create_future()
    async with serve(echo, "127.0.0.1", 0) as listening:
        print("listening", listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


async def client(uri, path, file):
    data = pathlib.Path(file).read_bytes()
    where = connect(uri) if path == "-" else unix_connect(path, uri)
    async with where as socket:

        async def send():
            position, size = 0, 1
            while position < len(data):
                part = data[position : position + size]
                if part.isascii():
                    await socket.send(part.decode())
                elif size % 2:
                    await socket.send(fragments(part))
                else:
                    await socket.send(part)
                position += size
                size = size * 3 % 99_991
            await ping(socket)

        sending = asyncio.create_task(send())
        back = b""
        while len(back) < len(data):
            message = await socket.recv()
            assert isinstance(message, bytes)
            back += message
        await sending
    print("same" if back == data else "other", socket.close_code, flush=True)


asyncio.run({"server": server, "client": client}[sys.argv[1]](*sys.argv[2:]))
