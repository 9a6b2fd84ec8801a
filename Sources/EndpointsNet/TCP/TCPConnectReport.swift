// What is told at the end: the timeline of a success, or one error out of many failures. The error
// that stands for all takes the code that tells most: a host that refuses is there, while a network
// that cannot be reached is often just the family that this host does not have.

import EndpointStrings
import EndpointsCore
import EventLoop

/// What happened on the way to a connection.
struct TCPConnectReport {
    private struct Start {
        package var address: SocketAddress
        var time: ContinuousClock.Instant
    }
    private let request: TCPConnectAttempt.Request
    private let begin: ContinuousClock.Instant
    private var starts: [Start] = []
    private var failures: [Int: EndpointError.Attempt] = [:]
    private var winner: (index: Int, duration: Duration)?
    var resolveFailures: [any Error] = []

    init(_ request: TCPConnectAttempt.Request, begin: ContinuousClock.Instant) {
        self.request = request
        self.begin = begin
    }

    /// Attempts are started in the order of their indices.
    mutating func started(_ index: Int, _ address: SocketAddress) {
        starts.append(Start(address: address, time: .now))
    }

    package mutating func failed(_ index: Int, _ error: EndpointError) {
        guard starts.indices.contains(index) else { return }
        failures[index] = EndpointError.Attempt(
            address: starts[index].address,
            phase: error.phase ?? .connect,
            error: error,
            duration: .now - starts[index].time
        )
    }

    mutating func won(_ index: Int) {
        guard starts.indices.contains(index) else { return }
        winner = (index, .now - starts[index].time)
    }

    /// Writes down each address with what became of it, and the times.
    func write(to trace: ConnectTrace?) {
        guard let trace else { return }
        let end = ContinuousClock.now
        let attempts = starts.indices.map { index in
            let start = starts[index]
            if let failure = failures[index] {
                return ConnectTrace.Attempt(
                    address: start.address,
                    outcome: .failed(failure.error),
                    duration: failure.duration
                )
            }
            let isWinner = winner?.index == index
            return ConnectTrace.Attempt(
                address: start.address,
                outcome: isWinner ? .connected : .givenUp,
                duration: winner.flatMap { isWinner ? $0.duration : nil } ?? (end - start.time)
            )
        }
        var timeline = timeline()
        if starts.isEmpty, name != nil {
            timeline.resolve = ConnectionTimeline.Phase(start: begin, duration: end - begin)
        }
        trace.update { record in
            record.attempts += attempts
            record.timeline.resolve = timeline.resolve ?? record.timeline.resolve
            record.timeline.connect = timeline.connect ?? record.timeline.connect
        }
    }

    private var name: String? {
        if case .name(let name) = request.target { name } else { nil }
    }

    func timeline() -> ConnectionTimeline {
        var timeline = ConnectionTimeline()
        guard let first = starts.first?.time else { return timeline }
        if name != nil {
            timeline.resolve = ConnectionTimeline.Phase(start: begin, duration: first - begin)
        }
        timeline.connect = ConnectionTimeline.Phase(start: first, duration: .now - first)
        return timeline
    }

    // MARK: errors

    func timedOut() -> EndpointError {
        let now = ContinuousClock.now
        let attempts = starts.indices.map { index in
            if let failure = failures[index] { return failure }
            let start = starts[index]
            let waited = now - start.time
            return EndpointError.Attempt(
                address: start.address,
                phase: .connect,
                error: .timedOut(
                    after: waited,
                    operation: "connect",
                    endpoint: "\(start.address)",
                    phase: .connect
                ),
                duration: waited
            )
        }
        return .timedOut(
            after: request.timeout ?? (now - begin),
            operation: "connect",
            endpoint: request.endpoint,
            phase: starts.isEmpty && name != nil ? .resolve : .connect,
            attempts: attempts
        )
    }

    func exhausted() -> any Error {
        let attempts = failures.sorted { $0.key < $1.key }.map(\.value)
        guard let chief = Self.chief(of: attempts.map(\.error)) else { return unresolved() }
        var reason: String?
        if attempts.count == 1 {
            // A literal says itself which address it was.
            let why = chief.reason ?? chief.systemError?.message ?? chief.why
            reason = name == nil ? chief.reason : "\(attempts[0].address) \(why)"
        }
        return EndpointError(
            chief.code,
            operation: "connect",
            endpoint: request.endpoint,
            reason: reason,
            advice: chief.advice,
            systemError: chief.systemError,
            attempts: attempts,
            phase: chief.phase
        )
    }

    /// No address at all.
    private func unresolved() -> any Error {
        let errors = resolveFailures.compactMap { $0 as? EndpointError }
        if let chief = Self.chief(of: errors) { return chief }
        if let other = resolveFailures.first { return other }
        let family = request.families.count == 1 ? request.families.first : nil
        return EndpointError(
            .nameNotFound,
            operation: "resolve",
            endpoint: name ?? request.endpoint,
            reason: "the host has no \(family.map { "\($0) " } ?? "")address",
            phase: .resolve
        )
    }

    private static func chief(of errors: [EndpointError]) -> EndpointError? {
        let vague: Set<EndpointError.Code> = [
            .unreachable, .addressNotAvailable, .unsupported, .nameNotFound,
        ]
        return errors.first { !vague.contains($0.code) } ?? errors.first
    }
}
