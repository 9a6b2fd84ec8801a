import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

extension TLSTransport {
    /// Writes down what a peer has presented whose certificate is being refused.
    func traceRefusal(of store: OpaquePointer) {
        // Not the session's own list, which is filled in only when all is well.
        trace(presented: TLSCertificate.array(X509_STORE_CTX_get0_untrusted(store)))
    }

    /// Writes down whom a handshake failed with, if that is known and not yet written.
    func traceFailure() {
        guard SSL_get0_peer_certificate(ssl) != nil else { return }
        trace(presented: [])
    }

    private func trace(presented: [TLSCertificate]) {
        guard case .client(let client) = side, let trace = client.trace else { return }
        let facts = TLSFacts(
            ssl,
            isServer: false,
            verifies: false,
            serverName: client.serverName.isAddress ? nil : client.serverName.text,
            presented: presented
        )
        trace.update { record in
            if record.refused[TLSFacts.self] == nil { record.refused[TLSFacts.self] = facts }
        }
    }
}
