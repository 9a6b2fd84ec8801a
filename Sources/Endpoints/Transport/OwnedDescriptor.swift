import CEndpoints

/// A file descriptor that somebody owns: closed when it is dropped, unless it was taken.
struct OwnedDescriptor: ~Copyable, Sendable {
    let rawValue: Int32

    /// Takes over a descriptor that nobody else will close.
    init(_ rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = endpoints_close(rawValue) }

    /// Gives the descriptor away; the taker closes it.
    consuming func take() -> Int32 {
        let descriptor = rawValue
        discard self
        return descriptor
    }
}
