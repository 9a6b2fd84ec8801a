"""Twisted on descriptors that a process was started with.

    twisted_descriptors.py stdio                       echoes on its standard input and output ("stdio:")
    twisted_descriptors.py adopt INET|UNIX             adopts the listening socket 3, and echoes
    twisted_descriptors.py process FILE PROGRAM ...    starts PROGRAM, whose standard input and output it uses
    twisted_descriptors.py pair PROGRAM ...            starts PROGRAM, whose descriptor 3 is one end of a pair
                                                       of sockets, and echoes on the other
    twisted_descriptors.py listen INET|UNIX FILE PATH PROGRAM ...
                                                       starts PROGRAM with a listening socket as descriptor 3,
                                                       and connects to it; PATH is the UNIX socket's

Whoever connects sends FILE, half-closes, and writes what comes, to the end, to standard output; in `pair`
that is the program's. A program that serves is then sent SIGTERM. The exit status is 0 if all went well, the
program's end included.
"""
import os
import socket
import sys

from twisted.internet import endpoints, error, protocol, reactor

import twisted_protocols
from twisted_protocols import Echo, end, fail


class EchoOnce(Echo):
    def connectionLost(self, reason):
        end(0 if reason.check(error.ConnectionDone) else 1)


class Client(twisted_protocols.Client):
    def done(self):
        if program:
            program[0].transport.signalProcess("TERM")
        else:
            end(0)


class Program(protocol.ProcessProtocol):
    def processEnded(self, reason):
        if reason.check(error.ProcessDone):
            end(0)
        else:
            fail(reason)


def spawn(words, descriptor, output):
    """Starts the program with a descriptor of ours as its 3, and closes ours."""
    program.append(Program())
    descriptors = {0: 0, 1: output, 2: 2, 3: descriptor.fileno()}
    reactor.spawnProcess(program[0], words[0], words, env=None, childFDs=descriptors)
    descriptor.close()


def connect(endpoint, path):
    twisted_protocols.connect(endpoint, lambda: Client(path))


def listening(family, path):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else path)
    listener.listen()
    return listener


program = []
mode, words = sys.argv[1], sys.argv[2:]
if mode == "stdio":
    factory = protocol.Factory.forProtocol(EchoOnce)
    endpoints.serverFromString(reactor, "stdio:").listen(factory).addErrback(fail)
elif mode == "adopt":
    family = getattr(socket, "AF_" + words[0])
    endpoint = endpoints.AdoptedStreamServerEndpoint(reactor, 3, family)
    adopted = endpoint.listen(protocol.Factory.forProtocol(Echo))
    adopted.addCallbacks(lambda _: print("listening", flush=True), fail)
elif mode == "process":
    connect(endpoints.ProcessEndpoint(reactor, words[1], words[1:], env=os.environ), words[0])
elif mode == "pair":
    ours, theirs = socket.socketpair()
    factory = protocol.Factory.forProtocol(Echo)
    reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
    ours.close()
    spawn(words, theirs, output=1)
elif mode == "listen":
    listener = listening(getattr(socket, "AF_" + words[0]), words[2])
    if words[0] == "INET":
        client = endpoints.TCP4ClientEndpoint(reactor, *listener.getsockname())
    else:
        client = endpoints.UNIXClientEndpoint(reactor, words[2])
    connect(client, words[1])
    spawn(words[3:], listener, output=2)
else:
    sys.exit(__doc__)
twisted_protocols.run()
