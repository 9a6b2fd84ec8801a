import EndpointStrings
import EndpointsCore
import EventLoop

/// A connected socket on its way through a task group, whose results must be copyable; closed if
/// nobody takes the descriptor out.
final class ConnectedSocket: Sendable {
    private let descriptor: Lock<Int32?>

    init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = Lock(descriptor.take())
    }

    deinit { _ = take() }

    /// Takes the descriptor; `nil` the second time.
    func take() -> OwnedDescriptor? {
        let taken: Int32? = descriptor.withLock { descriptor in
            defer { descriptor = nil }
            return descriptor
        }
        guard let taken else { return nil }
        return OwnedDescriptor(taken)
    }
}
