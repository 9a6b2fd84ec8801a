import Endpoints

struct Unreachable: Error {}

/// A third party's kind, spelt as in the call sites.
struct MyKind: ClientEndpoint, EndpointKind {
    static let kind = "my"
    static let arguments: [EndpointArgument<MyKind>] = [
        .required("thing", \.thing, position: 0, help: "what to connect to"),
        .optional("count", \.count, help: "how many"),
        .optional("timeout", \.timeout, help: "for all of connect"),
    ]
    var thing = ""
    var count = 1
    var timeout: Duration = .seconds(30)

    func connect(in context: EndpointContext) async throws -> Connection { throw Unreachable() }
}

/// A server's kind that wraps another endpoint.
struct MyWrapper: ServerEndpoint, EndpointKind {
    static let kind = "mywrapper"
    static let arguments: [EndpointArgument<MyWrapper>] = [
        .required("endpoint", \.endpoint, position: 0, help: "where to listen")
    ]
    var endpoint: any ServerEndpoint = .tcp(port: 0)

    func listen(in context: EndpointContext) async throws -> Listener { throw Unreachable() }
}

/// A client's kind over another, with the arguments of `tls`.
struct Secure: ClientEndpoint, EndpointKind {
    static let kind = "secure"
    static let arguments: [EndpointArgument<Secure>] = [
        .required("host", \.host, as: .host, position: 0, help: "whose name to check"),
        .required("port", \.port, as: .port(in: 1...UInt16.max), position: 1, help: "port"),
        .optional("timeout", \.timeout, position: 2, help: "for all of connect"),
        .optional("bindAddress", \.bindAddress, as: .localAddress, position: 3, help: "from where"),
        .optional("certificate", \.certificate, help: "file with our certificate"),
        .optional("privateKey", \.privateKey, help: "file with our key"),
        .optional("level", \.level, help: "how strict"),
        .optional("protocols", \.protocols, help: "what to offer"),
        .optional("endpoint", \.endpoint, help: "what to run over"),
    ]

    enum Level: String, CaseIterable, EndpointArgumentValue {
        case none
        case request
        case require
    }

    var host = ""
    var port: UInt16 = 0
    var timeout: Duration = .seconds(30)
    var bindAddress: String?
    var certificate: String?
    var privateKey: String?
    var level = Level.none
    var protocols: [String] = []
    var endpoint: (any ClientEndpoint)?

    func validate() throws {
        if privateKey != nil, certificate == nil {
            throw EndpointArgumentError(
                "needs a certificate",
                argument: "privateKey",
                hint: "give certificate= too"
            )
        }
        if endpoint != nil, bindAddress != nil {
            throw EndpointArgumentError("belongs in the inner endpoint", argument: "bindAddress")
        }
    }

    func connect(in context: EndpointContext) async throws -> Connection { throw Unreachable() }
}

/// A server's kind that is a prefix, as `haproxy`.
struct Prefix: ServerEndpoint, EndpointKind {
    static let kind = "prefix"
    static let arguments: [EndpointArgument<Prefix>] = [
        .optional("from", \.from, help: "whom to trust"),
        .prefixed("endpoint", \.endpoint, help: "where to listen"),
    ]
    var from: [String] = []
    var endpoint: any ServerEndpoint = .tcp(port: 0)

    func listen(in context: EndpointContext) async throws -> Listener { throw Unreachable() }
}

/// The same as a client.
struct SendingPrefix: ClientEndpoint, EndpointKind {
    static let kind = "prefix"
    static let arguments: [EndpointArgument<SendingPrefix>] = [
        .prefixed("endpoint", \.endpoint, help: "where to connect")
    ]
    var endpoint: any ClientEndpoint = .tcp(host: "localhost", port: 1)

    func connect(in context: EndpointContext) async throws -> Connection { throw Unreachable() }
}

/// A kind for both sides and without arguments, as `stdio`.
struct Terminal: ClientEndpoint, ServerEndpoint, EndpointKind {
    static let kind = "terminal"
    static let summary = "standard input and output"
    static let arguments: [EndpointArgument<Terminal>] = []

    func connect(in context: EndpointContext) async throws -> Connection { throw Unreachable() }
    func listen(in context: EndpointContext) async throws -> Listener { throw Unreachable() }
}

/// A kind whose first argument is a port or a directory, as the server's `tls`.
struct PortOrDirectory: ServerEndpoint, EndpointKind {
    static let kind = "either"
    static let arguments: [EndpointArgument<PortOrDirectory>] = [
        .optional("port", \.port, position: 0, help: "port to listen on"),
        .optional("path", \.path, position: 0, help: "directory of certificates"),
    ]
    var port: UInt16 = 443
    var path: String?

    static func argumentName(at position: Int, in description: EndpointDescription) -> String? {
        let first = description.arguments.first { $0.position == 0 }?.text ?? ""
        let isPort = first.utf8.allSatisfy { (0x30...0x39).contains($0) }
        switch (position, isPort) {
        case (0, true): return "port"
        case (0, false): return "path"
        case (1, false): return "port"
        default: return nil
        }
    }

    func listen(in context: EndpointContext) async throws -> Listener { throw Unreachable() }
}

extension EndpointRegistry {
    /// The library's kinds and those above.
    static let test: EndpointRegistry = {
        var registry = EndpointRegistry.standard
        registry.register(MyKind.self)
        registry.register(MyWrapper.self)
        registry.register(Secure.self)
        registry.register(Prefix.self)
        registry.register(SendingPrefix.self)
        registry.register(Terminal.self)
        registry.register(PortOrDirectory.self)
        return registry
    }()
}

/// The canonical form of a string.
func canonical(_ string: String, _ side: EndpointSide) throws -> String {
    switch side {
    case .client: "\(try clientFromString(string, in: .test))"
    case .server: "\(try serverFromString(string, in: .test))"
    }
}

/// The error that a string gives; `nil` if it gives an endpoint.
func refusal(_ string: String, _ side: EndpointSide) throws -> EndpointStringError? {
    do {
        _ = try canonical(string, side)
        return nil
    } catch let error as EndpointStringError {
        return error
    }
}
