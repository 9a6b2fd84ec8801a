// Names are resolved and ports bound, though nobody is connected to and nothing listened on: a socket
// that is bound and does not listen takes no connection from anybody.

import EndpointStrings
import EndpointsCore

extension TCPConnecting {
    package func checkTCP(_ list: inout CheckList, family: AddressFamily? = nil) async {
        await list.checkHost("host", host, port: port, family: family)
        if let bindAddress {
            let place = LocalPlace(bindAddress)
            await list.checkLocal(
                "bindAddress",
                place.host,
                port: place.port,
                options,
                only: family
            )
        }
    }
}

extension TCPClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async { await checkTCP(&list) }
}

extension TCP6ClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async { await checkTCP(&list, family: .ipv6) }
}

extension TCPServerEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        let family = HostName.family(ofLiteral: interface) ?? .ipv4
        await list.checkLocal("port", interface, port: port, options, only: family)
    }
}

extension TCP6ServerEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        let family = HostName.family(ofLiteral: interface) ?? .ipv6
        await list.checkLocal("port", interface, port: port, options, only: family)
    }
}

extension CheckList {
    /// Looks a host up, and notes its addresses in the order in which they would be tried.
    mutating func checkHost(
        _ name: String,
        _ host: String,
        port: UInt16,
        family: AddressFamily?
    ) async {
        do {
            let target = try Host(host, port: port, operation: "resolve", endpoint: nil)
            if case .address(let address) = target {
                pass(name, "\(address.ip ?? host) is an address")
                return
            }
            var request = TCPConnectAttempt.Request(
                target: target,
                port: port,
                families: family.map { [$0] } ?? [.ipv4, .ipv6],
                options: TCPOptions(),
                endpoint: host,
                resolver: context.resolver
            )
            request.timeout = nil
            let addresses = try await TCPConnectAttempt.addressesInOrder(request)
            let list = addresses.map { $0.ip ?? "\($0)" }.joined(separator: ", ")
            pass(name, "\(host) has the addresses, in the order in which they are tried: \(list)")
        } catch {
            fail(name, error)
        }
    }

    /// Binds to a local address for a moment.
    package mutating func checkLocal(
        _ name: String,
        _ interface: String,
        port: UInt16,
        _ options: TCPOptions,
        only family: AddressFamily?
    ) async {
        do {
            let address = try await TCPListening.address(
                port: port,
                interface: interface,
                family: family,
                endpoint: interface,
                resolver: context.resolver
            )
            try TCPListening.checkFree(address, options: options, endpoint: "\(address)")
            pass(name, port == 0 ? "\(address): any free port" : "\(address) is free")
        } catch {
            fail(name, error)
        }
    }
}

extension TCPConnectAttempt {
    /// The addresses of a host in the order in which a race would try them if all failed.
    ///
    /// - Throws: ``EndpointError`` if there is none.
    static func addressesInOrder(_ request: Request) async throws -> [SocketAddress] {
        var race = ConnectionRace(families: request.families)
        var failures: [any Error] = []
        var effects: [ConnectionRace.Effect] = []
        for family in [AddressFamily.ipv6, .ipv4] where request.families.contains(family) {
            let answer = await lookUp(request, family)
            if let failure = answer.failure { failures.append(failure) }
            effects += race.handle(
                .answered(family, answer.routable, unroutable: answer.unroutable),
                at: .zero
            )
        }
        while case .start(let index)? = effects.popLast() {
            effects = race.handle(.attemptFailed(index), at: .zero)
        }
        if !race.addresses.isEmpty { return race.addresses }
        throw failures.first
            ?? EndpointError(
                .nameNotFound,
                operation: "resolve",
                endpoint: request.endpoint,
                reason: "the host has no address"
            )
    }
}
