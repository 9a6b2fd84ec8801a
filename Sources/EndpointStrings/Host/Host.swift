// A host as the system is to reach it: an address, or a name to look up. What may be written is the rule
// of HostName, for strings and for endpoints made in code alike.

import EndpointsCore

/// A host: an address, or a name to look up.
package enum Host: Hashable, Sendable {
    /// A literal; its port is that of ``init(_:port:operation:endpoint:)``.
    case address(SocketAddress)
    /// A name that may go to a resolver, in ASCII (IDNA).
    case name(String)

    /// Says what a text is.
    ///
    /// - Throws: ``EndpointError`` with code `invalidArgument`, saying what is wrong with it.
    package init(_ text: String, port: UInt16, operation: String, endpoint: String?) throws {
        if let address = SocketAddress(literal: text, port: port) {
            self = .address(address)
            return
        }
        do throws(HostNameError) {
            switch try HostName(text) {
            case .literal:
                throw HostNameError(reason: "names an interface that this host does not have")
            case .name(let name): self = .name(name)
            }
        } catch {
            throw EndpointError(
                .invalidArgument,
                operation: operation,
                endpoint: endpoint,
                reason: "host \"\(text)\" \(error.reason)",
                advice: error.hint
            )
        }
    }

    /// `localhost` and what ends in it is this host, and no server is asked (RFC 6761, section 6.3).
    package static func isLocalhost(_ name: String) -> Bool {
        var name = name.lowercased()[...]
        if name.utf8.last == UInt8(ascii: ".") { name.removeLast() }
        return name == "localhost" || name.hasSuffix(".localhost")
    }
}
