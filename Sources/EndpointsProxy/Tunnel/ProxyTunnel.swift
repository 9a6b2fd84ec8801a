// What `socks5` and `connect` have in common: a connection to the proxy, made by any endpoint, a short
// conversation, and then the proxy is out of the way. One time limit covers all of it. The parsers say
// how many bytes their message has at least, and no more is read: the stream's first byte is left in
// the connection.
//
// The password is in the endpoint's string when it was given there; in errors and logs it is masked.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A client's kind that goes through a proxy.
protocol ProxyTunnel: EndpointKind, ClientEndpoint {
    var host: String { get set }
    var port: UInt16 { get set }
    var proxy: any ClientEndpoint { get set }
    var user: String? { get set }
    var password: String? { get set }
    var passwordFile: String? { get set }
    var timeout: Duration { get set }

    /// Checks what goes into the proxy's protocol.
    static func check(_ target: ProxyTarget, _ credentials: ProxyCredentials?) throws
    /// Asks the proxy, and returns when the stream begins.
    func open(
        _ target: ProxyTarget,
        _ credentials: ProxyCredentials?,
        on connection: Connection
    ) async throws
}

extension EndpointError.Code {
    /// A proxy did not make the connection, or does not speak the proxy's protocol.
    public static let proxyRefused = Self("proxyRefused")
}

extension ProxyTunnel {
    static var tunnelArguments: [EndpointArgument<Self>] {
        [
            .required(
                "host",
                \.host,
                as: .host,
                position: 0,
                help: "name or address to connect to; the proxy looks it up"
            ),
            .required(
                "port",
                \.port,
                as: .port(in: 1...UInt16.max),
                position: 1,
                help: "port to connect to"
            ),
            .required("proxy", \.proxy, position: 2, help: "how to connect to the proxy"),
            .optional("user", \.user, help: "user's name at the proxy"),
            .optional(
                "password",
                \.password,
                help: "password; shown wherever the string is: better use passwordFile"
            ).secret,
            .optional(
                "passwordFile",
                \.passwordFile,
                help: "file whose first line is the password, read at each connect"
            ).granting(.sendsFile),
            .optional("timeout", \.timeout, help: "seconds that all of connecting may take"),
        ]
    }

    func validateTunnel() throws {
        if password != nil && passwordFile != nil {
            throw EndpointArgumentError("cannot stand beside password", argument: "passwordFile")
        }
        if user == nil && (password != nil || passwordFile != nil) {
            throw EndpointArgumentError(
                "needs a user beside it",
                argument: password == nil ? "passwordFile" : "password"
            )
        }
        if user != nil && password == nil && passwordFile == nil {
            throw EndpointArgumentError(
                "needs a password beside it",
                argument: "user",
                hint: "add passwordFile="
            )
        }
        let target: ProxyTarget
        do { target = try ProxyTarget(host: host, port: port) } catch {
            throw EndpointArgumentError("cannot be asked of a proxy: \(error)", argument: "host")
        }
        do {
            try Self.check(
                target,
                user.map { ProxyCredentials(user: $0, password: password ?? "-") }
            )
        } catch {
            throw EndpointArgumentError("cannot be sent: \(error)", argument: "user")
        }
    }

    func connectThroughProxy(in context: EndpointContext) async throws -> Connection {
        let target: ProxyTarget
        do { target = try ProxyTarget(host: host, port: port) } catch {
            throw failure(.invalidArgument, "\(error)")
        }
        let credentials = try credentials()
        do { try Self.check(target, credentials) } catch {
            throw failure(.invalidArgument, "\(error)")
        }
        return try await connect(over: proxy, within: timeout, then: .proxy, in: context) {
            try await openTunnel(to: target, credentials, on: $0)
        }
    }

    private func openTunnel(
        to target: ProxyTarget,
        _ credentials: ProxyCredentials?,
        on connection: Connection
    ) async throws -> Connection {
        let start = ContinuousClock.now
        do {
            try await open(target, credentials, on: connection)
            return try await connection.behindProxy(asked: start)
        } catch let error as EndpointError {
            connection.abort()
            throw toldOfTunnel(error)
        } catch {
            connection.abort()
            throw error
        }
    }

    /// An error of the connection to the proxy as one of connecting through it.
    private func toldOfTunnel(_ error: EndpointError) -> EndpointError {
        if error.phase == .proxy { return error }
        let isBrokenOff = error.code == .connectionReset || error.code == .truncated
        return EndpointError(
            error.code,
            operation: "connect",
            endpoint: redacted,
            reason: isBrokenOff ? "the proxy broke off the connection" : error.reason,
            advice: error.advice,
            systemError: error.systemError,
            phase: .proxy
        )
    }

    private func credentials() throws -> ProxyCredentials? {
        guard let user else { return nil }
        let password = try passwordFile.map(readPassword) ?? password ?? ""
        return ProxyCredentials(user: user, password: password)
    }

    func readPassword(_ path: String) throws -> String {
        func failed(_ result: Int) -> EndpointError {
            EndpointError(errno: Int32(clamping: result), operation: "read", endpoint: path)
        }
        let opened = endpoints_open(path, O_RDONLY | O_NONBLOCK, 0)
        guard opened >= 0 else { throw failed(Int(opened)) }
        let file = OwnedDescriptor(opened)
        var bytes = [UInt8](repeating: 0, count: 4096)
        defer { bytes.wipe() }
        let count = bytes.withUnsafeMutableBytes {
            endpoints_read(opened, $0.baseAddress, $0.count)
        }
        _ = consume file
        guard count >= 0 else { throw failed(Int(count)) }
        let line = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        let text = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads at most `count` bytes more of the proxy's message.
    func readMore(
        _ count: Int,
        after bytes: [UInt8],
        from connection: Connection
    ) async throws -> [UInt8] {
        if let more = try await connection.read(atMost: count) { return more }
        throw EndpointError(
            .unexpectedEnd,
            operation: "connect",
            endpoint: redacted,
            reason: "the proxy closed the connection after \(bytes.count) bytes of its answer",
            received: bytes,
            phase: .proxy
        )
    }

    func failure(_ code: EndpointError.Code, _ reason: String) -> EndpointError {
        EndpointError(
            code,
            operation: "connect",
            endpoint: redacted,
            reason: reason,
            phase: .proxy
        )
    }
}

extension Connection {
    /// The connection that a proxy has made of this one, which is used up.
    fileprivate func behindProxy(asked start: ContinuousClock.Instant) throws -> Connection {
        let phase = ConnectionTimeline.Phase(start: start, duration: .now - start)
        return try replaceTransport(facts: facts.adding { $0.proxy = phase }) { $0 }
    }
}
