// What OpenSSL calls in the middle of a handshake: plain functions without a context of their own,
// which find their way through the SSL to its transport. None may wait or throw.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

extension TLSTransport {
    /// The transport of an SSL.
    static func of(_ ssl: OpaquePointer?) -> TLSTransport? {
        guard let ssl, let data = endpoints_ssl_data(ssl) else { return nil }
        return Unmanaged<TLSTransport>.fromOpaque(data).takeUnretainedValue()
    }
}

/// Chooses the certificate by the name that the client asks for (RFC 6066, section 3).
let chooseIdentity:
    @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 =
        { ssl, alert, _ in
            guard let transport = TLSTransport.of(ssl), case .server(let server) = transport.side,
                let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
            else { return SSL_TLSEXT_ERR_NOACK }
            let wanted = String(cString: name).asciiLowercased
            transport.requestedName = wanted
            guard let chosen = server.context(for: wanted) else {
                if !server.refusesUnknownNames { return SSL_TLSEXT_ERR_NOACK }
                alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
                return SSL_TLSEXT_ERR_ALERT_FATAL
            }
            if chosen !== transport.context {
                SSL_set_SSL_CTX(ssl, chosen.pointer)
                transport.context = chosen
            }
            return SSL_TLSEXT_ERR_OK
        }

/// Chooses the protocol that the server likes best of those that the client offers (RFC 7301).
let chooseProtocol:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
        UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
    ) -> Int32 = { ssl, chosen, chosenCount, offered, offeredCount, _ in
        guard let transport = TLSTransport.of(ssl), let offered else {
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }
        let list = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
        for name in transport.context.settings.applicationProtocols {
            var at = 0
            while at < list.count {
                let end = at + 1 + Int(list[at])
                guard end <= list.count else { break }
                if list[(at + 1)..<end].elementsEqual(name.utf8) {
                    // Into the client's own list, which outlives the callback.
                    chosen?.pointee = offered + at + 1
                    chosenCount?.pointee = list[at]
                    return SSL_TLSEXT_ERR_OK
                }
                at = end
            }
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

/// Seals a session ticket, or opens one.
let sealOrOpenTicket:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?,
        OpaquePointer?, Int32
    ) -> Int32 = { ssl, name, iv, cipher, mac, sealing in
        guard let transport = TLSTransport.of(ssl), case .server(let server) = transport.side,
            let name, let iv, let cipher, let mac
        else { return sealing == 1 ? 0 : -1 }
        if sealing == 1 { return server.ticketKeys.seal(name, iv, cipher, mac) }
        let result = server.ticketKeys.open(name, iv, cipher, mac)
        // A ticket of TLS 1.3 is used once: whoever used one needs another.
        return result == 1 && SSL_version(ssl) == ENDPOINTS_TLS1_3 ? 2 : result
    }

/// Looks at the response that the server stapled: 1 is fine, 0 refuses the server.
let checkStapledResponse: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = {
    ssl,
    _ in
    guard let transport = TLSTransport.of(ssl) else { return 0 }
    var response: UnsafePointer<UInt8>?
    let count = endpoints_ssl_status(ssl, &response)
    let chain = SSL_get0_verified_chain(ssl)
    guard let leaf = endpoints_x509_count(chain) > 0 ? endpoints_x509_at(chain, 0) : nil else {
        return 0
    }
    func refuse(_ reason: String) -> Int32 {
        transport.refusal = CertificateRefusal(
            code: X509_V_ERR_CERT_REVOKED,
            depth: 0,
            certificate: TLSCertificate(sharing: leaf),
            leaf: TLSCertificate(sharing: leaf),
            reason: reason
        )
        return 0
    }
    guard let response, count > 0 else {
        // Stapling is the server's choice, unless its certificate says otherwise (RFC 7633).
        if endpoints_x509_demands_staple(leaf) == 0 { return 1 }
        return refuse("it demands a stapled OCSP response, and the server sent none")
    }
    let issuer = endpoints_x509_count(chain) > 1 ? endpoints_x509_at(chain, 1) : leaf
    let store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl))
    let verdict = endpoints_ocsp_check(response, count, leaf, issuer, chain, store)
    ERR_clear_error()
    if verdict == Int32(ENDPOINTS_OCSP_GOOD) { return 1 }
    switch verdict {
    case Int32(ENDPOINTS_OCSP_REVOKED):
        return refuse("the stapled OCSP response says it is revoked")
    case Int32(ENDPOINTS_OCSP_STALE): return refuse("the stapled OCSP response is out of date")
    default: return refuse("the stapled OCSP response is not valid")
    }
}

/// Appends a line of secrets, as NSS writes them.
let writeKeyLog: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?) -> Void = { ssl, line in
    guard let transport = TLSTransport.of(ssl), let line else { return }
    transport.context.shared.keyLog?.append(line)
}
