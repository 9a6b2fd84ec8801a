// Happy eyeballs, version 2 (RFC 8305): which address to try when. A value without sockets, clock or
// tasks; TCPConnector does what it says.
//
//   answered(ipv6, …) ─┐                    ┌─▶ start(i)   now, or `delay` after the last start,
//   answered(ipv4, …) ─┴─▶ untried addresses┘              or as soon as an attempt fails
//                          (families take turns)
//   attemptFailed(i)    ─▶ the next address at once; with none left anywhere: exhausted
//   attemptSucceeded(i) ─▶ won(i), and cancel(j) for every other attempt
//   timePassed          ─▶ whatever has become due; `wakeUp` says when that is
//
// Two waits keep IPv6 in front without letting it hold anybody up: a first answer in IPv4 waits 50 ms
// for IPv6 (section 3), and each attempt has 250 ms before the next begins beside it (section 5).
// Addresses that this host has no route to come last of all (RFC 6724, rule 1): they fail at once
// and would only push the families out of step.

import EndpointStrings
import EndpointsCore

/// The schedule of a race between addresses: events in, effects out.
struct ConnectionRace {
    /// The times of RFC 8305, section 8.
    struct Configuration: Sendable {
        /// How long a first answer in the second family waits for the first family's.
        var resolutionDelay: Duration = .milliseconds(50)
        /// How long an attempt is alone before the next begins.
        var connectionAttemptDelay: Duration = .milliseconds(250)
        /// How many addresses of the first family are tried before the families take turns.
        var firstFamilyCount = 1
    }

    enum Event: Equatable {
        /// The look-up in a family ended; without an address if it failed. Best first; `unroutable`
        /// are those that this host cannot reach.
        case answered(AddressFamily, [SocketAddress], unroutable: [SocketAddress] = [])
        case attemptFailed(Int)
        case attemptSucceeded(Int)
        case timePassed
    }

    enum Effect: Equatable {
        /// Begin to connect to `addresses[i]`.
        case start(Int)
        /// Close the attempt, or the connection that it became.
        case cancel(Int)
        /// This attempt's connection is the one.
        case won(Int)
        /// Every address has failed, or there was none.
        case exhausted
    }

    /// The addresses tried, in the order in which they were started.
    private(set) var addresses: [SocketAddress] = []
    /// When ``Event/timePassed`` is due next; `nil` if only other events can change anything.
    private(set) var wakeUp: Duration?

    private let configuration: Configuration
    private var awaited: Set<AddressFamily>
    private var untried: [AddressFamily: [SocketAddress]] = [:]
    private var lastResort: [SocketAddress] = []
    private var running: Set<Int> = []
    private var isOver = false
    /// The family whose turn it is.
    private var turn: AddressFamily = .ipv6
    private var firstFamilyLeft: Int
    /// When the next attempt may begin while others run.
    private var nextStart: Duration?
    /// Until when a first answer waits for the other family.
    private var resolutionDeadline: Duration?

    /// Makes a race in which nothing has happened; each of `families` must be answered once.
    init(families: Set<AddressFamily>, configuration: Configuration = Configuration()) {
        self.configuration = configuration
        awaited = families
        firstFamilyLeft = max(1, configuration.firstFamilyCount)
    }

    /// Takes an event and says what must now be done, in order.
    ///
    /// `now` is the time since the race began, never less than the time before.
    mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        if isOver { return late(event) }
        switch event {
        case .answered(let family, let routable, let unroutable):
            guard awaited.remove(family) != nil else { return [] }
            add(routable, unroutable, of: family)
        case .attemptFailed(let index):
            guard running.remove(index) != nil else { return [] }
            nextStart = now
        case .attemptSucceeded(let index):
            guard running.remove(index) != nil else { return [] }
            isOver = true
            wakeUp = nil
            return [.won(index)] + running.sorted().map { .cancel($0) }
        case .timePassed:
            break
        }
        return proceed(at: now)
    }

    /// After the end nothing begins, and what still succeeds is closed.
    private func late(_ event: Event) -> [Effect] {
        switch event {
        case .attemptSucceeded(let index): [.cancel(index)]
        case .answered, .attemptFailed, .timePassed: []
        }
    }

    private mutating func add(
        _ routable: [SocketAddress],
        _ unroutable: [SocketAddress],
        of family: AddressFamily
    ) {
        func isNew(_ address: SocketAddress) -> Bool {
            let isKnown = addresses.contains(address) || lastResort.contains(address)
            return !isKnown && !untried.values.contains { $0.contains(address) }
        }
        for address in routable where isNew(address) {
            untried[family, default: []].append(address)
        }
        for address in unroutable where isNew(address) { lastResort.append(address) }
    }

    private mutating func proceed(at now: Duration) -> [Effect] {
        wakeUp = nil
        if let begin = beginning(at: now), begin > now {
            wakeUp = begin
            return []
        }
        if !running.isEmpty, let nextStart, nextStart > now {
            if hasUntried { wakeUp = nextStart }
            return []
        }
        if let address = takeNext() {
            let index = addresses.count
            addresses.append(address)
            running.insert(index)
            let next = now + configuration.connectionAttemptDelay
            nextStart = next
            if hasUntried { wakeUp = next }
            return [.start(index)]
        }
        guard running.isEmpty && awaited.isEmpty else { return [] }
        isOver = true
        return [.exhausted]
    }

    /// When the first attempt may begin, if that is to be waited for (section 3).
    private mutating func beginning(at now: Duration) -> Duration? {
        guard addresses.isEmpty, awaited.contains(.ipv6), untried[.ipv4]?.isEmpty == false else {
            return nil
        }
        if let resolutionDeadline { return resolutionDeadline }
        let deadline = now + configuration.resolutionDelay
        resolutionDeadline = deadline
        return deadline
    }

    /// Addresses without a route wait until it is certain that there are no others.
    private var hasUntried: Bool {
        if untried.values.contains(where: { !$0.isEmpty }) { return true }
        return awaited.isEmpty && !lastResort.isEmpty
    }

    private mutating func takeNext() -> SocketAddress? {
        let family = untried[turn]?.isEmpty == false ? turn : turn.other
        if untried[family]?.isEmpty == false {
            firstFamilyLeft -= 1
            turn = firstFamilyLeft > 0 ? family : family.other
            return untried[family]?.removeFirst()
        }
        return awaited.isEmpty && !lastResort.isEmpty ? lastResort.removeFirst() : nil
    }
}
