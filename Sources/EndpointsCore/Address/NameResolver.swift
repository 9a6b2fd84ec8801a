/// Turns host names into addresses.
///
/// An endpoint asks it once a family, both at the same time, and never for a literal such as
/// `192.0.2.1` or `::1`.
public protocol NameResolver: Sendable {
    /// Looks a name up, in one family.
    ///
    /// Cancellation: ends the look-up if that can be stopped. Nobody waits for it: an answer that comes
    /// later is dropped.
    ///
    /// - Parameters:
    ///   - host: A name: labels of letters, digits, `-` and `_`; it may end in a dot.
    ///   - port: The port that the addresses are to have.
    ///   - family: The family that the addresses are to be of.
    /// - Returns: The addresses, best first; none if the name has none in this family.
    /// - Throws: ``EndpointError`` with code `nameNotFound`, or whatever kept it from an answer.
    func addresses(
        of host: String,
        port: UInt16,
        family: AddressFamily
    ) async throws -> [SocketAddress]
}
