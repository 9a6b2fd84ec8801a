// One address, one socket. connect(2) of a socket that does not block answers at once or goes on in
// the background; then the socket becomes writable when it is over, and SO_ERROR tells how. What a
// failed connect leaves behind is unspecified: each attempt has a socket of its own.
//
// Connecting to a local port on which nobody listens can connect the socket to itself, if the kernel
// chooses that very port as the source (simultaneous open, RFC 9293, section 3.5). Nobody wants that
// connection, and it holds the port that a server may want: it is refused.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// Connects a TCP socket to one address.
enum SocketConnector {
    /// Connects, and returns when the connection stands.
    ///
    /// Cancellation: the socket is closed before it throws, also when the connection stood already.
    ///
    /// `source` is the local address to connect from, of the same family; its port may be 0. The
    /// descriptor is not registered with `loop` afterwards. Throws ``EndpointError`` with its phase,
    /// or `CancellationError`.
    static func connect(
        to address: SocketAddress,
        from source: SocketAddress? = nil,
        options: TCPOptions = TCPOptions(),
        endpoint: String,
        on loop: EventLoop
    ) async throws -> OwnedDescriptor {
        try Task.checkCancellation()
        let operation = "connect"
        func failure(_ errno: Int32, _ phase: EndpointError.Phase) -> EndpointError {
            EndpointError(
                errno: errno,
                operation: operation,
                endpoint: endpoint,
                advice: advice(errno, address),
                phase: phase
            )
        }
        guard let family = address.family else {
            throw EndpointError(
                .invalidArgument,
                operation: operation,
                endpoint: endpoint,
                reason: "\(address) is no IP address"
            )
        }
        var target = try address.kernelAddress(operation: operation, endpoint: endpoint)
        let descriptor = try options.makeSocket(
            family: family,
            operation: operation,
            endpoint: endpoint
        )
        if let source {
            let result = try bind(descriptor.rawValue, to: source, endpoint: endpoint)
            guard result == 0 else { throw failure(result, .bind) }
        }
        let result = endpoints_connect(descriptor.rawValue, &target.storage, target.length)
        switch result {
        case 0: break
        case -EINPROGRESS, -EINTR:
            try await established(descriptor.rawValue, endpoint: endpoint, on: loop) {
                failure($0, .connect)
            }
        default: throw failure(result, .connect)
        }
        if isConnectedToItself(descriptor.rawValue) { throw failure(ECONNREFUSED, .connect) }
        try Task.checkCancellation()
        return descriptor
    }

    /// Waits for the end of a connect in the background.
    private static func established(
        _ descriptor: Int32,
        endpoint: String,
        on loop: EventLoop,
        failure: (Int32) -> EndpointError
    ) async throws {
        while true {
            let readiness: Readiness
            do {
                readiness = try await loop.nextEvent(of: descriptor)
            } catch let error as EventLoopError {
                throw failure(error.code)
            }
            let code = endpoints_get_option(descriptor, SOL_SOCKET, SO_ERROR)
            guard code == 0 else { throw failure(code) }
            if readiness.contains(.writable) || readiness.isEnding { return }
        }
    }

    /// The port is chosen when it is known for which target, so that one source port serves many.
    private static func bind(
        _ descriptor: Int32,
        to source: SocketAddress,
        endpoint: String
    ) throws -> Int32 {
        let ip = Int32(IPPROTO_IP)
        if source.port == 0 {
            _ = endpoints_set_option(descriptor, ip, ENDPOINTS_BIND_ADDRESS_NO_PORT, 1)
        } else {
            _ = endpoints_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        }
        var local = try source.kernelAddress(operation: "connect", endpoint: endpoint)
        return endpoints_bind(descriptor, &local.storage, local.length)
    }

    private static func isConnectedToItself(_ descriptor: Int32) -> Bool {
        let local = SocketAddress(localOf: descriptor)
        guard let port = local.port, port != 0 else { return false }
        return SocketAddress(remoteOf: descriptor) == local
    }

    private static func advice(_ errno: Int32, _ address: SocketAddress) -> String? {
        let isMissingZone = address.isLinkLocal && address.ip?.contains("%") == false
        guard abs(errno) == EINVAL, isMissingZone else { return nil }
        return "a link-local address needs its zone, as in fe80::1%eth0"
    }

    /// Whether this host has a route to the address: connecting a datagram socket sends nothing
    /// (RFC 6724, section 2).
    static func hasRoute(to address: SocketAddress) -> Bool {
        guard
            let family = address.family,
            var target = try? address.kernelAddress(operation: "connect", endpoint: nil)
        else { return false }
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let result = endpoints_socket(domain, ENDPOINTS_DATAGRAM, 0)
        // Out of descriptors: no answer is not the answer no.
        guard result >= 0 else { return result != -EAFNOSUPPORT }
        let descriptor = OwnedDescriptor(result)
        // The discard port: some kernels refuse to connect to port 0.
        if address.port == 0 {
            target =
                (try? address.withPort(9).kernelAddress(operation: "connect", endpoint: nil))
                ?? target
        }
        return endpoints_connect(descriptor.rawValue, &target.storage, target.length) == 0
    }
}
