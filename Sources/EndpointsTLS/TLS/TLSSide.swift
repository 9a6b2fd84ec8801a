// What is particular to the client or to the server of one connection.
//
// A client that does not say whose certificate it wants gets anybody's, so the name is decided here,
// once: an address literal is compared with iPAddress and never sent as SNI (RFC 6066, section 3), a
// name is compared with dNSName only, never with the common name (RFC 9525, section 2).

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Which side of a TLS connection we are, and with what.
enum TLSSide: Sendable {
    case client(TLSClientSide)
    case server(TLSServerGeneration)

    var context: TLSContext {
        switch self {
        case .client(let client): client.context
        case .server(let server): server.standard
        }
    }
}

/// A client on its way to one server.
struct TLSClientSide: Sendable {
    let context: TLSContext
    let serverName: ServerName
    /// Under what sessions are kept.
    let sessionKey: String
    /// Where to write down how the handshake went.
    var trace: ConnectTrace?

    /// - Throws: ``EndpointError``.
    func begin(_ ssl: OpaquePointer) throws {
        SSL_set_connect_state(ssl)
        guard serverName.apply(to: ssl, verifies: context.verifiesChain) else {
            ERR_clear_error()
            throw EndpointError(
                .invalidArgument,
                operation: "TLS handshake",
                reason: "\"\(serverName.text)\" cannot be verified"
            )
        }
        if context.checksStapledResponse { endpoints_ssl_ask_for_status(ssl) }
        while let sessions = context.sessions, let session = sessions.take(for: sessionKey) {
            guard context.mayResume(session) else {
                SSL_SESSION_free(session)
                continue
            }
            SSL_set_session(ssl, session)
            sessions.putBack(session, for: sessionKey)
            break
        }
    }
}

/// Whom a client wants to talk to.
struct ServerName: Sendable, Hashable {
    /// As it is compared: without a dot at the end, an address without its zone.
    let text: String
    let isAddress: Bool

    /// - Throws: ``EndpointError`` with code `invalidArgument`.
    init(_ text: String) throws {
        let host = try Host(text, port: 0, operation: "TLS handshake", endpoint: nil)
        switch host {
        case .address:
            self.text = String(text.prefix { $0 != "%" })
            isAddress = true
        case .name(let name):
            self.text = name.hasSuffix(".") ? String(name.dropLast()) : name
            isAddress = false
        }
    }

    fileprivate func apply(to ssl: OpaquePointer, verifies: Bool) -> Bool {
        guard let parameters = SSL_get0_param(ssl), !text.isEmpty else { return false }
        if isAddress {
            return !verifies || X509_VERIFY_PARAM_set1_ip_asc(parameters, text) == 1
        }
        guard endpoints_ssl_set_server_name(ssl, text) == 1 else { return false }
        if !verifies { return true }
        SSL_set_hostflags(ssl, ENDPOINTS_HOST_FLAGS)
        return SSL_set1_host(ssl, text) == 1
    }
}
