// What decides about a peer's certificate, in the middle of a handshake: OpenSSL's verification of the
// chain, then our pins, then the program. Each runs whenever it was asked for.
//
// Without trust roots nothing vouches for the certificates above the peer's own: anybody can send a
// copy of a pinned authority along. Only the peer's own key is proven by the handshake, so there the
// peer's own certificate is all that pins and the program get to see.

import CEndpoints
import COpenSSL

extension TLSSettings {
    /// Whether a chain is looked at by more than OpenSSL.
    var hasPolicy: Bool { !pins.isEmpty || verification != nil }

    /// What pins or the program have against a chain; `nil` if nothing.
    func objection(to chain: [TLSCertificate]) -> String? {
        if !pins.isEmpty, !chain.contains(where: { $0.pin.map(pins.contains) ?? false }) {
            return verifiesChain
                ? "no public key of its chain is one of those that are pinned"
                : "its public key is not one of those that are pinned"
        }
        do { try verification?(chain) } catch { return "the program refuses it: \(error)" }
        return nil
    }

    /// Whether OpenSSL verifies the peer's chain.
    var verifiesChain: Bool { trustRoots != nil && trustRoots != .insecurelyTrustsAnybody }

    /// Refuses checks that could not run.
    ///
    /// - Throws: ``TLSFileError``.
    func refuseIdleChecks() throws {
        if verifiesChain { return }
        let idle: String? =
            !revocationLists.isEmpty
            ? "revocationLists" : isStrict ? "isStrict" : nil
        if let idle { throw idleCheck(idle) }
    }

    /// Why a check cannot run that needs a chain.
    func idleCheck(_ argument: String) -> TLSFileError {
        TLSFileError(
            argument: argument,
            path: revocationLists.first ?? "",
            reason: "cannot be checked without trust roots",
            advice: "name in \(trustArgument) who may vouch for the peer"
        )
    }
}

extension TLSServerConfiguration {
    /// Refuses checks of certificates that clients are not asked for.
    ///
    /// - Throws: ``TLSFileError``.
    func refuseIdleChecks() throws {
        if clientCertificate != .none { return }
        let idle: String? =
            verification != nil
            ? "verification"
            : !revocationLists.isEmpty
                ? "revocationLists" : clientRoots != nil ? "clientRoots" : nil
        guard let idle else { return }
        throw TLSFileError(
            argument: idle,
            path: revocationLists.first ?? "",
            reason: "has no effect on clients that are not asked for a certificate",
            advice: "set clientCertificate to require or request"
        )
    }
}

extension TLSTransport {
    /// Whether the peer has shown the certificate that it must show.
    ///
    /// A client accepts a server without one if the cipher suite authenticates nobody; OpenSSL's server
    /// never does.
    var hasShownCertificate: Bool {
        let isRequired = !context.isServer && context.verifies
        if !isRequired || SSL_get0_peer_certificate(ssl) != nil { return true }
        refusal = CertificateRefusal(
            code: X509_V_ERR_APPLICATION_VERIFICATION,
            depth: 0,
            certificate: nil,
            leaf: nil,
            reason: nil
        )
        return false
    }
}

/// Verifies the peer's chain.
let verifyPeer: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { store, _ in
    guard let store else { return 0 }
    guard let transport = TLSTransport.of(endpoints_store_ctx_ssl(store)) else {
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED)
        return 0
    }
    let leaf = X509_STORE_CTX_get0_cert(store).map { TLSCertificate(sharing: $0) }
    let settings = transport.context.settings
    if settings.verifiesChain, X509_verify_cert(store) != 1 {
        transport.refusal = CertificateRefusal(
            code: X509_STORE_CTX_get_error(store),
            depth: Int(X509_STORE_CTX_get_error_depth(store)),
            certificate: X509_STORE_CTX_get_current_cert(store).map { TLSCertificate(sharing: $0) },
            leaf: leaf,
            reason: nil
        )
        transport.traceRefusal(of: store)
        return 0
    }
    X509_STORE_CTX_set_error(store, X509_V_OK)
    if !settings.hasPolicy { return 1 }
    let chain =
        settings.verifiesChain
        ? TLSCertificate.array(X509_STORE_CTX_get0_chain(store)) : leaf.map { [$0] } ?? []
    guard let reason = settings.objection(to: chain) else { return 1 }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
    transport.refusal = CertificateRefusal(
        code: X509_V_ERR_APPLICATION_VERIFICATION,
        depth: 0,
        certificate: leaf,
        leaf: leaf,
        reason: reason
    )
    transport.traceRefusal(of: store)
    return 0
}
