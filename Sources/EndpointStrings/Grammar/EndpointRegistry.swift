// EndpointRegistry: which kinds there are.
//
// A value, so that a program's own kinds cannot change what a library inside it understands. Each
// side has a table of its own: `unix` listens with a mode and connects without one. The tables are
// looked up in lower case; a kind's type is known only inside of its entry's closures.

import EndpointsCore

/// The kinds of endpoints that strings may name.
public struct EndpointRegistry: Sendable {
    private struct ClientEntry: Sendable {
        package let make:
            @Sendable (
                EndpointDescription, EndpointRegistry
            ) throws(EndpointStringError) -> (any ClientEndpoint, EndpointExplanation)
        let describe: @Sendable () -> EndpointKindDescription
        let powers: Set<EndpointPower>
        let hideSecrets: SecretHider
    }

    private struct ServerEntry: Sendable {
        let make:
            @Sendable (
                EndpointDescription, EndpointRegistry
            ) throws(EndpointStringError) -> (any ServerEndpoint, EndpointExplanation)
        let describe: @Sendable () -> EndpointKindDescription
        let powers: Set<EndpointPower>
        let hideSecrets: SecretHider
    }

    /// Hides the secrets of a level of one kind, of which a part may be unreadable.
    typealias SecretHider =
        @Sendable (
            EndpointDescription, _ unread: ArraySlice<SourceText.Scalar>, EndpointRegistry,
            inout SecretMask
        ) -> Void

    /// What no kind and no argument may do.
    var refusedPowers: Set<EndpointPower> = []
    private var clients: [String: ClientEntry] = [:]
    private var servers: [String: ServerEntry] = [:]

    /// Makes a registry that knows no kind.
    public init() {}

    /// Adds a client's kind; one of the same name is replaced.
    public mutating func register<Kind: EndpointKind & ClientEndpoint>(_ type: Kind.Type) {
        clients[Kind.kind.asciiLowercased] = ClientEntry(
            make: { description, registry throws(EndpointStringError) in
                let reader = KindReader<Kind>(description, side: .client, registry: registry)
                let (endpoint, explanation) = try reader.read()
                return (endpoint, explanation)
            },
            describe: { EndpointKindDescription(Kind.self, side: .client) },
            powers: Kind.powers,
            hideSecrets: { description, unread, registry, mask in
                KindReader<Kind>(description, side: .client, registry: registry)
                    .hideSecrets(unread, &mask)
            }
        )
    }

    /// Adds a server's kind; one of the same name is replaced.
    public mutating func register<Kind: EndpointKind & ServerEndpoint>(_ type: Kind.Type) {
        servers[Kind.kind.asciiLowercased] = ServerEntry(
            make: { description, registry throws(EndpointStringError) in
                let reader = KindReader<Kind>(description, side: .server, registry: registry)
                let (endpoint, explanation) = try reader.read()
                return (endpoint, explanation)
            },
            describe: { EndpointKindDescription(Kind.self, side: .server) },
            powers: Kind.powers,
            hideSecrets: { description, unread, registry, mask in
                KindReader<Kind>(description, side: .server, registry: registry)
                    .hideSecrets(unread, &mask)
            }
        )
    }

    /// Adds a kind for both sides; those of the same name are replaced.
    public mutating func register<Kind: EndpointKind & ClientEndpoint & ServerEndpoint>(
        _ type: Kind.Type
    ) {
        registerClient(type)
        registerServer(type)
    }

    private mutating func registerClient<Kind: EndpointKind & ClientEndpoint>(_ type: Kind.Type) {
        register(type)
    }

    private mutating func registerServer<Kind: EndpointKind & ServerEndpoint>(_ type: Kind.Type) {
        register(type)
    }

    /// All kinds of a side with their arguments, by name; not those that are refused.
    public func kinds(for side: EndpointSide) -> [EndpointKindDescription] {
        let kinds =
            switch side {
            case .client: clients.values.filter { isAllowed($0.powers) }.map { $0.describe() }
            case .server: servers.values.filter { isAllowed($0.powers) }.map { $0.describe() }
            }
        return kinds.sorted { $0.kind < $1.kind }
    }

    private func isAllowed(_ powers: Set<EndpointPower>) -> Bool {
        powers.isDisjoint(with: refusedPowers)
    }

    /// Explains a string without making anything of it: no file, descriptor or name is touched.
    ///
    /// - Parameters:
    ///   - string: The endpoint string.
    ///   - side: Which table to look in; unless told, the servers' first and then the
    ///     clients'.
    /// - Returns: What the string says.
    /// - Throws: ``EndpointStringError``; without a side, of the reading that came further.
    public func explain(
        _ string: String,
        as side: EndpointSide? = nil
    ) throws -> EndpointExplanation {
        try masking(string, side ?? .server) { description throws(EndpointStringError) in
            switch side {
            case .client: try client(description).explanation
            case .server: try server(description).explanation
            case nil: try explainEither(description)
            }
        }
    }

    private func explainEither(
        _ description: EndpointDescription
    ) throws(EndpointStringError) -> EndpointExplanation {
        let kind = description.kind.asciiLowercased
        if servers[kind] == nil, clients[kind] != nil { return try client(description).explanation }
        if clients[kind] == nil { return try server(description).explanation }
        do {
            return try server(description).explanation
        } catch let serverError {
            do {
                return try client(description).explanation
            } catch let clientError {
                throw clientError.column > serverError.column ? clientError : serverError
            }
        }
    }

    func client(
        _ description: EndpointDescription
    ) throws(EndpointStringError) -> (
        endpoint: any ClientEndpoint, explanation: EndpointExplanation
    ) {
        guard let entry = clients[description.kind.asciiLowercased] else {
            throw unknownKind(description, side: .client)
        }
        try refuse(entry.powers, of: description)
        return try entry.make(description, self)
    }

    func server(
        _ description: EndpointDescription
    ) throws(EndpointStringError) -> (
        endpoint: any ServerEndpoint, explanation: EndpointExplanation
    ) {
        guard let entry = servers[description.kind.asciiLowercased] else {
            throw unknownKind(description, side: .server)
        }
        try refuse(entry.powers, of: description)
        return try entry.make(description, self)
    }

    private func refuse(
        _ powers: Set<EndpointPower>,
        of description: EndpointDescription
    ) throws(EndpointStringError) {
        guard let power = powers.intersection(refusedPowers).sorted.first else { return }
        throw description.error(
            "kind \(shown(description.kind)) is not allowed here: it \(power.phrase)",
            column: description.kindColumn
        )
    }

    /// What hides the secrets of a kind, of this side or else of the other.
    func secretHider(for kind: String, side: EndpointSide) -> SecretHider? {
        let kind = kind.asciiLowercased
        let (client, server) = (clients[kind]?.hideSecrets, servers[kind]?.hideSecrets)
        return side == .client ? client ?? server : server ?? client
    }

    func knows(_ kind: String, on side: EndpointSide) -> Bool {
        switch side {
        case .client: clients[kind.asciiLowercased] != nil
        case .server: servers[kind.asciiLowercased] != nil
        }
    }

    private func unknownKind(
        _ description: EndpointDescription,
        side: EndpointSide
    ) -> EndpointStringError {
        let other: EndpointSide = side == .client ? .server : .client
        if knows(description.kind, on: other) {
            return description.error(
                "\(shown(description.kind)) is a kind of \(other.rawValue), not of \(side.rawValue)",
                column: description.kindColumn
            )
        }
        let names = kinds(for: side).map(\.kind)
        return description.error(
            "unknown kind of \(side.rawValue) \(shown(description.kind)); "
                + "expected one of \(names.joined(separator: ", "))",
            column: description.kindColumn,
            hint: DescriptionHint.forUnknownKind(description, side: side, kinds: names)
        )
    }
}

/// Makes the client endpoint that a string describes; nothing is opened or looked up.
///
/// - Parameters:
///   - string: The endpoint string.
///   - registry: The kinds that the string may name.
/// - Returns: The endpoint.
/// - Throws: ``EndpointStringError``, which says what is wrong, where, and what to write instead.
public func clientFromString(
    _ string: String,
    in registry: EndpointRegistry
) throws -> any ClientEndpoint {
    try registry.masking(string, .client) { description throws(EndpointStringError) in
        try registry.client(description).endpoint
    }
}

/// Makes the server endpoint that a string describes; nothing is opened or looked up.
///
/// - Parameters:
///   - string: The endpoint string.
///   - registry: The kinds that the string may name.
/// - Returns: The endpoint.
/// - Throws: ``EndpointStringError``, which says what is wrong, where, and what to write instead.
public func serverFromString(
    _ string: String,
    in registry: EndpointRegistry
) throws -> any ServerEndpoint {
    try registry.masking(string, .server) { description throws(EndpointStringError) in
        try registry.server(description).endpoint
    }
}
