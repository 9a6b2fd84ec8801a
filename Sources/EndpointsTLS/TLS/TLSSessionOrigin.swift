// A session lives on: a server of TLS 1.3 issues a fresh ticket with each resumption, and OpenSSL dates
// that ticket anew. Nothing is verified in between, so whatever limits trust must travel with the
// session from the one full handshake that it descends from. That is this value. On a server it is
// sealed inside the ticket, on a client it stays in memory with the session (both as OpenSSL's "ticket
// application data", which survives when OpenSSL copies a session).

import COpenSSL

/// What a session knows about the full handshake that it descends from.
struct TLSSessionOrigin {
    /// The largest chain that is worth its place in a ticket, in bytes of DER.
    private static let maximumChainSize = 16_384

    /// When the peer was verified, in seconds since 1970.
    let authenticated: Int
    /// When the first certificate or revocation list of the peer's chain expires; `Int.max` for never.
    let trustedUntil: Int
    /// The verified chain above the peer's own certificate; empty where nothing looks at it again.
    let issuers: [TLSCertificate]

    /// - Parameters:
    ///   - now: The time, in seconds since 1970.
    ///   - chain: The verified chain, the peer's own certificate first.
    ///   - listsUntil: When the first revocation list expires.
    ///   - keepsChain: Whether something looks at the chain when the session is resumed.
    init(now: Int, chain: [TLSCertificate], listsUntil: Int, keepsChain: Bool) {
        authenticated = now
        let ends = chain.map(\.notAfter.secondsSince1970)
        issuers = keepsChain ? Array(chain.dropFirst()) : []
        let size = issuers.reduce(0) { $0 + $1.der.count }
        trustedUntil = size > Self.maximumChainSize ? 0 : ends.reduce(listsUntil, min)
    }

    /// Reads what ``store(in:)`` wrote; `nil` if it is not there.
    init?(of session: OpaquePointer) {
        var data: UnsafeMutableRawPointer?
        var count = 0
        guard SSL_SESSION_get0_ticket_appdata(session, &data, &count) == 1, let data, count >= 16
        else { return nil }
        let bytes = UnsafeRawBufferPointer(start: data, count: count)
        authenticated = bytes.loadUnaligned(fromByteOffset: 0, as: Int.self)
        trustedUntil = bytes.loadUnaligned(fromByteOffset: 8, as: Int.self)
        var issuers: [TLSCertificate] = []
        var next = bytes.baseAddress?.advanced(by: 16).assumingMemoryBound(to: UInt8.self)
        var left = count - 16
        while left > 0, let start = next {
            endpoints_clear_errors()
            guard let x509 = d2i_X509(nil, &next, left), let end = next else {
                ERR_clear_error()
                return nil
            }
            issuers.append(TLSCertificate(owning: x509))
            left -= end - start
        }
        self.issuers = issuers
    }

    /// Keeps it with a session.
    ///
    /// - Returns: Whether there was memory for it.
    func store(in session: OpaquePointer) -> Bool {
        var bytes: [UInt8] = []
        withUnsafeBytes(of: (authenticated, trustedUntil)) { bytes += $0 }
        if trustedUntil > 0 { for issuer in issuers { bytes += issuer.der } }
        return SSL_SESSION_set1_ticket_appdata(session, bytes, bytes.count) == 1
    }

    /// When the session can be resumed no longer, in seconds since 1970.
    func end(lifetime: Int) -> Int { min(authenticated + lifetime, trustedUntil) }
}

extension TLSContext {
    /// What to remember of a full handshake that has just been done.
    func origin(of ssl: OpaquePointer) -> TLSSessionOrigin {
        let chain = verifiesChain ? TLSCertificate.array(SSL_get0_verified_chain(ssl)) : []
        return TLSSessionOrigin(
            now: settings.now(),
            chain: chain,
            listsUntil: chain.isEmpty ? .max : shared.trust?.listsUntil ?? .max,
            keepsChain: settings.hasPolicy
        )
    }

    /// Whether a session is still trusted: in time, and by the pins and the program.
    ///
    /// If not, a full handshake finds out why.
    func mayResume(_ session: OpaquePointer) -> Bool {
        guard let origin = TLSSessionOrigin(of: session) else { return false }
        let now = settings.now()
        guard origin.authenticated <= now, now < origin.end(lifetime: settings.sessionLifetime)
        else { return false }
        guard let leaf = SSL_SESSION_get0_peer(session) else {
            // Of a server that asks for a certificate and takes none for an answer.
            return isServer || !verifies
        }
        guard settings.hasPolicy else { return true }
        return settings.objection(to: [TLSCertificate(sharing: leaf)] + origin.issuers) == nil
    }
}

/// Writes into a ticket what ``openSession`` checks, and lets the ticket end when trust ends.
let describeSession: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = {
    ssl,
    _ in
    guard let ssl, let transport = TLSTransport.of(ssl), let session = SSL_get_session(ssl) else {
        return 0
    }
    let context = transport.context
    let isResumed = SSL_session_reused(ssl) == 1
    let earlier = isResumed ? TLSSessionOrigin(of: session) : nil
    let origin = earlier ?? context.origin(of: ssl)
    // Counted from a time that OpenSSL has just set anew.
    let end = origin.end(lifetime: context.settings.sessionLifetime)
    SSL_SESSION_set_timeout(session, max(0, end - SSL_SESSION_get_time(session)))
    return earlier != nil || origin.store(in: session) ? 1 : 0
}

/// Decides whether the session of a ticket that could be opened is resumed.
let openSession:
    @convention(c) (
        OpaquePointer?, OpaquePointer?, UnsafePointer<UInt8>?, Int, SSL_TICKET_STATUS,
        UnsafeMutableRawPointer?
    ) -> SSL_TICKET_RETURN = { ssl, session, _, _, status, _ in
        guard status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW, let session,
            let transport = TLSTransport.of(ssl), transport.context.mayResume(session)
        else { return SSL_TICKET_RETURN_IGNORE_RENEW }
        return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
    }

/// Keeps a session for later: 1 takes over the reference.
let keepSession: @convention(c) (OpaquePointer?, OpaquePointer?) -> Int32 = { ssl, session in
    guard let ssl, let transport = TLSTransport.of(ssl), case .client(let client) = transport.side,
        let session, let sessions = transport.context.sessions
    else { return 0 }
    // One that descends from an earlier session has its origin from there.
    if SSL_session_reused(ssl) == 0, !transport.context.origin(of: ssl).store(in: session) {
        return 0
    }
    sessions.insert(session, for: client.sessionKey)
    return 1
}
