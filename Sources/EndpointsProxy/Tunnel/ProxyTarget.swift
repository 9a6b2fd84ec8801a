// Where a proxy is asked to connect. An address literal goes as its bytes, a name as it stands: the
// proxy resolves it, so that a name which only the far side knows works, and ours is not leaked to
// our own resolver. The name goes onto the wire beside delimiters (a request line, a length of one
// byte), hence the strict look at it here; Unicode names come as their A-labels (IDNA).

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
        if let bytes = IPAddressScanner.bytes(of: host) {
            self.host = .address(bytes.unmappedIP)
            return
        }
        if host.utf8.contains(UInt8(ascii: "%")) {
            throw InvalidTarget(description: "a zone (\"\(host)\") means nothing to a proxy")
        }
        let name: String
        do throws(IDNA.Refusal) { name = try IDNA.ascii(host) } catch {
            throw InvalidTarget(description: "\"\(host)\" \(error.reason)")
        }
        guard (1...255).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
            throw InvalidTarget(
                description: "\"\(host)\" is neither an IP address nor a host name of 1 to 255 "
                    + "letters, digits, \"-\", \"_\" and \".\""
            )
        }
        self.host = .name(name)
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

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "."):
            true
        default:
            false
        }
    }
}
