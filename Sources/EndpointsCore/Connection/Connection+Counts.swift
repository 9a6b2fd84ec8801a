extension Connection {
    /// How many bytes have been read and written so far.
    ///
    /// What was read ahead counts as read.
    public var byteCounts: (read: Int, written: Int) { (bytesRead, bytesWritten) }

    /// How the connection has ended, if it has; see ``ended()``, which waits for that.
    public var currentEnd: ConnectionEnd? { end }
}
