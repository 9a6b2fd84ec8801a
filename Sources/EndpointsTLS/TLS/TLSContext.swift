// What OpenSSL knows of a configuration: an SSL_CTX, made once, then only used. It is shared by all
// loops; a reload makes another and leaves this one to the connections that have it.
//
// The order of settings is that of the security they give, and none is left to how OpenSSL was built:
// versions, level, options, ciphers, trust. Every answer is checked, for a certificate that is too
// weak is otherwise dropped without a word, and the server runs with none.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

/// A configured SSL_CTX and what its callbacks look at.
// Unchecked: OpenSSL's contexts may be shared once they are configured (openssl-threads(7)); all else
// is constant.
final class TLSContext: @unchecked Sendable {
    /// 112 bits: RSA and DH of 2048 bits, no SHA-1 (SSL_CTX_set_security_level(3)).
    private static let securityLevel: Int32 = 2
    private static let verifyDepth: Int32 = 10

    let pointer: OpaquePointer
    let isServer: Bool
    let settings: TLSSettings
    /// Whether OpenSSL verifies the peer's chain.
    let verifiesChain: Bool
    /// Whether the peer's certificate is looked at, by OpenSSL, pins or the program.
    let verifies: Bool
    let shared: TLSSharedFiles
    /// The OCSP response about our certificate, to staple.
    private(set) var stapledResponse: StapledResponse?
    let checksStapledResponse: Bool
    let sessions: TLSSessionCache?
    /// What is not as it should be, though no reason to refuse.
    private(set) var warnings: [String]
    private(set) var files: [FileStamp]

    private init(
        _ settings: TLSSettings,
        _ shared: TLSSharedFiles,
        isServer: Bool,
        checksStapledResponse: Bool = false,
        sessions: TLSSessionCache? = nil
    ) throws {
        endpoints_clear_errors()
        guard let pointer = SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            throw TLSFileError(argument: "TLS", path: "", reason: "OpenSSL made no context")
        }
        self.pointer = pointer
        self.isServer = isServer
        self.settings = settings
        self.shared = shared
        warnings = shared.warnings
        files = shared.files
        self.checksStapledResponse = checksStapledResponse
        self.sessions = sessions
        verifiesChain = settings.verifiesChain
        verifies = verifiesChain || settings.hasPolicy
        // From here on `deinit` frees the context, also when something throws.
        try apply()
    }

    deinit { SSL_CTX_free(pointer) }

    /// Whether the files are as they were.
    var isFresh: Bool { files.allSatisfy(\.isCurrent) }

    // MARK: both sides

    private func apply() throws {
        let newest = settings.maximumVersion?.number ?? 0
        try check(
            endpoints_ctx_set_versions(pointer, settings.minimumVersion.number, newest),
            "versions"
        )
        SSL_CTX_set_security_level(pointer, Self.securityLevel)
        var options = ENDPOINTS_SSL_OPTIONS
        if isServer { options |= ENDPOINTS_SSL_SERVER_OPTIONS }
        if settings.toleratesTruncation { options |= ENDPOINTS_SSL_IGNORE_EOF }
        SSL_CTX_set_options(pointer, options)
        endpoints_ctx_set_modes(pointer, isServer ? 0 : 1)
        try setCiphers(settings.ciphers ?? "ECDHE+AESGCM:ECDHE+CHACHA20")
        if let suites = settings.cipherSuites {
            try check(SSL_CTX_set_ciphersuites(pointer, suites), "cipherSuites", suites)
        }
        try check(endpoints_ctx_ciphers_protect(pointer), "cipherSuites")
        if let groups = settings.groups {
            try check(endpoints_ctx_set_groups(pointer, groups), "groups", groups)
        }
        SSL_CTX_set_verify_depth(pointer, Self.verifyDepth)
        SSL_CTX_set_default_passwd_cb(pointer) { _, _, _, _ in 0 }
        if shared.keyLog != nil { SSL_CTX_set_keylog_callback(pointer, writeKeyLog) }
        if let trust = shared.trust { apply(trust) }
        SSL_CTX_set_cert_verify_callback(pointer, verifyPeer, nil)
    }

    private func apply(_ trust: TrustStore) {
        SSL_CTX_set1_cert_store(pointer, trust.pointer)
        var flags: UInt = 0
        // An explicit root may be an intermediate or a pinned leaf.
        if settings.trustRoots != .system { flags |= UInt(X509_V_FLAG_PARTIAL_CHAIN) }
        if settings.isStrict { flags |= UInt(X509_V_FLAG_X509_STRICT) }
        if !settings.revocationLists.isEmpty {
            flags |= UInt(X509_V_FLAG_CRL_CHECK) | UInt(X509_V_FLAG_CRL_CHECK_ALL)
        }
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(pointer), flags)
    }

    private func setCiphers(_ list: String) throws {
        try check(CipherList.set(list, in: pointer), "ciphers", list)
    }

    func check(_ result: Int32, _ argument: String, _ value: String = "") throws {
        if result > 0 { return }
        ERR_clear_error()
        throw TLSFileError(argument: argument, path: value, reason: "OpenSSL does not know it")
    }

    // MARK: the client

    static func client(_ configuration: TLSClientConfiguration) throws -> TLSContext {
        let context = try TLSContext(
            configuration.settings,
            try TLSSharedFiles(configuration.settings),
            isServer: false,
            checksStapledResponse: configuration.checksStapledResponse,
            sessions: configuration.resumesSessions ? TLSSessionCache() : nil
        )
        try context.configureClient(configuration)
        return context
    }

    private func configureClient(_ configuration: TLSClientConfiguration) throws {
        SSL_CTX_set_verify(pointer, verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
        if let certificate = configuration.certificate {
            let files = TLSIdentity(
                privateKey: configuration.privateKey ?? certificate,
                certificate: certificate
            )
            let identity = try LoadedIdentity(
                files,
                passphrase: configuration.passphrase,
                certificateArgument: "certificate"
            )
            try use(identity)
        } else if let key = configuration.privateKey {
            throw TLSFileError(
                argument: "privateKey",
                path: key,
                reason: "there is no certificate for it"
            )
        }
        if !settings.applicationProtocols.isEmpty {
            let wire = try settings.protocolList()
            // This one answers 0 for success.
            guard SSL_CTX_set_alpn_protos(pointer, wire, UInt32(wire.count)) == 0 else {
                throw TLSFileError(argument: "alpn", path: "", reason: "the list is too long")
            }
        }
        if sessions != nil {
            let mode = SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
            endpoints_ctx_set_session_cache_mode(pointer, Int(mode))
            SSL_CTX_sess_set_new_cb(pointer, keepSession)
        } else {
            endpoints_ctx_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        }
        if checksStapledResponse {
            guard verifiesChain else { throw settings.idleCheck("checksStapledResponse") }
            endpoints_ctx_set_status_callback(pointer, checkStapledResponse)
        }
    }

    // MARK: the server

    static func server(
        _ configuration: TLSServerConfiguration,
        _ shared: TLSSharedFiles,
        _ identity: LoadedIdentity
    ) throws -> TLSContext {
        let context = try TLSContext(configuration.settings, shared, isServer: true)
        try context.configureServer(configuration, identity)
        return context
    }

    private func configureServer(
        _ configuration: TLSServerConfiguration,
        _ identity: LoadedIdentity
    ) throws {
        try configureClientVerification(configuration)
        try use(identity)
        if let parameters = shared.dhParameters {
            guard SSL_CTX_set0_tmp_dh_pkey(pointer, parameters.pointer) == 1 else {
                ERR_clear_error()
                throw TLSFileError(
                    argument: "dhParameters",
                    path: configuration.dhParameters ?? "",
                    reason: "OpenSSL refuses the parameters"
                )
            }
            EVP_PKEY_up_ref(parameters.pointer)
            if configuration.ciphers == nil {
                try setCiphers("ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM")
            }
        } else {
            endpoints_ctx_set_dh_auto(pointer)
        }
        endpoints_ctx_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_timeout(pointer, settings.sessionLifetime)
        SSL_CTX_set_num_tickets(pointer, max(0, configuration.ticketCount))
        if configuration.ticketCount <= 0 { SSL_CTX_set_options(pointer, ENDPOINTS_SSL_NO_TICKET) }
        SSL_CTX_set_tlsext_ticket_key_evp_cb(pointer, sealOrOpenTicket)
        SSL_CTX_set_session_ticket_cb(pointer, describeSession, openSession, nil)
        endpoints_ctx_set_server_name_callback(pointer, chooseIdentity)
        if !settings.applicationProtocols.isEmpty {
            _ = try settings.protocolList()
            SSL_CTX_set_alpn_select_cb(pointer, chooseProtocol, nil)
        }
        staple(for: identity)
    }

    private func staple(for identity: LoadedIdentity) {
        stapledResponse = shared.staple?.response(for: identity.leaf)
        if let stapledResponse {
            endpoints_ctx_set_status_callback(pointer, stapleResponse)
            if let flaw = stapledResponse.flaw(at: settings.now()) { warnings.append(flaw) }
        } else if endpoints_x509_demands_staple(identity.leaf.pointer) == 1 {
            warnings.append(
                "certificate \"\(identity.path)\" demands a stapled OCSP response, and there is none"
            )
        }
    }

    private func configureClientVerification(_ configuration: TLSServerConfiguration) throws {
        let mode: Int32
        switch configuration.clientCertificate {
        case .none: mode = SSL_VERIFY_NONE
        case .request: mode = SSL_VERIFY_PEER
        case .require: mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        }
        if mode != SSL_VERIFY_NONE && settings.trustRoots == nil {
            throw TLSFileError(
                argument: "clientRoots",
                path: "",
                reason: "is needed to verify clients"
            )
        }
        SSL_CTX_set_verify(pointer, mode, nil)
        // Whom we trust is part of it: a ticket from before that changed resumes nothing.
        var identifier = [UInt8](repeating: 0, count: 32)
        var text = "\(configuration.clientCertificate)"
        for stamp in shared.trust?.files ?? [] { text += "\(stamp)" }
        EVP_Digest(text, text.utf8.count, &identifier, nil, EVP_sha256(), nil)
        SSL_CTX_set_session_id_context(pointer, identifier, 32)
        if mode != SSL_VERIFY_NONE, verifiesChain {
            endpoints_ctx_set_ca_names(pointer, SSL_CTX_get_cert_store(pointer), 100)
        }
    }

    /// Puts in our certificate, chain and key, and looks at the dates.
    private func use(_ identity: LoadedIdentity) throws {
        endpoints_clear_errors()
        let chain = endpoints_x509_stack()
        defer { endpoints_x509_stack_free(chain) }
        for certificate in identity.chain { endpoints_x509_push(chain, certificate.pointer) }
        let result = SSL_CTX_use_cert_and_key(
            pointer,
            identity.leaf.pointer,
            identity.key.pointer,
            chain,
            1
        )
        if result != 1 {
            let text = TLSFailure.takeErrors().last?.text ?? "no reason given"
            throw identity.refusal("OpenSSL refuses the certificate: \(text)")
        }
        files += identity.files
        warnings += identity.warnings
    }
}

extension TLSSettings {
    /// The protocols as RFC 7301, section 3.1, has them on the wire.
    func protocolList() throws -> [UInt8] {
        var wire: [UInt8] = []
        for name in applicationProtocols {
            let bytes = Array(name.utf8)
            guard (1...255).contains(bytes.count) else {
                throw TLSFileError(
                    argument: "alpn",
                    path: name,
                    reason: "a protocol's name has 1 to 255 bytes"
                )
            }
            wire.append(UInt8(bytes.count))
            wire += bytes
        }
        return wire
    }
}
