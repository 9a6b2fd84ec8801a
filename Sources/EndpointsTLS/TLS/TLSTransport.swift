// TLS over any transport.
//
// OpenSSL meets the inner transport in a BIO (TLSTransport+BIO), so no byte passes through memory in
// between, and readiness stays where it is known. Three things are not as with plain bytes.
//
// A sealed record cannot be taken back. Were OpenSSL to keep what the inner transport did not take,
// the same write would have to be repeated to the letter, whatever the caller does meanwhile; so the
// BIO takes every record, and what is left over waits in `outgoing`. A write counts as done when that
// is empty again; until then `hasSealedBytes` says that cancelling it breaks the stream.
//
// Readiness is not the socket's. OpenSSL reads ahead, so decrypted or whole records may be waiting
// when the socket is empty, and a read may have to write, or a write to read. Every answer is
// therefore what OpenSSL says after trying.
//
// The error queue is the thread's, shared by all connections of a loop: it is emptied before each
// call and looked at right after.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

/// A transport that encrypts what passes through it (RFC 8446, RFC 5246).
final class TLSTransport: Transport {
    static let recordSize = 16_384
    /// What one call seals before it goes to the inner transport: with the records' own bytes it fits
    /// into a block of the loop.
    static let mostGathered = 65_024
    /// A record takes two; whoever sends nothing but key updates or tickets gets others to wait no
    /// longer than for these.
    static let readsPerTurn = 3
    private static let handshakeReadsPerTurn = 16

    let inner: any Transport
    let base: BaseTransport
    let side: TLSSide
    /// The one in use; a server's changes with the name that the client asks for.
    var context: TLSContext
    /// The name that the client asked for.
    var requestedName: String?
    let ssl: OpaquePointer
    let origin: ConnectionOrigin
    /// The connection's; replaced by those that it is handed out with.
    var facts: ConnectionFacts

    private(set) var failure: EndpointError?
    /// The answer of every further read: the peer's end, or what went wrong.
    var readEnd: Transfer?
    var writeEnd: Transfer?
    private(set) var isUp = false
    package var hasSentEnd = false
    /// How many bytes of the caller's write are sealed in `outgoing`.
    var sealedCount = 0
    /// `outgoing` holds a server's tickets, which travel with what is sent first.
    var holdsTickets = false

    /// The peer has sent much and no data: it gets the time for little of that at once.
    var isFlooded = false

    /// How often one call may still ask the inner transport for bytes; below 0 it was stopped, and may go
    /// on when others have had their turn.
    var readsLeft = 0

    // What the BIO works with.
    // Not checked: no call from within one of its methods comes back here.
    @exclusivity(unchecked) var outgoing = OutgoingRecords()
    var isGathering = false
    /// Why the inner transport moves nothing any more.
    var innerReadFailure: Transfer?
    var innerWriteFailure: Transfer?
    /// The first bytes that came, kept for the case that they are not TLS.
    var opening: [UInt8]?
    /// What the peer's certificate was refused for.
    package var refusal: CertificateRefusal?

    // See TLSTransport+Buffers.
    var calls = 0
    var callsAtLastLook = 0
    var bufferWatch: BufferWatch?

    /// - Throws: ``EndpointError`` if OpenSSL has no memory for it, or refuses the server's name.
    init(
        over inner: any Transport,
        _ side: TLSSide,
        origin: ConnectionOrigin,
        facts: ConnectionFacts
    ) throws {
        let context = side.context
        endpoints_clear_errors()
        guard let method = Self.bioMethod, let ssl = SSL_new(context.pointer) else {
            throw EndpointError(
                .outOfResources,
                operation: "TLS handshake",
                endpoint: origin.endpoint
            )
        }
        self.inner = inner
        base = inner.base
        self.side = side
        self.context = context
        self.ssl = ssl
        self.origin = origin
        self.facts = facts
        guard let bio = endpoints_bio_new(method, Unmanaged.passUnretained(self).toOpaque()) else {
            throw EndpointError(
                .outOfResources,
                operation: "TLS handshake",
                endpoint: origin.endpoint
            )
        }
        endpoints_ssl_set_bio(ssl, bio)
        endpoints_ssl_set_data(ssl, Unmanaged.passUnretained(self).toOpaque())
        switch side {
        case .client(let client): try client.begin(ssl)
        case .server: SSL_set_accept_state(ssl)
        }
    }

    deinit {
        bufferWatch?.transport = nil
        // The BIO points here: OpenSSL goes first.
        SSL_free(ssl)
        outgoing.free()
    }

    var hasSealedBytes: Bool { sealedCount > 0 }

    /// Closing the lowest transport while the peer still sends resets it, and may destroy what it has
    /// not read yet; so after our close_notify its end is waited for.
    var lingers: Bool { isUp && readEnd == nil && writeEnd == nil }

    // MARK: the handshake

    /// Goes on with the handshake; `.moved(1)` when it is done and has left.
    func handshake() -> Transfer {
        if !isUp {
            if let readEnd { return readEnd }
            endpoints_clear_errors()
            readsLeft = Self.handshakeReadsPerTurn
            isGathering = true
            let result = SSL_do_handshake(ssl)
            isGathering = false
            if result != 1 {
                let answer = outcome(of: result, during: .handshake)
                // Our part, or the alert that tells the peer why.
                if let blocked = flush(), blocked.wouldBlock, answer.wouldBlock { return blocked }
                return answer
            }
            guard hasShownCertificate else { return fail(during: .handshake) }
            isUp = true
            opening = nil
            // To a server of TLS 1.3 the client's last word was the end; an earlier version's waits
            // for ours.
            holdsTickets = context.isServer && SSL_version(ssl) == TLS1_3_VERSION
            if holdsTickets { return .moved(1) }
        }
        guard let blocked = flush() else { return .moved(1) }
        return blocked.wouldBlock ? blocked : lastWords(or: blocked)
    }

    /// Why the peer has gone, if it said so.
    private func lastWords(or transfer: Transfer) -> Transfer {
        var byte: UInt8 = 0
        var count = 0
        endpoints_clear_errors()
        readsLeft = Self.handshakeReadsPerTurn
        let result = SSL_peek_ex(ssl, &byte, 1, &count)
        if result == 1 { return transfer }
        let answer = outcome(of: result, during: .handshake)
        return answer == .failed ? answer : transfer
    }

    // MARK: reading

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        if let readEnd { return readEnd }
        noteCall()
        var total = 0
        repeat {
            endpoints_clear_errors()
            readsLeft = Self.readsPerTurn
            var count = 0
            let start = buffer.baseAddress.map { $0 + total }
            let result = SSL_read_ex(ssl, start, buffer.count - total, &count)
            guard result == 1 else {
                let answer = outcome(of: result, during: .read)
                if !answer.wouldBlock && answer != .needsTurn { readEnd = answer }
                if total > 0 { return .moved(total) }
                if answer.wouldBlock { beginWaiting() }
                return answer
            }
            total += count
            isFlooded = false
            // Records that came together leave together, within the job's budget: each may be a byte.
        } while total < buffer.count && SSL_has_pending(ssl) == 1 && takeTurn()
        return .moved(total)
    }

    private func takeTurn() -> Bool { EventLoop.current?.hot.pointee.budget.take() ?? true }

    // MARK: writing

    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        if let earlier = finishEarlierWrite(bytes.count) { return earlier }
        noteCall()
        if bytes.count <= Self.recordSize { return seal(bytes) }
        isGathering = true
        defer { isGathering = false }
        var done = 0
        while done < bytes.count {
            let end = min(done + Self.mostGathered, bytes.count)
            let transfer = seal(UnsafeRawBufferPointer(rebasing: bytes[done..<end]))
            guard transfer.isMoved else { return done > 0 ? .moved(done) : transfer }
            done += transfer.rawValue
        }
        return .moved(done)
    }

    /// Small parts become one record; OpenSSL has no scattered write.
    func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer {
        guard let first = parts.first else { return .moved(0) }
        if parts.count == 1 {
            return write(UnsafeRawBufferPointer(start: first.iov_base, count: first.iov_len))
        }
        var total = 0
        for part in parts where total < BlockPool.blockSize { total += part.iov_len }
        total = min(total, Self.mostGathered)
        return withUnsafeTemporaryAllocation(byteCount: total, alignment: 16) { buffer in
            var filled = 0
            for part in parts where filled < total {
                let bytes = UnsafeRawBufferPointer(
                    start: part.iov_base,
                    count: min(part.iov_len, total - filled)
                )
                UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]).copyMemory(from: bytes)
                filled += bytes.count
            }
            return write(UnsafeRawBufferPointer(buffer))
        }
    }

    /// What must leave before anything else can; `nil` if nothing stands in the way.
    private func finishEarlierWrite(_ limit: Int) -> Transfer? {
        if let writeEnd { return writeEnd }
        if !outgoing.isEmpty, !holdsTickets, let blocked = flush() { return blocked }
        // The reader may have sent it meanwhile.
        if sealedCount == 0 { return nil }
        defer { sealedCount = 0 }
        return .moved(min(sealedCount, limit))
    }

    private func seal(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        endpoints_clear_errors()
        var count = 0
        let result = SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &count)
        guard result == 1 else { return outcome(of: result, during: .write) }
        if outgoing.isEmpty && innerWriteFailure == nil { return .moved(count) }
        sealedCount = count
        if let blocked = flush() { return blocked }
        sealedCount = 0
        return .moved(count)
    }

    /// Sends what no write will: the reader is about to wait, perhaps for an answer to it.
    func beginWaiting() {
        if !outgoing.isEmpty && sealedCount == 0 { _ = flush() }
    }

    package func sendLeftovers() {
        inner.sendLeftovers()
        if !holdsTickets { beginWaiting() }
    }

    /// Sends what is sealed; `nil` when all of it has left.
    func flush() -> Transfer? {
        holdsTickets = false
        while innerWriteFailure == nil, !outgoing.isEmpty {
            let transfer = inner.write(outgoing.bytes)
            if transfer.rawValue > 0 {
                outgoing.removeFirst(transfer.rawValue)
            } else if transfer.wouldBlock {
                outgoing.compact()
                return transfer
            } else if !transfer.isMoved {
                innerWriteFailure = transfer
            }
        }
        guard let failed = innerWriteFailure else { return nil }
        outgoing.free()
        if failed == .failed { failure = failure ?? inner.failure }
        writeEnd = failed
        return failed
    }

    // MARK: what OpenSSL answers

    enum Call {
        case handshake
        case read
        case write
    }

    /// Turns a result that is not success into an answer; right after the call, nothing between.
    func outcome(of result: Int32, during call: Call) -> Transfer {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return readsLeft < 0 ? .needsTurn : .needsReadable
        case SSL_ERROR_WANT_WRITE: return makeRoom()
        case SSL_ERROR_ZERO_RETURN where call != .write: return .moved(0)
        default: return fail(during: call)
        }
    }

    /// OpenSSL must send and has no room for it, here or in a layer below: waits only if there is none
    /// after a try, for who finds room hears of none later.
    private func makeRoom() -> Transfer {
        if let blocked = flush(), blocked.wouldBlock { return blocked }
        guard base.isWritable else { return .needsWritable }
        readsLeft = -1
        return .needsTurn
    }

    private func fail(during call: Call) -> Transfer {
        let reasons = TLSFailure.takeErrors()
        let answer: Transfer
        if let inner = innerReadFailure, !TLSFailure.isAlert(reasons) {
            answer = inner
            if inner == .failed { failure = self.inner.failure }
        } else {
            let peer = "\(origin.endpoint) (\(facts.remoteAddress))"
            failure = TLSFailure(reasons, of: self).error(during: call, peer: peer)
            answer = .failed
            if call == .handshake { traceFailure() }
        }
        // After this OpenSSL may not be called any more, not even to say goodbye.
        readEnd = answer
        writeEnd = answer
        return answer
    }
}
