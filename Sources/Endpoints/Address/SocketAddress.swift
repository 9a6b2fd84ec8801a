/// The address of a socket.
public struct SocketAddress: Hashable, Sendable {
    var text: String
}
/// IPv4 or IPv6.
public enum AddressFamily: Hashable, Sendable {
    /// IPv4.
    case ipv4
    /// IPv6.
    case ipv6
}
