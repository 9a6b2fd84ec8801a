// Where a proxy is asked to connect. An address literal goes as its bytes, a name as it stands: the
// proxy resolves it, so that a name which only the far side knows works, and ours is not leaked to
// our own resolver. The name goes onto the wire beside delimiters (a request line, a length of one
// byte), and proxies take `127.1` for an address: HostName lets none of that pass.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A host and a port that a proxy is asked to connect to.
struct ProxyTarget: Hashable, Sendable, CustomStringConvertible {
    enum Host: Hashable, Sendable {
        /// An IP address of 4 or 16 bytes.
        case address([UInt8])
        /// A name of letters, digits, `-`, `_` and dots, 255 bytes at most.
        case name(String)
    }

    /// Why a target cannot be asked for.
    struct InvalidTarget: Error, Hashable, Sendable, CustomStringConvertible {
        var description: String
    }

    let host: Host
    let port: UInt16

    init(host: String, port: UInt16) throws(InvalidTarget) {
        self.port = port
        do throws(HostNameError) {
            switch try HostName(host) {
            case .name(let name): self.host = .name(name)
            case .literal:
                guard let bytes = IPAddressScanner.bytes(of: host) else {
                    throw HostNameError(reason: "has a zone, which means nothing to a proxy")
                }
                self.host = .address(bytes.unmappedIP)
            }
        } catch {
            throw InvalidTarget(description: "host \"\(host)\" \(error.reason)")
        }
    }

    /// Host and port as in an URI (RFC 3986, section 3.2): IPv6 in brackets.
    var description: String {
        switch host {
        case .name(let name):
            return "\(name):\(port)"
        case .address(let bytes):
            let ip = SocketAddress(canonicalIP: bytes, port: port)?.ip ?? ""
            return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
        }
    }
}
