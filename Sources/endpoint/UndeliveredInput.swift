import CEndpoints
import Endpoints

/// Input that had come when the connection ended, and was not sent: read, or not even that.
enum UndeliveredInput {
    /// Counts it in bytes; standard input must still be open.
    static func count(of sender: InputSender, to connection: isolated Connection) -> Int {
        let unsent = max(sender.count - connection.byteCounts.written, 0)
        return unsent + max(Int(endpoints_unread(0)), 0)
    }

    /// Reports it on stderr.
    static func report(_ count: Int) {
        LineQueue.standardError.add("endpoint: \(count) bytes of input not delivered")
    }
}
