"""Twisted on the other side of any of its endpoint strings, without half-close, which its TLS lacks.

    twisted_strings.py server STRING          echoes; prints "listening PORT-OR-PATH"
    twisted_strings.py who STRING             answers the first bytes with "PEER-HOST PEER-PORT HOST PORT"
    twisted_strings.py client STRING FILE     sends FILE, reads as much back, writes it to standard output
"""
import sys

from twisted.internet import protocol, reactor
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.protocols.basic import FileSender


class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)


class Who(protocol.Protocol):
    def dataReceived(self, data):
        peer, host = self.transport.getPeer(), self.transport.getHost()
        line = f"{peer.host} {peer.port} {host.host} {host.port}\n"
        self.transport.write(line.encode())
        self.transport.loseConnection()


class Client(protocol.Protocol):
    def __init__(self, path):
        self.data = open(path, "rb")
        self.missing = len(self.data.read())
        self.data.seek(0)

    def connectionMade(self):
        FileSender().beginFileTransfer(self.data, self.transport)

    def dataReceived(self, data):
        sys.stdout.buffer.write(data)
        self.missing -= len(data)
        if self.missing <= 0:
            self.transport.loseConnection()

    def connectionLost(self, reason):
        sys.stdout.buffer.flush()
        if self.missing:
            fail(reason)
        else:
            reactor.stop()


def fail(failure):
    print("failed", failure.value, file=sys.stderr, flush=True)
    status.append(1)
    reactor.callWhenRunning(reactor.stop)


def listening(port):
    host = port.getHost()
    print("listening", getattr(host, "port", None) or host.name.decode(), flush=True)


status = []
if sys.argv[1] == "client":
    factory = protocol.Factory()
    factory.buildProtocol = lambda address: Client(sys.argv[3])
    clientFromString(reactor, sys.argv[2]).connect(factory).addErrback(fail)
else:
    factory = protocol.Factory.forProtocol({"server": Echo, "who": Who}[sys.argv[1]])
    serverFromString(reactor, sys.argv[2]).listen(factory).addCallbacks(listening, fail)
reactor.run()
sys.exit(status[0] if status else 0)
