import Testing

@testable import EndpointsCore

private let second: UInt64 = 1_000_000_000

/// A close that is looked at whenever it asks for it, once the peer has done what it does each second.
private struct WatchedClose {
    var now: UInt64 = 7 * second
    var progress = ClosingLimits.Progress(written: 100, held: 1_000_000, dropped: 0)
    var limits: ClosingLimits

    init(_ stage: ClosingLimits.Stage) { limits = ClosingLimits(stage, at: now, progress) }

    /// How many seconds it lasts, if `peer` does the same each second; 1,000 at most.
    mutating func duration(peer: (Int, inout ClosingLimits.Progress) -> Void) -> UInt64 {
        let start = now
        for step in 0..<1000 {
            peer(step, &progress)
            guard let next = limits.look(at: now, progress) else { return (now - start) / second }
            #expect(next > now && next - now <= second)
            now = next
        }
        return 1000
    }
}

@Suite("Closing limits")
struct ClosingLimitsTests {
    private let flushing = ClosingLimits.Stage.flushing(limit: ClosingLimits.flushLimit)

    @Test("a peer that takes nothing ends a flush after its limit")
    func stuck() {
        var close = WatchedClose(flushing)
        #expect(close.duration { _, _ in } == 30)
        var short = WatchedClose(.flushing(limit: 2 * second))
        #expect(short.duration { _, _ in } == 2)
    }

    @Test("a peer that takes a little now and then ends no flush, however long it takes")
    func slow() {
        var close = WatchedClose(flushing)
        #expect(close.duration { step, p in if step % 29 == 0 { p.held -= 1 } } == 1000)
    }

    @Test("a peer whose queue stays full, since writes fill it again, is not stuck")
    func refilled() {
        var close = WatchedClose(flushing)
        #expect(close.duration { step, p in if step % 29 == 0 { p.written += 1 } } == 1000)
    }

    @Test("while the peer's end is awaited, quiet of 5 seconds ends the close")
    func quiet() {
        var close = WatchedClose(.lingering)
        #expect(close.duration { _, _ in } == 5)
        var later = WatchedClose(.lingering)
        #expect(later.duration { step, p in if step <= 10 { p.held -= 1 } } == 15)
    }

    @Test("a peer that only sends is cut off after 30 seconds")
    func sendsForever() {
        var close = WatchedClose(.lingering)
        #expect(close.duration { _, p in p.dropped += 1_000_000 } == 30)
    }

    @Test("a peer that sends, and reads now and then, gets all it reads")
    func sendsAndReads() {
        var close = WatchedClose(.lingering)
        let duration = close.duration { step, p in
            p.dropped += 1000
            if step % 29 == 0 { p.held -= 1 }
        }
        #expect(duration == 1000)
    }
}
