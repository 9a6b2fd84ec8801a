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
///
/// Several may read the files at once, such as a watcher and a reload by hand, and the one that began
/// first may be the last to finish. So each takes a number before it reads, and what was read before
/// the published generation was is dropped.
final class TLSServerState: Sendable {
    private struct State {
        var generation: TLSServerGeneration?
        /// The number of the load that made it.
        var number = 0
        /// The number of the load that began last.
        var lastNumber = 0
        var ticketKeys: TLSTicketKeys?
    }
    private let state = Lock(State())

    /// What was read last.
    var current: TLSServerGeneration? { state.withLock { $0.generation } }

    /// What was read last; reads the files if that never happened.
    ///
    /// - Throws: ``TLSFileError``.
    func generation(
        _ configuration: TLSServerConfiguration
    ) async throws -> TLSServerGeneration {
        if let current { return current }
        return try await loadOffLoop(configuration)
    }

    /// Reads the files; on an error what was read before stays.
    ///
    /// Blocks: hundreds of certificates take a while. On a loop use ``loadOffLoop(_:)``.
    ///
    /// - Returns: What was read, or what a load that began later has published in the meantime.
    /// - Throws: ``TLSFileError``.
    @discardableResult
    func load(_ configuration: TLSServerConfiguration) throws -> TLSServerGeneration {
        let (keys, earlier, number) = state.withLock { state in
            let keys = state.ticketKeys ?? TLSTicketKeys(lifetime: configuration.ticketKeyLifetime)
            state.ticketKeys = keys
            state.lastNumber += 1
            return (keys, state.generation, state.lastNumber)
        }
        let made: TLSServerGeneration
        do {
            made = try TLSServerGeneration(configuration, ticketKeys: keys, after: earlier)
        } catch {
            if let newer = published(after: number) { return newer }
            throw error
        }
        return publish(made, number)
    }

    private func published(after number: Int) -> TLSServerGeneration? {
        state.withLock { $0.number > number ? $0.generation : nil }
    }

    /// Puts what was read in the place of what is older, and answers what is there then.
    private func publish(_ made: TLSServerGeneration, _ number: Int) -> TLSServerGeneration {
        // What is replaced goes when the lock is free again: handshakes wait for that, and freeing
        // hundreds of contexts takes milliseconds.
        let (current, replaced) = state.withLock { state in
            if let newer = state.generation, state.number > number { return (newer, made) }
            let replaced = state.generation
            (state.generation, state.number) = (made, number)
            return (made, replaced ?? made)
        }
        return withExtendedLifetime(replaced) { current }
    }

    /// As ``load(_:)``, on a thread that is not a loop's.
    ///
    /// Cancellation: not looked at; reading goes on to its end.
    ///
    /// - Throws: ``TLSFileError``.
    func loadOffLoop(_ configuration: TLSServerConfiguration) async throws -> TLSServerGeneration {
        try await Task.detached { try self.load(configuration) }.value
    }
}
