// Taking the header off a connection, exactly: the parser says how many bytes belong to it at least,
// and no more than that is read. So what follows stays in the socket for whoever comes next, and
// nothing need be given back. Version 1 has no length, and costs a few small reads more.

import EndpointStrings
import EndpointsCore
import EndpointsNet

extension Connection {
    /// Reads the PROXY header, and makes the connection that has its facts; this one is used up.
    ///
    /// - Parameter limit: How long a version 2 header's addresses and TLVs may be together.
    /// - Returns: The connection behind the header.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    func takingProxyHeader(limit: Int) async throws -> Connection {
        let start = ContinuousClock.now
        let header = try await readProxyHeader(limit: limit)
        let found = ProxyFacts(
            header: header,
            realLocalAddress: proxy?.realLocalAddress ?? facts.localAddress,
            realRemoteAddress: realRemoteAddress
        )
        let phase = ConnectionTimeline.Phase(start: start, duration: .now - start)
        let facts = facts.adding(
            found,
            localAddress: found.destination,
            remoteAddress: found.source
        ) { $0.proxy = phase }
        return try replaceTransport(facts: facts) { $0 }
    }

    private func readProxyHeader(limit: Int) async throws -> ProxyHeader {
        var bytes: [UInt8] = []
        while true {
            switch try progress(of: bytes, limit: limit) {
            case .complete(let header, _):
                return header
            case .needsMore(let count):
                guard let more = try await read(atMost: count) else {
                    throw proxyError(
                        .unexpectedEnd,
                        "the peer's end came after \(bytes.count) bytes of the header",
                        received: bytes
                    )
                }
                bytes += more
            }
        }
    }

    private func progress(of bytes: [UInt8], limit: Int) throws -> ProxyHeader.Progress {
        do {
            return try ProxyHeader.parse(bytes.span, limit: limit)
        } catch {
            throw proxyError(.proxyHeaderInvalid, "\(error)", received: bytes)
        }
    }

    /// The socket's own peer, whatever headers say.
    nonisolated var realRemoteAddress: SocketAddress {
        proxy?.realRemoteAddress ?? facts.remoteAddress
    }

    nonisolated func proxyError(
        _ code: EndpointError.Code,
        _ reason: String,
        received: [UInt8] = []
    ) -> EndpointError {
        EndpointError(
            code,
            operation: "PROXY header",
            endpoint: "from \(realRemoteAddress)",
            reason: reason,
            received: received,
            phase: .proxy
        )
    }
}
