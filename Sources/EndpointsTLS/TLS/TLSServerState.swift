// What a server configuration has read from its files: one generation, replaced as a whole by a
// reload. Connections keep the generation with which they began, ticket keys outlive all of them.

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

/// Contexts by name, and the keys for tickets.
final class TLSServerGeneration: Sendable {
    /// For clients that ask for no name, or for none of ours.
    let standard: TLSContext
    private let exact: [String: TLSContext]
    /// By what comes after `*`.
    private let wildcard: [String: TLSContext]
    let ticketKeys: TLSTicketKeys
    let refusesUnknownNames: Bool
    let warnings: [String]
    let files: [FileStamp]
    /// What the directory holds.
    private let directory: [LoadedIdentity]

    /// Reads all files.
    ///
    /// - Throws: ``TLSFileError``.
    init(
        _ configuration: TLSServerConfiguration,
        ticketKeys: TLSTicketKeys,
        after earlier: TLSServerGeneration? = nil
    ) throws {
        self.ticketKeys = ticketKeys
        refusesUnknownNames = configuration.refusesUnknownNames
        var identities = try configuration.identities.map { identity in
            try LoadedIdentity(
                identity,
                passphrase: configuration.passphrase,
                certificateArgument: identity.certificate == nil ? "privateKey" : "certificate"
            )
        }
        var warnings: [String] = []
        var stamps: [FileStamp] = []
        var held: [LoadedIdentity] = []
        if let directory = configuration.directory {
            let found = try CertificateDirectory(
                directory,
                passphrase: configuration.passphrase,
                earlier: earlier?.directory ?? []
            )
            held = found.identities
            identities += held
            warnings += found.warnings
            stamps += found.stamps
        }
        var standard: TLSContext?
        var exact: [String: TLSContext] = [:]
        var wildcard: [String: TLSContext] = [:]
        for identity in identities {
            let context = try TLSContext.server(configuration, identity)
            standard = standard ?? context
            warnings += context.warnings
            stamps += context.files
            for name in identity.leaf.names {
                let name = name.asciiLowercased
                if name.hasPrefix("*.") {
                    let rest = String(name.dropFirst())
                    wildcard[rest] = wildcard[rest] ?? context
                } else {
                    exact[name] = exact[name] ?? context
                }
            }
        }
        guard let standard else {
            throw TLSFileError(argument: "privateKey", path: "", reason: "there is no certificate")
        }
        self.standard = standard
        self.exact = exact
        self.wildcard = wildcard
        var seen: Set<String> = []
        self.warnings = warnings.filter { seen.insert($0).inserted }
        files = stamps
        directory = held
    }

    /// The context for a name in lower case; `nil` if there is none.
    func context(for name: String) -> TLSContext? {
        let name = name.hasSuffix(".") ? String(name.dropLast()) : name
        if let context = exact[name] { return context }
        guard let dot = name.firstIndex(of: ".") else { return nil }
        return wildcard[String(name[dot...])]
    }
}

/// What copies of a configuration share.
final class TLSServerState: Sendable {
    private struct State {
        var generation: TLSServerGeneration?
        var ticketKeys: TLSTicketKeys?
    }
    private let state = Lock(State())

    /// What was read last.
    var current: TLSServerGeneration? { state.withLock { $0.generation } }

    /// What was read last; reads the files if that never happened.
    ///
    /// - Throws: ``TLSFileError``.
    func generation(_ configuration: TLSServerConfiguration) throws -> TLSServerGeneration {
        try current ?? load(configuration)
    }

    /// Reads the files; on an error what was read before stays.
    ///
    /// - Throws: ``TLSFileError``.
    @discardableResult
    func load(_ configuration: TLSServerConfiguration) throws -> TLSServerGeneration {
        let (keys, earlier) = state.withLock { state in
            let keys = state.ticketKeys ?? TLSTicketKeys(lifetime: configuration.ticketKeyLifetime)
            state.ticketKeys = keys
            return (keys, state.generation)
        }
        let made = try TLSServerGeneration(configuration, ticketKeys: keys, after: earlier)
        state.withLock { $0.generation = made }
        return made
    }
}
