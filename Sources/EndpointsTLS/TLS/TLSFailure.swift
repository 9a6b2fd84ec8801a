// What OpenSSL's error queue says, as sentences.
//
// Reasons are told apart by number, never by text. "certificate verify failed" alone helps nobody, so
// the verification keeps what it stumbled on (CertificateRefusal); an alert says what the *other* side
// stumbled on; and bytes that are no TLS at all are shown, for they usually tell who sent them.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// One entry of the error queue.
struct TLSError {
    let library: Int32
    let reason: Int32
    let text: String

    /// The number of an alert that the peer sent.
    var alert: Int32? {
        library == ERR_LIB_SSL && reason >= 1000 && reason < 1256 ? reason - 1000 : nil
    }
}

/// What went wrong with TLS.
struct TLSFailure {
    private let errors: [TLSError]
    private let transport: TLSTransport

    init(_ errors: [TLSError], of transport: TLSTransport) {
        self.errors = errors
        self.transport = transport
    }

    /// Empties the error queue of the thread; the innermost entry is first.
    static func takeErrors() -> [TLSError] {
        var errors: [TLSError] = []
        while true {
            let code = ERR_get_error()
            if code == 0 { return errors }
            let isSystem = endpoints_error_is_system(code) != 0
            let reason = endpoints_error_reason(code)
            let text =
                isSystem
                ? SystemError(errno: reason).message
                : ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
            errors.append(
                TLSError(library: endpoints_error_library(code), reason: reason, text: text)
            )
        }
    }

    static func isAlert(_ errors: [TLSError]) -> Bool { errors.contains { $0.alert != nil } }

    /// The error for a call that failed.
    func error(during call: TLSTransport.Call, peer: String) -> EndpointError {
        let isHandshake = call == .handshake || !transport.isUp
        let operation: String =
            switch call {
            case .handshake: "TLS handshake"
            case .read: "read"
            case .write: "write"
            }
        func made(_ code: EndpointError.Code, _ reason: String, _ advice: String? = nil)
            -> EndpointError
        {
            EndpointError(
                code,
                operation: operation,
                endpoint: peer,
                reason: reason,
                advice: advice,
                phase: isHandshake ? .handshake : nil
            )
        }
        if let refusal = transport.refusal, isHandshake {
            let wanted: ServerName? =
                if case .client(let client) = transport.side { client.serverName } else { nil }
            return made(
                .certificateInvalid,
                refusal.sentence(wanted: wanted, at: transport.context.settings.now()),
                refusal.advice
            )
        }
        if let alert = errors.compactMap(\.alert).first {
            return made(.handshakeFailed, TLSAlert.sentence(alert))
        }
        if let reason = errors.first(where: { $0.library == ERR_LIB_SSL })?.reason {
            if reason == SSL_R_UNEXPECTED_EOF_WHILE_READING { return cutOff(isHandshake, made) }
            if let (sentence, advice) = known(reason) {
                return made(.handshakeFailed, sentence, advice)
            }
        }
        guard let last = errors.last else { return cutOff(isHandshake, made) }
        return made(isHandshake ? .handshakeFailed : .connectionReset, "TLS failed: \(last.text)")
    }

    private func cutOff(
        _ isHandshake: Bool,
        _ made: (EndpointError.Code, String, String?) -> EndpointError
    ) -> EndpointError {
        if isHandshake {
            return made(
                .handshakeFailed,
                "the peer closed the connection in the middle of the handshake",
                nil
            )
        }
        return made(
            .truncated,
            "the stream was cut off: the connection ended without close_notify",
            nil
        )
    }

    private func known(_ reason: Int32) -> (String, String?)? {
        switch reason {
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST:
            return ("the peer speaks plain HTTP, not TLS; \(received)", nil)
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_BAD_RECORD_TYPE,
            SSL_R_UNEXPECTED_MESSAGE, SSL_R_RECORD_LENGTH_MISMATCH:
            return notTLS
        case SSL_R_NO_SHARED_CIPHER:
            return ("the client offers no cipher suite or certificate type of ours", nil)
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_PROTOCOLS_AVAILABLE:
            return ("the peer offers no version of TLS that is allowed here", nil)
        case SSL_R_NO_APPLICATION_PROTOCOL:
            return ("the client offers none of our application protocols (ALPN)", nil)
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return ("the client shows no certificate, and one is required", nil)
        case SSL_R_CALLBACK_FAILED, SSL_R_CLIENTHELLO_TLSEXT:
            guard let name = transport.requestedName else { return nil }
            return ("the client asks for \"\(name)\", for which there is no certificate", nil)
        case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
            return ("what came was changed on its way, or is not TLS", nil)
        default: return nil
        }
    }

    private var notTLS: (String, String?)? {
        guard let opening = transport.opening else { return nil }
        func begins(_ text: String) -> Bool { opening.starts(with: text.utf8) }
        // A TLS record: what is wrong lies deeper.
        if let type = opening.first, (20...24).contains(type), opening.dropFirst().first == 3 {
            return nil
        }
        if begins("PROXY ") || opening.starts(with: [13, 10, 13, 10, 0, 13, 10]) {
            return (
                "the peer sends a PROXY header before TLS",
                "haproxy: before the endpoint reads it"
            )
        }
        if begins("HTTP/") { return ("the peer speaks plain HTTP, not TLS; \(received)", nil) }
        return ("the peer does not speak TLS; \(received)", nil)
    }

    private var received: String { "got \(EndpointError.quoted(transport.opening ?? []))" }
}
