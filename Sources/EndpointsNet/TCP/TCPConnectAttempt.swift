// Drives ConnectionRace with real look-ups and sockets.
//
// One task group: two look-ups, an attempt an address, a timer for what is due, a timer for the
// whole. Each child ends in a Happening; the loop over the group hands it to the race and does what
// the race says. Nobody else touches the race, so there is no lock. When it is decided, the group is
// cancelled and emptied before anything is returned: by then every loser's socket is closed, and a
// second success, or one that came together with our own cancellation, has been closed by being
// dropped.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// One call of ``TCPConnector``.
struct TCPConnectAttempt {
    /// What to connect to, and how.
    struct Request: Sendable {
        var target: Host
        var port: UInt16
        var source: Host?
        var sourcePort: UInt16 = 0
        var families: Set<AddressFamily>
        var options: TCPOptions
        var timeout: Duration?
        package var endpoint: String
        var resolver: any NameResolver
        var trace: ConnectTrace?
    }

    private enum Happening: Sendable {
        case answered(AddressFamily, Answer)
        case attempted(Int, Result<ConnectedSocket, any Error>)
        case due
        case outOfTime
        /// A wait was ended by the loop's shutdown.
        case stopped
    }
    struct Answer: Sendable {
        var routable: [SocketAddress] = []
        var unroutable: [SocketAddress] = []
        var source: SocketAddress?
        var failure: (any Error)?
    }
    private enum Outcome: Sendable {
        case connected(TCPConnector.Connected)
        case failed(any Error)
    }

    private let request: Request
    private let loop: EventLoop
    private let begin = ContinuousClock.now
    private var race: ConnectionRace
    private var report: TCPConnectReport
    private var sources: [AddressFamily: SocketAddress] = [:]
    private var timerEnd: Duration?

    init(_ request: Request, on loop: EventLoop) {
        self.request = request
        self.loop = loop
        race = ConnectionRace(families: request.families)
        report = TCPConnectReport(request, begin: begin)
    }

    mutating func run() async throws -> TCPConnector.Connected {
        let outcome = await withTaskGroup(of: Happening.self) { group in
            let outcome = await drive(&group)
            group.cancelAll()
            while await group.next() != nil {}  // The losers close here.
            return outcome
        }
        report.write(to: request.trace)
        try Task.checkCancellation()
        switch outcome {
        case .connected(let connected): return connected
        case .failed(is CancellationError):
            // It was not the task that was cancelled.
            throw EndpointError.loopsEnded("connect", request.endpoint)
        case .failed(let error): throw error
        }
    }

    private mutating func drive(_ group: inout TaskGroup<Happening>) async -> Outcome {
        if let timeout = request.timeout {
            group.addTask(executorPreference: loop) { [loop] in
                await Self.sleep(timeout, on: loop, then: .outOfTime)
            }
        }
        if let outcome = ask(in: &group) { return outcome }
        while let happening = await group.next() {
            guard !Task.isCancelled else { break }
            if let outcome = handle(happening, in: &group) { return outcome }
        }
        return .failed(CancellationError())
    }

    /// Begins the look-ups; literals are their own answer.
    private mutating func ask(in group: inout TaskGroup<Happening>) -> Outcome? {
        if case .address(let target) = request.target, let family = target.family {
            switch request.source {
            case nil:
                return handle(.answered(family, Answer(routable: [target])), in: &group)
            case .address(let source)?:
                let answer = Answer(routable: [target], source: source)
                return handle(.answered(family, answer), in: &group)
            case .name?: break
            }
        }
        // AAAA first (RFC 8305, section 3).
        for family in [AddressFamily.ipv6, .ipv4] where request.families.contains(family) {
            group.addTask { [request] in
                .answered(family, await Self.lookUp(request, family))
            }
        }
        return nil
    }

    /// Hands what happened to the race, and does what the race says.
    private mutating func handle(
        _ happening: Happening,
        in group: inout TaskGroup<Happening>
    ) -> Outcome? {
        let event: ConnectionRace.Event
        var winner: ConnectedSocket?
        switch happening {
        case .answered(let family, let answer):
            if let failure = answer.failure { report.resolveFailures.append(failure) }
            sources[family] = answer.source
            event = .answered(family, answer.routable, unroutable: answer.unroutable)
        case .attempted(let index, .success(let socket)):
            winner = socket
            event = .attemptSucceeded(index)
        case .attempted(let index, .failure(let error)):
            guard let error = error as? EndpointError else { return .failed(error) }
            report.failed(index, error)
            event = .attemptFailed(index)
        case .due:
            timerEnd = nil
            event = .timePassed
        case .outOfTime:
            return .failed(report.timedOut())
        case .stopped:
            return .failed(CancellationError())
        }
        for effect in race.handle(event, at: ContinuousClock.now - begin) {
            switch effect {
            case .start(let index): start(index, in: &group)
            case .cancel: break  // The group is cancelled as soon as there is a winner.
            case .exhausted: return .failed(report.exhausted())
            case .won(let index):
                guard let winner else { break }
                report.won(index)
                return .connected(
                    TCPConnector.Connected(
                        socket: winner,
                        address: race.addresses[index],
                        timeline: report.timeline()
                    )
                )
            }
        }
        setTimer(in: &group)
        return nil
    }

    private mutating func start(_ index: Int, in group: inout TaskGroup<Happening>) {
        let address = race.addresses[index]
        report.started(index, address)
        let source = address.family.flatMap { sources[$0] }
        group.addTask(executorPreference: loop) { [loop, options = request.options] in
            do {
                let descriptor = try await SocketConnector.connect(
                    to: address,
                    from: source,
                    options: options,
                    endpoint: "\(address)",
                    on: loop
                )
                return .attempted(index, .success(ConnectedSocket(descriptor)))
            } catch {
                return .attempted(index, .failure(error))
            }
        }
    }

    /// A timer that has become needless ends by itself, or with the group.
    private mutating func setTimer(in group: inout TaskGroup<Happening>) {
        guard let wakeUp = race.wakeUp, wakeUp != timerEnd else { return }
        timerEnd = wakeUp
        let duration = wakeUp - (ContinuousClock.now - begin)
        group.addTask(executorPreference: loop) { [loop] in
            await Self.sleep(duration, on: loop, then: .due)
        }
    }

    private static func sleep(
        _ duration: Duration,
        on loop: EventLoop,
        then happening: Happening
    ) async -> Happening {
        do {
            try await loop.sleep(for: duration)
            return happening
        } catch {
            return .stopped
        }
    }

    // MARK: look-ups

    static func lookUp(_ request: Request, _ family: AddressFamily) async -> Answer {
        var answer = Answer()
        do {
            if let source = request.source {
                let port = request.sourcePort
                let local = try await addresses(of: source, port: port, family, request).first
                guard let local else { throw noSource(request, family) }
                answer.source = local.withPort(port)
            }
            let found = try await addresses(of: request.target, port: request.port, family, request)
            // With one family there is nothing to prefer.
            guard request.families.count > 1 else {
                answer.routable = found
                return answer
            }
            for address in found {
                if SocketConnector.hasRoute(to: address) {
                    answer.routable.append(address)
                } else {
                    answer.unroutable.append(address)
                }
            }
        } catch {
            answer.failure = error
        }
        return answer
    }

    private static func addresses(
        of host: Host,
        port: UInt16,
        _ family: AddressFamily,
        _ request: Request
    ) async throws -> [SocketAddress] {
        switch host {
        case .address(let address):
            return [address]
        case .name(let name):
            do {
                let found = try await request.resolver.answer(
                    for: name,
                    port: port,
                    family: family
                )
                // A resolver of the user's may answer anything.
                return found.filter { $0.family == family }
            } catch let error as EndpointError {
                throw error
            } catch let error as CancellationError {
                throw error
            } catch {
                throw EndpointError(
                    .unavailable,
                    operation: "resolve",
                    endpoint: name,
                    reason: "\(error)",
                    phase: .resolve
                )
            }
        }
    }

    private static func noSource(_ request: Request, _ family: AddressFamily) -> EndpointError {
        EndpointError(
            .addressNotAvailable,
            operation: "connect",
            endpoint: request.endpoint,
            reason: "the local address has no \(family) address",
            phase: .bind
        )
    }
}
