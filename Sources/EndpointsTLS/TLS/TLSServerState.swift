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
    private let claims: NameClaims
    let ticketKeys: TLSTicketKeys
    let refusesUnknownNames: Bool
    let warnings: [String]
    /// Which certificates claim a name that another serves.
    let conflicts: [String]
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
        let shared = try TLSSharedFiles(configuration)
        var standard: TLSContext?
        var claims = NameClaims()
        for identity in identities {
            let context = try TLSContext.server(configuration, shared, identity)
            standard = standard ?? context
            warnings += context.warnings
            stamps += context.files
            claims.add(identity, context)
        }
        guard let standard else {
            throw TLSFileError(argument: "privateKey", path: "", reason: "there is no certificate")
        }
        self.standard = standard
        self.claims = claims
        conflicts = claims.conflicts
        warnings += conflicts
        if let staple = shared.staple,
            !identities.contains(where: { staple.response(for: $0.leaf) != nil })
        {
            warnings.append(
                "stapledResponse \"\(staple.path)\" is about none of the certificates, and not sent"
            )
        }
        var seen: Set<String> = []
        self.warnings = warnings.filter { seen.insert($0).inserted }
        var seenFiles: Set<String> = []
        files = stamps.filter { seenFiles.insert($0.path).inserted }
        directory = held
    }

    /// The context for a name in lower case; `nil` if there is none.
    func context(for name: String) -> TLSContext? {
        claims.context(for: name.hasSuffix(".") ? String(name.dropLast()) : name)
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
