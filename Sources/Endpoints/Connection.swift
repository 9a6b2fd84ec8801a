import EventLoop

/// A connection.
public actor Connection {
}
/// A listener.
public actor Listener {
}
