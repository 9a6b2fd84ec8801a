// Where to listen is a matter of families. An empty interface is 0.0.0.0, or `::` when IPv6 is asked
// for; a literal is what it is; a name is looked up, off the loop, and its first address counts.
// `::` takes IPv4 connections, too, whatever net.ipv6.bindv6only says, and on a host without IPv6
// it falls back to 0.0.0.0: both mean "all addresses of this host"; unless dualStack says otherwise.
//
// Two sockets with SO_REUSEADDR may both bind, then the second *listen* says EADDRINUSE: the two
// are one error to the caller.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// Listens on TCP ports.
package enum TCPListening {
    /// Listens, and returns when clients can connect.
    ///
    /// Cancellation: nothing that was bound remains.
    ///
    /// Port 0 lets the kernel choose; the listener's address tells. The interface is a literal, a
    /// name, or `""` for all addresses of the host; `family` is that of a name or of `""`, and `nil`
    /// is IPv4 where there is a choice. `backlog` connections may wait to be accepted; the kernel
    /// caps it. Throws ``EndpointError``, or `CancellationError`.
    package static func listen(
        port: UInt16,
        interface: String,
        family: AddressFamily? = nil,
        backlog: Int = 4096,
        options: TCPOptions = TCPOptions(),
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Listener {
        try context.checkBegin("listen", endpoint)
        if let listener = context.inherited?.listener(endpoint: endpoint, in: context) {
            return listener
        }
        let address = try await address(
            port: port,
            interface: interface,
            family: family,
            endpoint: endpoint,
            resolver: context.resolver
        )
        let socket = try bind(address, backlog: backlog, options: options, endpoint: endpoint)
        try Task.checkCancellation()
        return Listener.make([socket], endpoint: endpoint, in: context)
    }

    /// The address that an interface means.
    package static func address(
        port: UInt16,
        interface: String,
        family: AddressFamily?,
        endpoint: String,
        resolver: any NameResolver
    ) async throws -> SocketAddress {
        try Task.checkCancellation()
        if interface.isEmpty { return .unspecified(family ?? .ipv4, port: port) }
        let host = try Host(interface, port: port, operation: "listen", endpoint: endpoint)
        guard case .name(let name) = host else {
            return SocketAddress(literal: interface, port: port)
                ?? .unspecified(family ?? .ipv4, port: port)
        }
        var failure: (any Error)?
        for family in family.map({ [$0] }) ?? [.ipv4, .ipv6] {
            do {
                let found = try await resolver.answer(for: name, port: port, family: family)
                if let address = found.first(where: { $0.family != nil }) { return address }
            } catch let error as CancellationError {
                throw error
            } catch {
                failure = failure ?? error
            }
        }
        throw failure
            ?? EndpointError(
                .nameNotFound,
                operation: "resolve",
                endpoint: name,
                reason: "the host has no \(family.map { "\($0) " } ?? "")address",
                phase: .resolve
            )
    }

    /// Makes a socket that listens.
    ///
    /// - Throws: ``EndpointError``.
    static func bind(
        _ address: SocketAddress,
        backlog: Int,
        options: TCPOptions,
        endpoint: String
    ) throws -> ListeningSocket {
        let descriptor = try bound(address, options: options, endpoint: endpoint)
        let result = endpoints_listen(descriptor.rawValue, Int32(clamping: max(0, backlog)))
        try check(result, address, endpoint)
        let bound = SocketAddress(localOf: descriptor.rawValue)
        return ListeningSocket(descriptor, address: bound)
    }

    /// Finds out whether the address can be bound, and listens to nobody.
    ///
    /// - Throws: ``EndpointError`` as `bind` would.
    static func checkFree(
        _ address: SocketAddress,
        options: TCPOptions,
        endpoint: String
    ) throws {
        _ = try bound(address, options: options, endpoint: endpoint)
    }

    private static func bound(
        _ address: SocketAddress,
        options: TCPOptions,
        endpoint: String
    ) throws -> OwnedDescriptor {
        do {
            return try boundExactly(address, options: options, endpoint: endpoint)
        } catch let error as EndpointError {
            let isAbsent = error.code == .unsupported || error.code == .addressNotAvailable
            guard address.isUnspecified, address.family == .ipv6, options.dualStack, isAbsent
            else { throw error }
            return try boundExactly(
                .unspecified(.ipv4, port: address.port ?? 0),
                options: options,
                endpoint: endpoint
            )
        }
    }

    private static func boundExactly(
        _ address: SocketAddress,
        options: TCPOptions,
        endpoint: String
    ) throws -> OwnedDescriptor {
        guard let family = address.family else {
            throw EndpointError(
                .invalidArgument,
                operation: "listen",
                endpoint: endpoint,
                reason: "\(address) is no IP address"
            )
        }
        // What is set on the listener its connections inherit (accept(2)).
        let descriptor = try options.makeSocket(
            family: family,
            operation: "listen",
            endpoint: endpoint
        )
        let number = descriptor.rawValue
        func check(_ result: Int32) throws { try Self.check(result, address, endpoint) }
        try check(endpoints_set_option(number, SOL_SOCKET, SO_REUSEADDR, 1))
        if family == .ipv6 {
            let isAlone: Int32 = options.dualStack ? 0 : 1
            try check(endpoints_set_option(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, isAlone))
        }
        var local = try address.kernelAddress(operation: "listen", endpoint: endpoint)
        try check(endpoints_bind(number, &local.storage, local.length))
        return descriptor
    }

    private static func check(
        _ result: Int32,
        _ address: SocketAddress,
        _ endpoint: String
    ) throws {
        guard result != 0 else { return }
        throw EndpointError(
            errno: result,
            operation: "listen",
            endpoint: endpoint,
            advice: advice(result, address)
        )
    }

    private static func advice(_ errno: Int32, _ address: SocketAddress) -> String? {
        switch abs(errno) {
        case EACCES where (address.port ?? 0) < 1024:
            "ports below 1024 need CAP_NET_BIND_SERVICE"
        case EADDRNOTAVAIL:
            "no interface of this host has the address \(address.ip ?? "")"
        case EINVAL where address.isLinkLocal, ENODEV where address.isLinkLocal:
            "a link-local address needs its zone, as in fe80::1%eth0"
        default: nil
        }
    }
}

/// A name may mean several addresses; a literal, and what stands for all, is what it is.
package func boundInterface(_ interface: String, _ address: SocketAddress) -> String {
    if interface.isEmpty || HostName.family(ofLiteral: interface) != nil { return interface }
    return address.ip ?? interface
}
