// To and from the kernel's form. A UNIX address is counted, not terminated: its length says whether
// the socket has a name at all, and in the abstract namespace every byte counts, NULs too.

import CEndpoints

/// An address as system calls take and give it.
package struct KernelAddress {
    package var storage = sockaddr_storage()
    package var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    package init() {}
}

extension SocketAddress {
    /// The longest path of a UNIX socket, in bytes: sun_path without its NUL (unix(7)).
    package static let longestPath = 107

    /// Reads what a system call has filled in; `nil` if it is of no family that we know.
    package init?(_ kernel: KernelAddress) {
        var kernel = kernel
        // A socket pair on some kernels, and an accepted UNIX peer, may give no family at all.
        guard kernel.length >= MemoryLayout<sa_family_t>.size else {
            self.init(.unix([]))
            return
        }
        switch Int32(kernel.storage.ss_family) {
        case AF_INET:
            let address = endpoints_ipv4_address(&kernel.storage)
            self.init(.ipv4(address, port: endpoints_ipv4_port(&kernel.storage)))
        case AF_INET6:
            self.init(
                ipv6High: endpoints_ipv6_half(&kernel.storage, 0),
                low: endpoints_ipv6_half(&kernel.storage, 1),
                port: endpoints_ipv6_port(&kernel.storage),
                scope: endpoints_ipv6_scope(&kernel.storage)
            )
        case AF_UNIX:
            self.init(unixName: Self.unixName(of: kernel))
        default:
            return nil
        }
    }

    private static func unixName(of kernel: KernelAddress) -> [UInt8] {
        let count = Int(kernel.length) - ENDPOINTS_UNIX_PATH_OFFSET
        guard count > 0 else { return [] }
        return withUnsafeBytes(of: kernel.storage) { whole in
            let most = min(count, longestPath + 1)
            return Array(whole.dropFirst(ENDPOINTS_UNIX_PATH_OFFSET).prefix(most))
        }
    }

    /// The form that bind and connect take.
    ///
    /// - Throws: ``EndpointError`` with code `invalidArgument` if the path of a UNIX socket is empty,
    ///   too long or holds a NUL, or if the address is none of the kernel's.
    package func kernelAddress(operation: String, endpoint: String?) throws -> KernelAddress {
        func refused(_ reason: String) -> EndpointError {
            EndpointError(
                .invalidArgument,
                operation: operation,
                endpoint: endpoint,
                reason: reason
            )
        }
        var kernel = KernelAddress()
        switch storage {
        case .ipv4(let address, let port):
            kernel.length = endpoints_ipv4_make(&kernel.storage, address, port)
        case .ipv6(let high, let low, let port, let scope):
            kernel.length = endpoints_ipv6_make(&kernel.storage, high, low, port, scope)
        case .unix(var bytes):
            guard !bytes.isEmpty else { throw refused("the path is empty") }
            if isAbstract {
                guard bytes.count > 1 else { throw refused("the abstract name is empty") }
                bytes[0] = 0
            } else if bytes.contains(0) {
                throw refused("the path holds a NUL")
            }
            guard bytes.count <= Self.longestPath else {
                throw refused(
                    "the path has \(bytes.count) bytes, a UNIX socket's at most \(Self.longestPath)"
                )
            }
            kernel.length = endpoints_unix_make(&kernel.storage, bytes, bytes.count)
        case .named(let name):
            throw refused("\(name) is not the address of a socket")
        }
        return kernel
    }

    /// The address that the descriptor is bound to; an unnamed one if the kernel does not say.
    package init(localOf descriptor: Int32) {
        var kernel = KernelAddress()
        let failed = endpoints_getsockname(descriptor, &kernel.storage, &kernel.length) < 0
        self = (failed ? nil : SocketAddress(kernel)) ?? SocketAddress(.unix([]))
    }

    /// The address that the descriptor is connected to, `nil` if it is not, or no more.
    package init?(remoteOf descriptor: Int32) {
        var kernel = KernelAddress()
        guard endpoints_getpeername(descriptor, &kernel.storage, &kernel.length) == 0 else {
            return nil
        }
        self.init(kernel)
    }
}
