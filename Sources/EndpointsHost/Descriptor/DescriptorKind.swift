// What a descriptor is that somebody else has opened: checked before it is used, and said in the error
// when it is not what it should be. Only the kernel knows; names and numbers are promises.

import CEndpoints
import EndpointStrings
import EndpointsCore

/// What a descriptor refers to.
enum DescriptorKind: Hashable, CustomStringConvertible {
    case notOpen
    case listening(domain: Int32)
    case connected(domain: Int32)
    /// A stream socket that is neither.
    case idle(domain: Int32)
    case otherSocket(type: Int32)
    case other(String)

    init(of descriptor: Int32) {
        var file = endpoints_file()
        guard endpoints_fstat(descriptor, &file) == 0 else {
            self = .notOpen
            return
        }
        guard endpoints_is_socket(file.mode) != 0 else {
            self = .other(Self.name(ofMode: file.mode))
            return
        }
        let type = endpoints_get_option(descriptor, SOL_SOCKET, SO_TYPE)
        let domain = endpoints_get_option(descriptor, SOL_SOCKET, SO_DOMAIN)
        guard type == ENDPOINTS_STREAM else {
            self = .otherSocket(type: type)
            return
        }
        if endpoints_get_option(descriptor, SOL_SOCKET, SO_ACCEPTCONN) == 1 {
            self = .listening(domain: domain)
        } else {
            let isConnected = SocketAddress(remoteOf: descriptor) != nil
            self = isConnected ? .connected(domain: domain) : .idle(domain: domain)
        }
    }

    /// What kind of file a mode says (inode(7)).
    private static func name(ofMode mode: UInt32) -> String {
        switch mode & UInt32(S_IFMT) {
        case UInt32(S_IFIFO): "a pipe"
        case UInt32(S_IFCHR): "a terminal or another character device"
        case UInt32(S_IFREG): "a file"
        case UInt32(S_IFDIR): "a directory"
        default: "no socket"
        }
    }

    var description: String {
        switch self {
        case .notOpen: "not open"
        case .listening(let domain): "a listening \(Self.name(ofDomain: domain)) socket"
        case .connected(let domain): "a connected \(Self.name(ofDomain: domain)) socket"
        case .idle(let domain):
            "an \(Self.name(ofDomain: domain)) socket that neither listens nor is connected"
        case .otherSocket(let type):
            type == ENDPOINTS_DATAGRAM ? "a datagram socket" : "a socket of type \(type), no stream"
        case .other(let name): name
        }
    }

    static func name(ofDomain domain: Int32) -> String {
        switch domain {
        case AF_INET: "INET"
        case AF_INET6: "INET6"
        case AF_UNIX: "UNIX"
        default: "family \(domain)"
        }
    }
}

extension ListeningSocket {
    /// A listening socket that others hold too: its path, mode and queue are left alone.
    static func shared(_ descriptor: consuming OwnedDescriptor) -> ListeningSocket {
        let number = descriptor.rawValue
        _ = endpoints_set_nonblocking(number)
        _ = endpoints_set_close_on_exec(number)
        return ListeningSocket(descriptor, address: SocketAddress(localOf: number), isShared: true)
    }
}
