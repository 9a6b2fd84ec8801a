import EventLoop
import Logging

/// A listener.
public actor Listener {
    static func make(_ sockets: [ListeningSocket], endpoint: String, in context: EndpointContext) -> Listener {
        fatalError("stub")
    }
}
