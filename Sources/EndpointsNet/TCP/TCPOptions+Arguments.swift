// The socket options as arguments, the same for every kind over TCP. The limits are the kernel's:
// what a string can say, setsockopt(2) takes.

import EndpointStrings
import EndpointsCore

/// A kind of endpoint whose sockets are TCP.
package protocol TCPEndpoint: EndpointKind {
    var options: TCPOptions { get set }
}

extension TCPEndpoint {
    /// The arguments that every kind over TCP has.
    package static var optionArguments: [EndpointArgument<Self>] {
        [
            .optional("noDelay", \.options.noDelay, help: "send at once (TCP_NODELAY)"),
            .optional(
                "keepAlive",
                \.options.keepAlive,
                as: .seconds(in: .seconds(1)...(.seconds(32_767)), step: .seconds(1)),
                help: "seconds without traffic before the peer is probed (SO_KEEPALIVE)"
            ),
            .optional(
                "userTimeout",
                \.options.userTimeout,
                as: .seconds(
                    in: .milliseconds(1)...(.milliseconds(Int32.max)),
                    step: .milliseconds(1)
                ),
                help: "seconds that bytes may stay unacknowledged (TCP_USER_TIMEOUT)"
            ),
            .optional(
                "reusePort",
                \.options.reusePort,
                help: "share the local port with other sockets (SO_REUSEPORT)"
            ),
            .optional(
                "multipath",
                \.options.multipath,
                help: "Multipath TCP where the system has it (RFC 8684)"
            ),
            .optional(
                "fastOpen",
                \.options.fastOpen,
                help: "carry bytes in the first packet (TCP_FASTOPEN, RFC 7413)"
            ),
        ]
    }

    /// What only kinds that listen by IPv6 have.
    package static var dualStackArgument: EndpointArgument<Self> {
        .optional(
            "dualStack",
            \.options.dualStack,
            help: "take IPv4 connections, too, when listening on :: (IPV6_V6ONLY)"
        )
    }
}

extension EndpointArgumentFormat where Value == Int {
    /// How many connections may wait to be accepted (listen(2)).
    package static var backlog: Self { .integer(in: 0...Int(Int32.max)) }
}
