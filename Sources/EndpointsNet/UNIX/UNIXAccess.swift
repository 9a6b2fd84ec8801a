// Who may connect to a UNIX socket: the mode, the owner and the group of its file.
//
// Names are looked up when the server listens, not when the string is read: a string is only text, and
// the user may be created between the two.

import CEndpoints
import EndpointsCore

/// Who may connect to a UNIX socket that has a path.
struct UNIXAccess {
    /// The permissions of the file; whoever may write may connect.
    var mode: UInt16 = 0o666
    /// The file's owner, by name or by number; `nil` leaves it to this process's user.
    var user: String?
    /// The file's group, by name or by number; `nil` leaves it to this process's group.
    var group: String?

    /// The numbers of owner and group, `~0` for one that stays; `nil` if both do.
    ///
    /// - Throws: ``EndpointError`` with code `notFound` for a name that there is not.
    func owners(endpoint: String) throws -> (user: UInt32, group: UInt32)? {
        if user == nil && group == nil { return nil }
        func number(
            _ name: String?,
            _ what: String,
            _ find: (UnsafePointer<CChar>, UnsafeMutablePointer<UInt32>) -> Int32
        ) throws -> UInt32 {
            guard let name else { return .max }
            do { return try Self.number(name, what, find) } catch let error as EndpointError {
                throw error.of(endpoint: endpoint)
            }
        }
        return (
            try number(user, "user", endpoints_user_id),
            try number(group, "group", endpoints_group_id)
        )
    }

    /// Whether user and group exist; what `explain --check` asks.
    ///
    /// - Throws: ``EndpointError``.
    func requireOwners() throws { _ = try owners(endpoint: "unix") }

    private static func number(
        _ name: String,
        _ what: String,
        _ find: (UnsafePointer<CChar>, UnsafeMutablePointer<UInt32>) -> Int32
    ) throws -> UInt32 {
        if isNumeral(name) {
            // The largest means "leave it" to the kernel.
            if let number = UInt32(name), number < .max { return number }
            throw EndpointError(
                .invalidArgument,
                operation: "listen",
                reason: "\(name) is not the number of a \(what)"
            )
        }
        var id: UInt32 = 0
        let result = name.utf8.contains(0) ? 0 : find(name, &id)
        if result > 0 { return id }
        if result < 0 {
            throw EndpointError(
                errno: result,
                operation: "listen",
                reason: "cannot look up the \(what) \"\(name)\""
            )
        }
        throw EndpointError(
            .notFound,
            operation: "listen",
            reason: "there is no \(what) \"\(name)\""
        )
    }

    private static func isNumeral(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}
