import CEndpoints
import Endpoints

extension InputSender {
    /// Bytes of input that had come when the connection ended, and were not sent: read, or not even
    /// that.
    ///
    /// Standard input must still be open.
    func undelivered(to connection: isolated Connection) -> Int {
        max(count - connection.byteCounts.written, 0) + max(Int(endpoints_unread(0)), 0)
    }
}
