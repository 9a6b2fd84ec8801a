import CEndpoints

/// A file descriptor that somebody owns: closed when it is dropped, unless it was taken.
package struct OwnedDescriptor: ~Copyable, Sendable {
    package let rawValue: Int32

    /// Takes over a descriptor that nobody else will close.
    package init(_ rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = endpoints_close(rawValue) }

    /// Gives the descriptor away; the taker closes it.
    package consuming func take() -> Int32 {
        let descriptor = rawValue
        discard self
        return descriptor
    }
}
