import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Connection race")
struct ConnectionRaceTests {
    static let six = (1...4).compactMap { SocketAddress(literal: "2001:db8::\($0)", port: 80) }
    static let four = (1...4).compactMap { SocketAddress(literal: "192.0.2.\($0)", port: 80) }
    private static let both: Set<AddressFamily> = [.ipv4, .ipv6]

    private func ms(_ n: Int) -> Duration { .milliseconds(n) }

    @Test("IPv6 first: it starts at once, and the families take turns")
    func interleaving() {
        var race = ConnectionRace(families: Self.both)
        #expect(race.handle(.answered(.ipv6, Array(Self.six[..<3])), at: ms(5)) == [.start(0)])
        #expect(race.handle(.answered(.ipv4, Array(Self.four[..<2])), at: ms(6)) == [])
        var now = 5
        for index in 1..<5 {
            #expect(race.wakeUp == ms(now + 250))
            #expect(race.handle(.timePassed, at: ms(now + 249)) == [])
            now += 250
            #expect(race.handle(.timePassed, at: ms(now)) == [.start(index)])
        }
        #expect(race.wakeUp == nil)
        #expect(
            race.addresses == [Self.six[0], Self.four[0], Self.six[1], Self.four[1], Self.six[2]]
        )
    }

    @Test("the first family may have more than one turn")
    func firstFamilyCount() {
        var configuration = ConnectionRace.Configuration()
        configuration.firstFamilyCount = 2
        var race = ConnectionRace(families: Self.both, configuration: configuration)
        _ = race.handle(.answered(.ipv6, Self.six), at: .zero)
        _ = race.handle(.answered(.ipv4, Self.four), at: .zero)
        for index in 0..<4 { _ = race.handle(.attemptFailed(index), at: ms(index + 1)) }
        #expect(
            race.addresses == [Self.six[0], Self.six[1], Self.four[0], Self.six[2], Self.four[1]]
        )
    }

    @Test("IPv4 first: it waits 50 ms for IPv6, and then goes")
    func resolutionDelay() {
        var race = ConnectionRace(families: Self.both)
        #expect(race.handle(.answered(.ipv4, Self.four), at: ms(10)) == [])
        #expect(race.wakeUp == ms(60))
        #expect(race.handle(.timePassed, at: ms(59)) == [])
        #expect(race.wakeUp == ms(60))
        #expect(race.handle(.timePassed, at: ms(60)) == [.start(0)])
        #expect(race.addresses == [Self.four[0]])
        // Late IPv6 addresses come next.
        #expect(race.handle(.answered(.ipv6, Self.six), at: ms(70)) == [])
        #expect(race.handle(.timePassed, at: ms(310)) == [.start(1)])
        #expect(race.addresses[1] == Self.six[0])
    }

    @Test("IPv6 within the delay goes first")
    func withinDelay() {
        var race = ConnectionRace(families: Self.both)
        #expect(race.handle(.answered(.ipv4, Self.four), at: ms(10)) == [])
        #expect(race.handle(.answered(.ipv6, Self.six), at: ms(30)) == [.start(0)])
        #expect(race.addresses == [Self.six[0]])
    }

    @Test("no IPv6 address: IPv4 does not wait")
    func negativeAnswer() {
        var race = ConnectionRace(families: Self.both)
        #expect(race.handle(.answered(.ipv4, Self.four), at: ms(10)) == [])
        #expect(race.handle(.answered(.ipv6, []), at: ms(11)) == [.start(0)])
        var other = ConnectionRace(families: Self.both)
        #expect(other.handle(.answered(.ipv6, []), at: ms(10)) == [])
        #expect(other.wakeUp == nil)
        #expect(other.handle(.answered(.ipv4, Self.four), at: ms(11)) == [.start(0)])
    }

    @Test("a failure brings the next attempt forward, and the delay counts from there")
    func failure() {
        var race = ConnectionRace(families: [.ipv4])
        #expect(race.handle(.answered(.ipv4, Self.four), at: .zero) == [.start(0)])
        #expect(race.handle(.attemptFailed(0), at: ms(3)) == [.start(1)])
        #expect(race.wakeUp == ms(253))
    }

    @Test("the first success wins, and the others are cancelled")
    func success() {
        var race = ConnectionRace(families: Self.both)
        _ = race.handle(.answered(.ipv6, Self.six), at: .zero)
        _ = race.handle(.answered(.ipv4, Self.four), at: .zero)
        _ = race.handle(.timePassed, at: ms(250))
        _ = race.handle(.timePassed, at: ms(500))
        #expect(
            race.handle(.attemptSucceeded(1), at: ms(600)) == [.won(1), .cancel(0), .cancel(2)]
        )
        #expect(race.wakeUp == nil)
        #expect(race.handle(.attemptSucceeded(0), at: ms(600)) == [.cancel(0)])
        #expect(race.handle(.attemptFailed(2), at: ms(600)) == [])
        #expect(race.handle(.timePassed, at: ms(900)) == [])
        #expect(race.handle(.answered(.ipv4, Self.four), at: ms(900)) == [])
    }

    @Test("it is exhausted when the last has failed and no answer is awaited")
    func exhausted() {
        var race = ConnectionRace(families: Self.both)
        _ = race.handle(.answered(.ipv6, [Self.six[0]]), at: .zero)
        #expect(race.handle(.attemptFailed(0), at: ms(1)) == [])
        #expect(race.handle(.answered(.ipv4, [Self.four[0]]), at: ms(9)) == [.start(1)])
        #expect(race.handle(.attemptFailed(1), at: ms(10)) == [.exhausted])
        #expect(race.handle(.attemptFailed(1), at: ms(10)) == [])
        var none = ConnectionRace(families: Self.both)
        #expect(none.handle(.answered(.ipv4, []), at: .zero) == [])
        #expect(none.handle(.answered(.ipv6, []), at: .zero) == [.exhausted])
    }

    @Test("addresses without a route are tried last, when nothing else can come")
    func unroutable() {
        var race = ConnectionRace(families: Self.both)
        #expect(race.handle(.answered(.ipv6, [], unroutable: Self.six), at: .zero) == [])
        #expect(race.handle(.answered(.ipv4, [Self.four[0]]), at: ms(1)) == [.start(0)])
        #expect(race.handle(.attemptFailed(0), at: ms(2)) == [.start(1)])
        #expect(race.addresses == [Self.four[0], Self.six[0]])
        var only = ConnectionRace(families: [.ipv6])
        #expect(only.handle(.answered(.ipv6, [], unroutable: Self.six), at: .zero) == [.start(0)])
    }

    @Test("an address that comes twice is tried once")
    func duplicates() {
        var race = ConnectionRace(families: [.ipv4])
        let address = Self.four[0]
        _ = race.handle(.answered(.ipv4, [address, address], unroutable: [address]), at: .zero)
        #expect(race.handle(.attemptFailed(0), at: ms(1)) == [.exhausted])
    }

    @Test("events for attempts that do not run change nothing")
    func stray() {
        var race = ConnectionRace(families: [.ipv4])
        #expect(race.handle(.attemptSucceeded(0), at: .zero) == [])
        #expect(race.handle(.attemptFailed(7), at: .zero) == [])
        #expect(race.handle(.answered(.ipv6, Self.six), at: .zero) == [])
        #expect(race.handle(.timePassed, at: .zero) == [])
    }

    /// What will become of an address, and after how long.
    private enum Fate {
        case succeeds(Int)
        case fails(Int)
        case hangs
    }

    @Test("in any world: each address once, in time, and the right end", arguments: 0..<2000)
    func world(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        var pending: [(time: Int, event: ConnectionRace.Event)] = []
        var fates: [SocketAddress: Fate] = [:]
        for (family, pool) in [(AddressFamily.ipv6, Self.six), (.ipv4, Self.four)] {
            let found = pool.prefix(Int.random(in: 0...4, using: &random))
            let routes = Int.random(in: 0...found.count, using: &random)
            for address in found {
                let after = Int.random(in: 0...600, using: &random)
                let chance = Int.random(in: 0..<10, using: &random)
                fates[address] = chance < 6 ? .fails(after) : chance < 8 ? .succeeds(after) : .hangs
            }
            pending.append(
                (
                    Int.random(in: 0...200, using: &random),
                    .answered(
                        family,
                        Array(found[..<routes]),
                        unroutable: Array(found[routes...])
                    )
                )
            )
        }
        var race = ConnectionRace(families: Self.both)
        var now = 0
        var running: Set<Int> = []
        var lastStart = -1000
        var sawFailureSinceStart = true
        var end: ConnectionRace.Effect?
        var turns = 0
        while end == nil, turns < 1000 {
            turns += 1
            pending.sort { $0.time < $1.time }
            let wakeUp = race.wakeUp.map { Int($0 / .milliseconds(1)) }
            let event: ConnectionRace.Event
            if let first = pending.first, first.time <= wakeUp ?? .max {
                now = max(now, first.time)
                event = first.event
                pending.removeFirst()
            } else if let wakeUp {
                #expect(wakeUp >= now)
                now = max(now, wakeUp)
                event = .timePassed
            } else {
                break  // Only attempts that hang are left.
            }
            if case .attemptFailed(let index) = event {
                running.remove(index)
                sawFailureSinceStart = true
            }
            for effect in race.handle(event, at: ms(now)) {
                switch effect {
                case .start(let index):
                    #expect(running.isEmpty || sawFailureSinceStart || now - lastStart >= 250)
                    running.insert(index)
                    lastStart = now
                    sawFailureSinceStart = false
                    switch fates[race.addresses[index]] {
                    case .succeeds(let after):
                        pending.append((now + after, .attemptSucceeded(index)))
                    case .fails(let after): pending.append((now + after, .attemptFailed(index)))
                    case .hangs, nil: break
                    }
                case .won(let index):
                    #expect(running.remove(index) != nil)
                    end = effect
                case .cancel(let index): #expect(running.remove(index) != nil)
                case .exhausted: end = effect
                }
            }
        }
        #expect(Set(race.addresses).count == race.addresses.count)
        let canSucceed = fates.values.contains { if case .succeeds = $0 { true } else { false } }
        let canHang = fates.values.contains { if case .hangs = $0 { true } else { false } }
        switch end {
        case .won: #expect(canSucceed && running.isEmpty)
        case .exhausted:
            #expect(!canSucceed && !canHang && running.isEmpty)
            #expect(race.addresses.count == fates.count)
        default:
            #expect(canHang && !canSucceed)
            #expect(race.addresses.count == fates.count)
        }
    }
}
