// What `tls` and `ssl` have in common as servers: the arguments, and the stage that does handshakes.

import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

/// A kind that listens for TLS.
protocol TLSListening: TCPEndpoint, ServerEndpoint {
    var configuration: TLSServerConfiguration { get set }
    var method: TLSMethod? { get set }
    /// What it listens on, if that is another endpoint.
    var inner: (any ServerEndpoint)? { get }
}

extension TLSListening {
    static var securityArguments: [EndpointArgument<Self>] {
        fileArguments + protocolArguments + clientArguments
    }

    private static var fileArguments: [EndpointArgument<Self>] {
        let isOld = kind == "ssl"
        return [
            .optional(
                "privateKey",
                \.privateKeyFile,
                position: isOld ? 1 : nil,
                help: "PEM file with the private key"
            ),
            .optional(
                "certKey",
                \.certificateFile,
                position: isOld ? 2 : nil,
                aliases: ["certificate"],
                help: "PEM file with the certificate and its chain; the key's own unless told"
            ),
            .optional(
                "extraCertChain",
                \.chainFile,
                position: isOld ? 6 : nil,
                help: "PEM file with more certificates of the chain"
            ),
            .optional(
                "passphraseFile",
                \.configuration.passphrase,
                as: .passphraseFile,
                help: "file whose first line opens the private key"
            ),
            .optional(
                "dhParameters",
                \.configuration.dhParameters,
                position: isOld ? 7 : nil,
                help: "PEM file with parameters for DHE, from 2048 bits"
            ),
            .optional(
                "reload",
                \.configuration.reloadInterval,
                help: "seconds between looks whether the files have changed"
            ),
        ]
    }

    private static var protocolArguments: [EndpointArgument<Self>] {
        [
            .optional(
                "sslmethod",
                \.method,
                position: kind == "ssl" ? 3 : nil,
                help: "versions of TLS, by the name of an OpenSSL method"
            ),
            .optional(
                "minimumVersion",
                \.configuration.minimumVersion,
                help: "oldest version of TLS"
            ),
            .optional(
                "maximumVersion",
                \.configuration.maximumVersion,
                help: "newest version of TLS"
            ),
            .optional(
                "ciphers",
                \.configuration.ciphers,
                as: .ciphers,
                help: "cipher suites of TLS 1.2, as openssl-ciphers(1) has them"
            ),
            .optional(
                "cipherSuites",
                \.configuration.cipherSuites,
                as: .cipherSuites,
                help: "cipher suites of TLS 1.3"
            ),
            .optional(
                "groups",
                \.configuration.groups,
                as: .groups,
                help: "groups for the key exchange"
            ),
            .optional(
                "alpn",
                \.configuration.applicationProtocols,
                as: .protocols,
                help: "protocols to accept, the best first, by comma (RFC 7301)"
            ),
            .optional(
                "handshakeTimeout",
                \.configuration.handshakeTimeout,
                help: "seconds that a handshake may take"
            ),
            .optional(
                "tickets",
                \.configuration.ticketCount,
                as: .integer(in: 0...8),
                help: "session tickets for each client; 0 resumes none"
            ),
            .optional(
                "stapledResponse",
                \.configuration.stapledResponse,
                help: "file with an OCSP response (DER) to send with the certificate"
            ),
            .optional(
                "refuseUnknownNames",
                \.configuration.refusesUnknownNames,
                help: "refuse clients that ask for a name without a certificate"
            ),
            .optional(
                "keyLog",
                \.configuration.keyLog,
                help: "file to append the connections' secrets to, for debugging"
            ).granting(.writesFile),
        ]
    }

    private static var clientArguments: [EndpointArgument<Self>] {
        [
            .optional(
                "clientCertificate",
                \.configuration.clientCertificate,
                help: "whether clients must show a certificate"
            ),
            .optional(
                "clientRoots",
                \.configuration.clientRoots,
                as: .path,
                help: "PEM file, or directory of them, who may vouch for clients"
            ),
            .optional(
                "revocationLists",
                \.configuration.revocationLists,
                help: "PEM files of revocation lists, by comma"
            ),
        ]
    }

    private var privateKeyFile: String {
        get { configuration.identities.first?.privateKey ?? TLSDefaults.privateKey }
        set { changeIdentity { $0.privateKey = newValue } }
    }

    private var certificateFile: String? {
        get { configuration.identities.first?.certificate }
        set { changeIdentity { $0.certificate = newValue } }
    }

    private var chainFile: String? {
        get { configuration.identities.first?.chain }
        set { changeIdentity { $0.chain = newValue } }
    }

    private mutating func changeIdentity(_ change: (inout TLSIdentity) -> Void) {
        if configuration.identities.isEmpty {
            configuration.identities = [TLSIdentity(privateKey: TLSDefaults.privateKey)]
        }
        change(&configuration.identities[0])
    }

    func validateSecurity() throws {
        if method != nil,
            configuration.minimumVersion != .tls12 || configuration.maximumVersion != nil
        {
            throw EndpointArgumentError(
                "says the same as minimumVersion and maximumVersion; give one of them",
                argument: "sslmethod"
            )
        }
        if let newest = configuration.maximumVersion, newest < configuration.minimumVersion {
            throw EndpointArgumentError(
                "is older than minimumVersion, \(configuration.minimumVersion.rawValue)",
                argument: "maximumVersion"
            )
        }
        if configuration.clientCertificate != .none, configuration.clientRoots == nil {
            throw EndpointArgumentError(
                "needs clientRoots, to verify what clients show",
                argument: "clientCertificate"
            )
        }
        let hasLists = !configuration.revocationLists.isEmpty
        if configuration.clientCertificate == .none, configuration.clientRoots != nil || hasLists {
            throw EndpointArgumentError(
                "has no effect without clientCertificate=request or clientCertificate=require",
                argument: hasLists ? "revocationLists" : "clientRoots"
            )
        }
    }

    /// The configuration with what the string says in other words.
    var effective: TLSServerConfiguration {
        var configuration = configuration
        if let method {
            configuration.minimumVersion = method.minimum
            configuration.maximumVersion = method.maximum
        }
        if configuration.directory != nil, privateKeyFile == TLSDefaults.privateKey {
            configuration.identities = []
        }
        return configuration
    }

    /// There are always files: the key and the certificate.
    public var isReloadable: Bool { true }

    /// Reads the files again, and makes the inner endpoint do so; connections made from now on use what
    /// they hold.
    ///
    /// Each layer reads its own files: one whose files are wrong keeps what it had, and the others take
    /// what is new. Blocks while it reads; on an event loop, call it in a detached task.
    ///
    /// - Throws: ``EndpointError``; then whatever could not be read stays as it was.
    public func reload(logger: Logger) throws {
        try eachLayer(
            { warn(of: try load(), logger, redacted) },
            { try inner?.reload(logger: logger) }
        )
    }

    /// Does both, whether or not one fails, and tells of all that failed.
    private func eachLayer(_ ours: () throws -> Void, _ within: () throws -> Void) throws {
        var errors: [EndpointError] = []
        do { try ours() } catch let error as EndpointError { errors.append(error) }
        do { try within() } catch let error as EndpointError { errors.append(error) }
        guard let first = errors.first else { return }
        if errors.count == 1 { throw first }
        throw EndpointError(
            first.code,
            operation: "reload",
            endpoint: redacted,
            reason: errors.map(\.why).joined(separator: "; and ")
        )
    }

    private func load() throws -> TLSServerGeneration {
        do { return try configuration.state.load(effective) } catch let error as TLSFileError {
            throw error.endpointError(operation: "reload", endpoint: redacted)
        }
    }

    private func warn(of generation: TLSServerGeneration, _ logger: Logger, _ name: String) {
        for warning in generation.warnings {
            logger.warning(
                "TLS configuration",
                metadata: ["endpoint": "\(name)", "warning": "\(warning)"]
            )
        }
    }

    /// Reads the files, and adds the handshake to what happens to a connection.
    func prepare(_ context: EndpointContext) async throws -> EndpointContext {
        let effective = effective
        let state = configuration.state
        let name = context.name(of: self)
        let generation: TLSServerGeneration
        do { generation = try await state.loadOffLoop(effective) } catch let error as TLSFileError {
            throw error.endpointError(operation: "listen", endpoint: name)
        }
        warn(of: generation, context.logger, name)
        var interval = configuration.reloadInterval
        if configuration.directory != nil { interval = interval ?? TLSDefaults.directoryInterval }
        // Lives as long as the listener, which holds the stage, which holds this.
        let watcher = interval.map { interval in
            CertificateWatcher(
                state,
                effective,
                every: interval,
                endpoint: name,
                in: context
            )
        }
        let timeout = configuration.handshakeTimeout
        return context.preparing("TLS handshake", timeout: nil, client: Self.client) { inner in
            let generation = withExtendedLifetime(watcher) { state.current ?? generation }
            return try await inner.secure(
                .server(generation),
                peer: "from \(inner.remoteAddress)",
                timeout: timeout
            )
        }
    }

    /// The endpoint by which a client of this host gets through the handshake.
    private static func client(over inner: any ClientEndpoint) -> (any ClientEndpoint)? {
        switch inner {
        case let tcp as TCPClientEndpoint: return TLSClientEndpoint(host: tcp.host, port: tcp.port)
        case let tcp as TCP6ClientEndpoint: return TLSClientEndpoint(host: tcp.host, port: tcp.port)
        default:
            var client = TLSClientEndpoint(host: "localhost", port: 443)
            client.endpoint = inner
            return client
        }
    }
}
