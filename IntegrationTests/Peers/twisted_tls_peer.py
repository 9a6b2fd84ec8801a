"""Twisted's TLS on the other side, made by its own endpoint strings.

    twisted_tls_peer.py server STRING             prints "listening PORT", sends back what comes
    twisted_tls_peer.py client STRING FILE        sends FILE, reads as much, ends

Twisted cannot end one direction of TLS alone, so the client counts. It writes what it gets to standard
output.
"""
import os
import sys

from twisted.internet import error, protocol, reactor
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.protocols.basic import FileSender


def fail(failure):
    print("failed", failure.value, file=sys.stderr, flush=True)
    status.append(1)
    reactor.callWhenRunning(reactor.stop)


class Echo(protocol.Protocol):
    def connectionMade(self):
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data):
        self.transport.write(data)

    def connectionLost(self, reason):
        print("lost", reason.value, file=sys.stderr, flush=True)


class Client(protocol.Protocol):
    def connectionMade(self):
        self.left = os.path.getsize(what)
        FileSender().beginFileTransfer(open(what, "rb"), self.transport)

    def dataReceived(self, data):
        sys.stdout.buffer.write(data)
        self.left -= len(data)
        if self.left == 0:
            self.transport.loseConnection()

    def connectionLost(self, reason):
        sys.stdout.buffer.flush()
        print("lost", reason.value, file=sys.stderr, flush=True)
        status.append(0 if reason.check(error.ConnectionDone) else 1)
        reactor.stop()


status = []
side, string, what = (sys.argv[1:] + [None])[:3]
if side == "server":
    factory = protocol.Factory.forProtocol(Echo)
    listening = serverFromString(reactor, string).listen(factory)
    listening.addCallback(lambda port: print("listening", port.getHost().port, flush=True))
    listening.addErrback(fail)
else:
    factory = protocol.Factory.forProtocol(Client)
    clientFromString(reactor, string).connect(factory).addErrback(fail)
reactor.run()
sys.exit(status[0] if status else 0)
