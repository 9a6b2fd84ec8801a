// How a TLS stream ends, ours and the peer's.
//
// The end is a record like any other, close_notify, so what the layer below does is no part of it:
// that stays open behind a half-close, and its own end without close_notify is a cut. Nor does
// readiness tell of the peer's end, which may stand behind other records: it is looked for, by a
// look at the next byte that leaves it where it is.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

extension TLSTransport {
    var needsTurn: Bool { readsLeft < 0 }

    /// Sends close_notify (RFC 8446, section 6.1); the peer may go on sending.
    ///
    /// The layer below stays open, TCP as well as TLS: it carries what the peer still sends, and there
    /// are peers that take its end in one direction for both (RFC 5246, section 7.2.1).
    func closeWrite() -> Transfer {
        if !holdsTickets, let blocked = flush(), blocked.wouldBlock { return blocked }
        sealedCount = 0
        if !hasSentEnd && isUp && writeEnd == nil {
            hasSentEnd = true
            endpoints_clear_errors()
            _ = SSL_shutdown(ssl)
            if let blocked = flush(), blocked.wouldBlock { return blocked }
        }
        return .moved(0)
    }

    /// TLS in TLS ends layer by layer from within, so that to no layer of the peer ours looks cut off.
    func sayGoodbye() -> Transfer {
        let transfer = closeWrite()
        return transfer.wouldBlock ? transfer : inner.sayGoodbye()
    }

    func end(after readiness: Readiness) -> ConnectionEnd? {
        guard isUp, let end = inner.end(after: readiness) else { return nil }
        guard case .peerClosed = end else { return end }
        // The inner stream is over; whether ours was, only what came last can tell.
        // Before bytes that are unread: who reads them will learn how the stream behind them ended.
        return lookAhead(past: end, or: end)
    }

    func lookAhead() -> ConnectionEnd? { lookAhead(past: nil, or: .peerClosed) }

    private func lookAhead(past unread: ConnectionEnd?, or end: ConnectionEnd) -> ConnectionEnd? {
        readsLeft = Self.readsPerTurn
        guard isUp, readEnd == nil else { return nil }
        beginWaiting()
        var byte: UInt8 = 0
        var count = 0
        endpoints_clear_errors()
        let result = SSL_peek_ex(ssl, &byte, 1, &count)
        if result == 1 { return unread }
        let answer = outcome(of: result, during: .read)
        if answer.wouldBlock || answer == .needsTurn { return nil }
        readEnd = answer
        if answer == .moved(0) { return .peerClosed }
        guard let failure else { return end }
        return failure.code == .truncated ? .truncated : .failed(failure)
    }
}
