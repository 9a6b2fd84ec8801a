"""A mail server that knows STARTTLS (RFC 3207) and no more: starttls_peer.py PEM honest|injecting

Prints `listening PORT`, takes one connection, and answers one line inside TLS. `injecting` sends a
line in the clear with its answer to STARTTLS, as an attacker on the way could, and waits for the end.
"""
import socket
import ssl
import sys

pem, what = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
print("listening", listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.sendall(b"220 mail.example ESMTP\r\n")
lines = connection.makefile("rb", buffering=0)
while (line := lines.readline()) != b"STARTTLS\r\n":
    connection.sendall(b"250-mail.example\r\n250 STARTTLS\r\n")
if what == "injecting":
    connection.sendall(b"220 go ahead\r\n250 injected\r\n")
    while connection.recv(4096):
        pass
else:
    connection.sendall(b"220 go ahead\r\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with context.wrap_socket(connection, server_side=True) as secure:
        secure.sendall(b"250 " + secure.recv(4096))
        secure.unwrap()
