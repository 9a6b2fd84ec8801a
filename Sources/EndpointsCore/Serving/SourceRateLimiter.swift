// The rate of each source, by the generic cell rate algorithm (ITU-T I.371, annex A): one number a
// source, the time at which all that it has taken would be earned. It may be ahead of now by what the
// burst allows.
//
// Whom to forget when the table is full must not take a search, or a flood would make it the
// bottleneck. So there are two tables: at half the size the younger becomes the older one, and the
// one before that is dropped. Who comes again moves to the younger. What is dropped was not seen
// while half a table of others was; a flood from that many sources is beyond a limit for each.

import CEndpoints
import EventLoop

/// Which sources may connect: a value that is told the time.
struct SourceRateLimiter {
    private enum Source: Hashable {
        case ipv4(UInt32)
        case prefix(UInt64)
        /// On one link all hosts have the same prefix.
        case linkLocal(UInt64)

        init?(_ address: SocketAddress) {
            switch address.storage {
            case .ipv4(let address, _): self = .ipv4(address)
            case .ipv6(let high, let low, _, _):
                self = address.isLinkLocal ? .linkLocal(low) : .prefix(high)
            case .unix, .named: return nil
            }
        }
    }

    /// Nanoseconds that a connection takes to earn.
    private let cost: UInt64
    /// How far a source may be ahead.
    private let credit: UInt64
    private let half: Int
    private var younger: [Source: UInt64] = [:]
    private var older: [Source: UInt64] = [:]

    init(_ rate: SourceRate) {
        let nanoseconds = 1e9 / rate.perSecond
        // So that no sum below overflows: some hundred years.
        let longest = 4e18
        // What is no rate, 0 or less among it, admits the burst and no more.
        let isUsable = rate.perSecond > 0 && nanoseconds < longest
        cost = isUsable ? UInt64(max(nanoseconds, 1)) : UInt64(longest)
        let burst = UInt64(max(rate.burst, 1) - 1)
        let (product, overflow) = cost.multipliedReportingOverflow(by: burst)
        credit = overflow ? UInt64(longest) : min(product, UInt64(longest))
        half = max(rate.sources / 2, 1)
    }

    /// How many sources it knows.
    var count: Int { younger.count + older.count }

    /// Whether `address` may connect at `now`, in nanoseconds; counts it if so.
    mutating func admits(_ address: SocketAddress, at now: UInt64) -> Bool {
        guard let source = Source(address) else { return true }
        let earned = max(younger[source] ?? older[source] ?? 0, now)
        let isAdmitted = earned - now <= credit
        younger[source] = isAdmitted ? earned &+ cost : earned
        older.removeValue(forKey: source)
        if younger.count >= half {
            older = younger
            younger = [:]
        }
        return isAdmitted
    }
}

/// A limiter that several loops share.
package final class SourceGuard: Sendable {
    private let limiter: Lock<SourceRateLimiter>
    private let rate: SourceRate

    init(_ rate: SourceRate) {
        self.rate = rate
        limiter = Lock(SourceRateLimiter(rate))
    }

    /// Counts a connection.
    ///
    /// - Throws: ``EndpointError`` with code `rateExceeded`.
    func check(_ address: SocketAddress, endpoint: String) throws {
        let now = endpoints_now()
        if limiter.withLock({ $0.admits(address, at: now) }) { return }
        throw EndpointError(
            .rateExceeded,
            operation: "accept",
            endpoint: endpoint,
            reason: "\(address) connects more than \(rate.perSecond) times a second"
        )
    }
}
