"""OpenSSL's library on the other side, by pyOpenSSL, for what its commands cannot do: half-closing.

    openssl_peer.py server PEM                    prints "listening PORT"
    openssl_peer.py client PORT CA FILE           sends FILE, ends its direction, reads to the end

The server sends back what comes; after the client's close_notify it adds the SHA-256 of all that came,
and ends. The client writes what it gets to standard output. Both print what was agreed on.
"""
import hashlib
import socket
import sys

from OpenSSL import SSL

BLOCK = 65536


def facts(connection):
    name = connection.get_protocol_version_name()
    print(name, connection.get_cipher_name(), file=sys.stderr, flush=True)


def receive(connection):
    """The next bytes; none at the peer's close_notify. What ends otherwise is an error."""
    try:
        return connection.recv(BLOCK)
    except SSL.ZeroReturnError:
        return b""


def serve(pem):
    context = SSL.Context(SSL.TLS_METHOD)
    context.use_privatekey_file(pem)
    context.use_certificate_file(pem)
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening", listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        connection = SSL.Connection(context, client)
        connection.set_accept_state()
        connection.do_handshake()
        facts(connection)
        digest = hashlib.sha256()
        while data := receive(connection):
            digest.update(data)
            connection.sendall(data)
        connection.sendall(digest.hexdigest().encode() + b"\n")
        connection.shutdown()
        # The peer's FIN: closing first would reset what it has not read yet.
        while client.recv(BLOCK):
            pass
        client.close()


def exchange(port, authority, path):
    context = SSL.Context(SSL.TLS_METHOD)
    context.load_verify_locations(authority)
    context.set_verify(SSL.VERIFY_PEER)
    with socket.create_connection(("127.0.0.1", int(port))) as server:
        connection = SSL.Connection(context, server)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        connection.do_handshake()
        facts(connection)
        # A connection of OpenSSL's is for one thread at a time, so each block is sent and read in turn.
        with open(path, "rb") as file:
            while data := file.read(BLOCK):
                connection.sendall(data)
                wanted = len(data)
                while wanted:
                    came = receive(connection)
                    sys.stdout.buffer.write(came)
                    wanted -= len(came)
        connection.shutdown()
        while data := receive(connection):
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


if sys.argv[1] == "server":
    serve(sys.argv[2])
else:
    exchange(*sys.argv[2:])
