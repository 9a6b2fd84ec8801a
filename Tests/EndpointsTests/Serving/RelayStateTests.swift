import Testing

@testable import EndpointsCore

@Suite("The state of a relay")
struct RelayStateTests {
    private typealias Event = RelayState.Event
    private let error = EndpointError(.connectionReset, operation: "read")
    private let other = EndpointError(.timedOut, operation: "relay")

    private func run(_ events: [RelayState.Event]) -> (RelayState, [RelayState.Step]) {
        var state = RelayState()
        let steps = events.map { state.handle($0) }
        return (state, steps)
    }

    @Test("two ends in order are no failure, whoever is first")
    func inOrder() {
        for side in RelayState.Side.allCases {
            let (state, steps) = run([.ended(side), .ended(side.other)])
            #expect(steps == [.limitTime, .stop])
            #expect(state.failure == nil)
        }
    }

    @Test("a side that is gone is not waited for once its bytes are passed on")
    func gone() {
        #expect(run([.ended(.a), .gone(.a, error)]).1 == [.limitTime, .stop])
        #expect(run([.gone(.a, error), .ended(.a)]).1 == [.limitTime, .stop])
        #expect(run([.gone(.a, error), .ended(.a)]).0.failure?.code == .connectionReset)
        // The other side's own end says nothing of it.
        #expect(run([.gone(.a, error), .ended(.b)]).1 == [.limitTime, .limitTime])
    }

    @Test("a failed write ends its direction only")
    func failedWrite() {
        let (state, steps) = run([
            .writeFailed(from: .a, error), .gone(.b, other), .ended(.b),
        ])
        #expect(steps == [.limitTime, .limitTime, .stop])
        #expect(state.failure?.code == .connectionReset)
    }

    @Test("a failed read stops the relay, and so does the limit")
    func failedRead() {
        #expect(run([.readFailed(.b, error)]).1 == [.stop])
        #expect(run([.ending(.a), .timeUp(other)]).1 == [.limitTime, .stop])
    }

    @Test(
        "in every order of events a relay stops once, when both directions are over at the latest"
    )
    func walk() {
        let events: [RelayState.Event] = [
            .ended(.a), .ended(.b), .readFailed(.a, error), .readFailed(.b, error),
            .writeFailed(from: .a, error), .writeFailed(from: .b, error), .ending(.a), .ending(.b),
            .gone(.a, other), .gone(.b, other), .timeUp(other),
        ]
        func walk(_ state: RelayState, _ ended: Set<Int>, _ isClean: Bool, depth: Int) {
            if depth == 0 { return }
            for event in events {
                var next = state
                let step = next.handle(event)
                if state.hasStopped {
                    #expect(step == .stop && next.failure?.code == state.failure?.code)
                    continue
                }
                var (over, clean) = (ended, isClean)
                switch event {
                case .ended(let side): over.insert(side == .a ? 0 : 1)
                case .readFailed(let side, _), .writeFailed(from: let side, _):
                    over.insert(side == .a ? 0 : 1)
                    clean = false
                case .ending: break
                case .gone, .timeUp: clean = clean && step != .stop
                }
                if over.count == 2 { #expect(step == .stop) }
                #expect(next.hasStopped == (step == .stop))
                if step == .stop && clean && over.count == 2 { #expect(next.failure == nil) }
                if !clean && step == .stop { #expect(next.failure != nil) }
                walk(next, over, clean, depth: depth - 1)
            }
        }
        walk(RelayState(), [], true, depth: 4)
    }
}
