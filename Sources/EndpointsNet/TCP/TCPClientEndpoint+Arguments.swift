// What `tcp` and `tcp6` have in common as clients.

import EndpointStrings
import EndpointsCore

/// A kind that connects over TCP to a host and a port.
package protocol TCPConnecting: TCPEndpoint {
    var host: String { get set }
    var port: UInt16 { get set }
    var timeout: Duration { get set }
    var bindAddress: String? { get set }
}

extension TCPClientEndpoint: TCPConnecting {}
extension TCP6ClientEndpoint: TCPConnecting {}

extension TCPConnecting {
    package static var clientArguments: [EndpointArgument<Self>] {
        let own: [EndpointArgument<Self>] = [
            .required(
                "host",
                \.host,
                as: .host,
                position: 0,
                help: "name or address to connect to"
            ),
            .required(
                "port",
                \.port,
                as: .port(in: 1...UInt16.max),
                position: 1,
                help: "port to connect to"
            ),
            .optional("timeout", \.timeout, help: "seconds that all of connecting may take"),
            .optional(
                "bindAddress",
                \.bindAddress,
                as: .localAddress,
                help: "local address to connect from; a port may stand behind it"
            ),
        ]
        return own + optionArguments
    }

    package static func clientArgumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        let arguments = description.arguments
        let hasHost = arguments.contains { $0.name == "host" }
        let isAlone = arguments.count { $0.position != nil } == 1
        if hasHost && isAlone { return "port" }
        return Self.arguments.first { $0.position == position }?.name
    }

    /// Refuses literals of a wrong family, and two that cannot reach each other.
    package func validateFamilies(only family: AddressFamily?) throws {
        let hostFamily = Self.family(of: host)
        let localFamily = bindAddress.flatMap { Self.family(of: LocalPlace($0).host) }
        if let family, let hostFamily, hostFamily != family {
            throw EndpointArgumentError(
                "is an IPv4 address, and the kind connects by IPv6 only",
                argument: "host",
                hint: "the kind tcp connects by both"
            )
        }
        guard let localFamily, let wanted = family ?? hostFamily, localFamily != wanted else {
            return
        }
        throw EndpointArgumentError(
            wanted == .ipv6
                ? "is an IPv4 address, and the host is reached by IPv6"
                : "is an IPv6 address, and the host is reached by IPv4",
            argument: "bindAddress"
        )
    }

    /// The family that a literal is connected by: `::ffff:192.0.2.1` is IPv4.
    private static func family(of text: String) -> AddressFamily? {
        // A zone is asked of the system, which is for `connect` to do; only IPv6 has one.
        let family = HostName.family(ofLiteral: text)
        if text.utf8.contains(UInt8(ascii: "%")) { return family }
        return SocketAddress(literal: text, port: 0)?.family ?? family
    }
}
