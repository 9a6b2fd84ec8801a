// What `tls` and `ssl` have in common as clients.

import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

extension TLSConnecting {
    static var securityArguments: [EndpointArgument<Self>] {
        [
            .optional(
                "alpn",
                \.configuration.applicationProtocols,
                as: .protocols,
                help: "protocols to offer, the best first, by comma (RFC 7301)"
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
                "passphraseFile",
                \.configuration.passphrase,
                as: .passphraseFile,
                help: "file whose first line opens the private key"
            ),
            .optional(
                "revocationLists",
                \.configuration.revocationLists,
                help: "PEM files of revocation lists, by comma"
            ),
            .optional(
                "pins",
                \.configuration.pins,
                help: "SHA-256 of public keys, one of which the peer's chain must hold"
            ),
            .optional(
                "strict",
                \.configuration.isStrict,
                help: "refuse what breaks RFC 5280 in any way"
            ),
            .optional(
                "stapling",
                \.configuration.checksStapledResponse,
                help: "ask for a stapled OCSP response, and refuse a bad one"
            ),
            .optional("resume", \.configuration.resumesSessions, help: "resume earlier sessions"),
            .optional(
                "keyLog",
                \.configuration.keyLog,
                help: "file to append the connections' secrets to, for debugging"
            ).granting(.writesFile),
        ]
    }

    func validateSecurity() throws {
        if configuration.certificate == nil {
            let unused: String? =
                configuration.privateKey != nil
                ? "privateKey" : configuration.passphrase != nil ? "passphraseFile" : nil
            if let unused {
                throw EndpointArgumentError(
                    "has no effect without a certificate",
                    argument: unused
                )
            }
        }
        if let newest = configuration.maximumVersion, newest < configuration.minimumVersion {
            throw EndpointArgumentError(
                "is older than minimumVersion, \(configuration.minimumVersion.rawValue)",
                argument: "maximumVersion"
            )
        }
    }

    func connectSecurely(in context: EndpointContext) async throws -> Connection {
        let start = ContinuousClock.now
        let side = try side(in: context)
        guard let endpoint else {
            let inner = try await TCPConnector.connect(
                host: host,
                port: port,
                family: nil,
                options: options,
                bindAddress: bindAddress,
                timeout: timeout,
                endpoint: redacted,
                in: context
            )
            return try await secure(inner, side, timeout: timeout - (.now - start))
        }
        return try await connect(over: endpoint, within: timeout, then: .handshake, in: context) {
            try await secure($0, side, timeout: nil)
        }
    }

    private func side(in context: EndpointContext) throws -> TLSSide {
        do {
            let name = try ServerName(serverName ?? host)
            let tls = try configuration.context(logger: context.logger)
            let key = "\(name.text):\(port)"
            let client = TLSClientSide(
                context: tls,
                serverName: name,
                sessionKey: key,
                trace: context.trace
            )
            return .client(client)
        } catch let error as TLSFileError {
            throw error.endpointError(operation: "connect", endpoint: redacted)
        } catch let error as EndpointError {
            throw error.of(operation: "connect", endpoint: redacted)
        }
    }

    private func secure(
        _ inner: Connection,
        _ side: TLSSide,
        timeout left: Duration?
    ) async throws -> Connection {
        let start = ContinuousClock.now
        let trace: ConnectTrace? = if case .client(let client) = side { client.trace } else { nil }
        trace?.update { $0.address = inner.remoteAddress }
        defer {
            let phase = ConnectionTimeline.Phase(start: start, duration: .now - start)
            trace?.update { $0.timeline.handshake = phase }
        }
        do {
            let shownHost = host.contains(":") ? "[\(host)]" : host
            return try await inner.secure(
                side,
                peer: "with \(shownHost):\(port)",
                timeout: left.map { max($0, .zero) }
            )
        } catch let error as EndpointError where error.code == .timedOut && left != nil {
            inner.abort()
            throw EndpointError.timedOut(
                after: timeout,
                operation: "connect",
                endpoint: redacted,
                phase: .handshake
            )
        } catch {
            inner.abort()
            throw error
        }
    }
}
