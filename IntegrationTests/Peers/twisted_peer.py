"""Twisted on the other side, made by its own endpoint strings.

    twisted_peer.py server STRING echo|digest     prints "listening PORT-OR-PATH"
    twisted_peer.py client STRING FILE            sends FILE, half-closes, reads to the end

`echo` sends back what comes, `digest` reads to the end and answers with its SHA-256. The client
writes what it gets to standard output, and "connected" and "lost" to standard error.
"""
import hashlib
import sys

from twisted.internet import error, protocol, reactor
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.protocols.basic import FileSender
from zope.interface import implementer


def fail(failure):
    print("failed", failure.value, file=sys.stderr, flush=True)
    status.append(1)
    reactor.callWhenRunning(reactor.stop)


def say(word):
    print(word, file=sys.stderr, flush=True)


@implementer(IHalfCloseableProtocol)
class Echo(protocol.Protocol):
    """Sends back what comes; waits for the peer to take it before it reads on."""

    def connectionMade(self):
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def readConnectionLost(self):
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


@implementer(IHalfCloseableProtocol)
class Digest(protocol.Protocol):
    def connectionMade(self):
        self.sum = hashlib.sha256()

    def dataReceived(self, data):
        self.sum.update(data)

    def readConnectionLost(self):
        self.transport.write(self.sum.hexdigest().encode() + b"\n")
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass


@implementer(IHalfCloseableProtocol)
class Client(protocol.Protocol):
    def __init__(self, path):
        self.path = path

    def connectionMade(self):
        say("connected")
        with_file = FileSender().beginFileTransfer(open(self.path, "rb"), self.transport)
        with_file.addCallback(lambda _: self.transport.loseWriteConnection())

    def dataReceived(self, data):
        sys.stdout.buffer.write(data)

    def readConnectionLost(self):
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass

    def connectionLost(self, reason):
        sys.stdout.buffer.flush()
        say("lost")
        status.append(0 if reason.check(error.ConnectionDone) else 1)
        reactor.stop()


def listening(port):
    host = port.getHost()
    print("listening", getattr(host, "port", None) or host.name.decode(), flush=True)


status = []
side, string, what = sys.argv[1:]
if side == "server":
    factory = protocol.Factory.forProtocol({"echo": Echo, "digest": Digest}[what])
    serverFromString(reactor, string).listen(factory).addCallbacks(listening, fail)
else:
    factory = protocol.Factory()
    factory.buildProtocol = lambda address: Client(what)
    clientFromString(reactor, string).connect(factory).addErrback(fail)
reactor.run()
sys.exit(status[0] if status else 0)
