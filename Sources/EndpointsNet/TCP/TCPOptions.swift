// Options are set before connect and before listen: TCP takes some of them into account in the
// handshake only, and an accepted socket inherits those of its listener (accept(2)).

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// What can be set on a TCP socket (tcp(7), socket(7)); unset is the kernel's choice.
public struct TCPOptions: Hashable, Sendable {
    /// Whether small writes leave at once, instead of waiting for the peer's acknowledgement.
    public var noDelay = true
    /// After how long without traffic the peer is probed; `nil` is never.
    ///
    /// So far apart are the probes, too, and nine without an answer end the connection. Whole
    /// seconds, 1 to 32767.
    public var keepAlive: Duration?
    /// How long what was sent may stay unacknowledged (RFC 5482); `nil` is about 15 minutes.
    public var userTimeout: Duration?
    /// Whether other sockets of the same user may listen on the same port.
    public var reusePort = false
    /// Whether to offer Multipath TCP (RFC 8684), and take plain TCP where there is none.
    public var multipath = false
    /// Whether data may travel with the SYN (RFC 7413): a server takes it, a client sends it once
    /// it has a cookie.
    ///
    /// What travels so can be replayed.
    public var fastOpen = false
    /// Whether a listener on `::` takes IPv4 connections, too (ipv6(7), `IPV6_V6ONLY`).
    ///
    /// Without it another may listen on the same port by IPv4.
    public var dualStack = true

    /// Makes the defaults.
    public init() {}

    private static let keepAliveProbes: Int32 = 9
    private static let fastOpenQueue: Int32 = 256
    private static let longestKeepAlive: UInt64 = 32_767

    /// Makes a socket that neither blocks nor survives exec, with these options.
    ///
    /// - Throws: ``EndpointError``.
    func makeSocket(
        family: AddressFamily,
        operation: String,
        endpoint: String?
    ) throws -> OwnedDescriptor {
        let domain = family == .ipv4 ? AF_INET : AF_INET6
        let isListening = operation == "listen"
        if multipath {
            let result = endpoints_socket(domain, ENDPOINTS_STREAM, ENDPOINTS_MPTCP)
            if result >= 0 {
                let descriptor = OwnedDescriptor(result)
                // Not every option exists there; what was asked for by name goes first.
                if apply(to: result, listening: isListening) == nil { return descriptor }
            }
        }
        let result = endpoints_socket(domain, ENDPOINTS_STREAM, 0)
        guard result >= 0 else {
            throw EndpointError(errno: result, operation: operation, endpoint: endpoint)
        }
        let descriptor = OwnedDescriptor(result)
        if let refusal = apply(to: result, listening: isListening) {
            throw refusal.of(operation: operation, endpoint: endpoint)
        }
        return descriptor
    }

    /// Sets the options; answers the first that the kernel refused.
    private func apply(to descriptor: Int32, listening: Bool) -> EndpointError? {
        let tcp = Int32(IPPROTO_TCP)
        var settings: [(level: Int32, name: Int32, value: Int32, what: String)] = []
        if noDelay { settings.append((tcp, TCP_NODELAY, 1, "TCP_NODELAY")) }
        if let keepAlive {
            let rounded = max(1, keepAlive.nanosecondsClamped / 1_000_000_000)
            let seconds = Int32(min(rounded, Self.longestKeepAlive))
            settings.append((SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"))
            settings.append((tcp, TCP_KEEPIDLE, seconds, "TCP_KEEPIDLE"))
            settings.append((tcp, TCP_KEEPINTVL, seconds, "TCP_KEEPINTVL"))
            settings.append((tcp, TCP_KEEPCNT, Self.keepAliveProbes, "TCP_KEEPCNT"))
        }
        if let userTimeout {
            let milliseconds = userTimeout.nanosecondsClamped / 1_000_000
            let value = Int32(min(max(1, milliseconds), UInt64(Int32.max)))
            settings.append((tcp, TCP_USER_TIMEOUT, value, "TCP_USER_TIMEOUT"))
        }
        if reusePort { settings.append((SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT")) }
        if fastOpen {
            let name = listening ? TCP_FASTOPEN : TCP_FASTOPEN_CONNECT
            let value = listening ? Self.fastOpenQueue : 1
            settings.append((tcp, name, value, listening ? "TCP_FASTOPEN" : "TCP_FASTOPEN_CONNECT"))
        }
        for setting in settings {
            let result = endpoints_set_option(
                descriptor,
                setting.level,
                setting.name,
                setting.value
            )
            guard result == 0 else {
                return EndpointError(
                    errno: result,
                    operation: "set",
                    reason: "the kernel does not take \(setting.what) = \(setting.value)"
                )
            }
        }
        return nil
    }
}
