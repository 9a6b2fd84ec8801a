/// Turns host names into addresses.
public protocol NameResolver: Sendable {
    /// Looks a name up, in one family.
    func addresses(of host: String, port: UInt16, family: AddressFamily) async throws -> [SocketAddress]
}
/// The system's resolver.
public struct SystemNameResolver: NameResolver {
    /// The one of the process.
    public static let shared = SystemNameResolver()
    /// Looks a name up, in one family.
    public func addresses(of host: String, port: UInt16, family: AddressFamily) async throws -> [SocketAddress] { [] }
}
