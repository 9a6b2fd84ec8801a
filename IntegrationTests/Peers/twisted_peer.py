"""Twisted on the other side, made by its own endpoint strings.

    twisted_peer.py server STRING echo|digest     prints "listening PORT-OR-PATH"
    twisted_peer.py client STRING FILE            sends FILE, half-closes, reads to the end

`echo` sends back what comes, `digest` reads to the end and answers with its SHA-256. The client
writes what it gets to standard output, and "connected" and "lost" to standard error.
"""
import hashlib
import sys

from twisted.internet import protocol, reactor
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface import implementer

import twisted_protocols
from twisted_protocols import Echo, fail


def say(word):
    print(word, file=sys.stderr, flush=True)


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


class Client(twisted_protocols.Client):
    def connectionMade(self):
        say("connected")
        super().connectionMade()

    def connectionLost(self, reason):
        say("lost")
        super().connectionLost(reason)


def listening(port):
    host = port.getHost()
    print("listening", getattr(host, "port", None) or host.name.decode(), flush=True)


side, string, what = sys.argv[1:]
if side == "server":
    factory = protocol.Factory.forProtocol({"echo": Echo, "digest": Digest}[what])
    serverFromString(reactor, string).listen(factory).addCallbacks(listening, fail)
else:
    twisted_protocols.connect(clientFromString(reactor, string), lambda: Client(what))
twisted_protocols.run()
