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
    }

    private struct ServerEntry: Sendable {
        let make:
            @Sendable (
                EndpointDescription, EndpointRegistry
            ) throws(EndpointStringError) -> (any ServerEndpoint, EndpointExplanation)
        let describe: @Sendable () -> EndpointKindDescription
    }

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
            describe: { EndpointKindDescription(Kind.self, side: .client) }
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
            describe: { EndpointKindDescription(Kind.self, side: .server) }
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

    /// All kinds of a side with their arguments, by name.
    public func kinds(for side: EndpointSide) -> [EndpointKindDescription] {
        let kinds =
            switch side {
            case .client: clients.values.map { $0.describe() }
            case .server: servers.values.map { $0.describe() }
            }
        return kinds.sorted { $0.kind < $1.kind }
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
        let description = try EndpointDescription(start: string)
        switch side {
        case .client: return try client(description).explanation
        case .server: return try server(description).explanation
        case nil: return try explainEither(description)
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
        return try entry.make(description, self)
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
    try registry.client(EndpointDescription(start: string)).endpoint
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
    try registry.server(EndpointDescription(start: string)).endpoint
}
