"""Python's asyncio on the other side.

    asyncio_peer.py server tcp HOST | unix PATH  echo|digest    prints "listening PORT-OR-PATH"
    asyncio_peer.py client tcp HOST:PORT | unix PATH  FILE      sends FILE, half-closes, reads to the end

`echo` sends back what comes, `digest` reads to the end and answers with its SHA-256. The client
writes what it gets to standard output.
"""
import asyncio
import hashlib
import sys


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    writer.close()


async def digest(reader, writer):
    sha = hashlib.sha256()
    while data := await reader.read(65536):
        sha.update(data)
    writer.write(sha.hexdigest().encode() + b"\n")
    await writer.drain()
    writer.close()


async def serve(family, where, what):
    handler = {"echo": echo, "digest": digest}[what]
    if family == "tcp":
        server = await asyncio.start_server(handler, where, 0)
        print("listening", server.sockets[0].getsockname()[1], flush=True)
    else:
        server = await asyncio.start_unix_server(handler, where)
        print("listening", where, flush=True)
    await server.serve_forever()


async def connect(family, where, path):
    if family == "tcp":
        host, _, port = where.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    else:
        reader, writer = await asyncio.open_unix_connection(where)

    async def send():
        with open(path, "rb") as file:
            while data := file.read(65536):
                writer.write(data)
                await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    while data := await reader.read(65536):
        sys.stdout.buffer.write(data)
    await sending
    sys.stdout.buffer.flush()
    writer.close()


side, family, where, what = sys.argv[1:]
asyncio.run((serve if side == "server" else connect)(family, where, what))
