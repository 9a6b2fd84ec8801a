"""What the programs in Twisted beside this file have in common: an echo, a client, and their end."""
import sys

from twisted.internet import error, protocol, reactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.protocols.basic import FileSender
from zope.interface import implementer

status = []


def end(code):
    status.append(code)
    reactor.callWhenRunning(reactor.stop)


def fail(failure):
    print("failed", failure.value, file=sys.stderr, flush=True)
    end(1)


def run():
    """Runs until `end`, and exits with the worst status it was told."""
    reactor.run()
    sys.exit(max(status, default=0))


def connect(endpoint, make):
    """Connects, and has `make` make the protocol."""
    factory = protocol.Factory()
    factory.buildProtocol = lambda address: make()
    endpoint.connect(factory).addErrback(fail)


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
class Client(protocol.Protocol):
    """Sends a file, half-closes, and writes what comes to standard output."""

    def __init__(self, path):
        self.path = path

    def connectionMade(self):
        sent = FileSender().beginFileTransfer(open(self.path, "rb"), self.transport)
        sent.addCallback(lambda _: self.closeWrite())

    def closeWrite(self):
        if hasattr(self.transport, "closeStdin"):
            self.transport.closeStdin()
        else:
            self.transport.loseWriteConnection()

    def dataReceived(self, data):
        sys.stdout.buffer.write(data)

    def readConnectionLost(self):
        self.transport.loseConnection()

    def writeConnectionLost(self):
        pass

    def connectionLost(self, reason):
        sys.stdout.buffer.flush()
        if reason.check(error.ConnectionDone, error.ProcessDone):
            self.done()
        else:
            fail(reason)

    def done(self):
        end(0)
