// Connections on their way through the stages: beside each other, so that a slow peer stalls nobody,
// and bounded in number and time.
//
// At the bound new ones wait in the kernel, for as long as those under way are young: good clients that
// come all at once are then served one after the other. The oldest, once it has had its time, is evicted:
// peers that connect and say nothing cannot keep the good ones out, they only push out each other. Each
// connection is prepared by a task of its own on its own loop; the listener's loop keeps the list.

import EventLoop

/// A listener's connections that are not ready, and those that are and were not handed out.
final class Preparations {
    /// One connection on its way.
    final class Entry {
        /// Never used again, as the place of an object in memory is.
        let id: Int
        let connection: Connection
        /// When it may be evicted, on the listener's loop's clock.
        let deadline: UInt64
        var task: Task<Void, Never>?

        init(_ connection: Connection, id: Int, deadline: UInt64) {
            self.connection = connection
            self.id = id
            self.deadline = deadline
        }
    }
    /// What each may take before it makes room for others: nanoseconds.
    private static let grace: UInt64 = 1_000_000_000

    let stages: [ConnectionStage]
    /// How many may be under way.
    var limit = ServeLimits().handshakes
    /// Whom a source's rate keeps out.
    var sources: SourceGuard?
    /// Whether a stage tells where a connection really comes from, so that its rate is looked at then.
    private let namesSource: Bool
    /// Whom a source's rate keeps out before any stage.
    var sourcesAtOnce: SourceGuard? { namesSource ? nil : sources }
    var underWay: [Entry] = []  // the oldest first
    var ready: [Connection] = []
    private var lastID = 0

    init(_ stages: [ConnectionStage]) {
        self.stages = stages
        namesSource = stages.contains(where: \.namesSource)
    }

    var isEmpty: Bool { underWay.isEmpty && ready.isEmpty }

    /// Puts a connection at the end of those under way.
    func add(_ connection: Connection, at now: UInt64) -> Entry {
        lastID += 1
        let entry = Entry(connection, id: lastID, deadline: now &+ Self.grace)
        underWay.append(entry)
        return entry
    }

    /// Where a connection is among those under way, whose numbers rise; `nil` if it is not.
    func index(of id: Int) -> Int? {
        var (low, high) = (0, underWay.count)
        while low < high {
            let middle = (low + high) / 2
            if underWay[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < underWay.count && underWay[low].id == id ? low : nil
    }

    /// When there will be room for one more at the latest; `nil` if there is.
    func obstacle(at now: UInt64) -> UInt64? {
        guard underWay.count >= limit, let oldest = underWay.first else { return nil }
        return now < oldest.deadline ? oldest.deadline : nil
    }

    /// Whether the oldest has had its time.
    func hasOverdue(at now: UInt64) -> Bool { underWay.first.map { $0.deadline <= now } ?? false }
}

extension Listener {
    /// The next connection that is ready; `nil` when the listener is closed or the task cancelled.
    func acceptPrepared(_ preparations: Preparations) async -> Connection? {
        while true {
            if Task.isCancelled { return nil }
            if !preparations.ready.isEmpty {
                defer { endIfDone() }
                return preparations.ready.removeFirst()
            }
            if phase != .listening { dropOverdue(of: preparations) }
            var deadline = takeAll(for: preparations)
            if phase != .listening {
                deadline = preparations.underWay.first?.deadline
                endIfDone()
            }
            if phase == .closed { return nil }
            await waitForNext(until: deadline)
        }
    }

    /// Takes what has come, up to the bound; then answers when there will be room at the latest.
    private func takeAll(for preparations: Preparations) -> UInt64? {
        while true {
            if let obstacle = preparations.obstacle(at: loop.now) { return obstacle }
            guard let connection = acceptNow() else { return nil }
            guard isAdmitted(connection, by: preparations.sourcesAtOnce) else { continue }
            prepare(connection, among: preparations)
        }
    }

    private func prepare(_ connection: Connection, among preparations: Preparations) {
        if preparations.underWay.count >= preparations.limit { evictOldest(of: preparations) }
        let entry = preparations.add(connection, at: loop.now)
        let id = entry.id
        let (stages, sources) = (preparations.stages, preparations.sources)
        entry.task = Task(executorPreference: connection.loop) {
            await connection.prepare(stages, admittedBy: sources, as: id, of: self)
        }
    }

    /// Resets and reports a connection whose source connects too often.
    ///
    /// - Returns: Whether it may stay.
    nonisolated func isAdmitted(_ connection: Connection, by sources: SourceGuard?) -> Bool {
        do {
            try connection.check(sources)
            return true
        } catch {
            loop.hot.pointee.budget.spend(Self.refusalCost)
            connection.abort()
            reportFailure(connection.remoteAddress, error)
            return false
        }
    }

    private func evictOldest(of preparations: Preparations) {
        let reason = "\(preparations.limit) connections are being prepared already"
        dropOldest(of: preparations, .busy, reason)
    }

    /// Ends those that hold up the listener's end; see Listener+Ending.
    private func dropOverdue(of preparations: Preparations) {
        let reason = "the listener closes, and the connection was not ready after a second"
        while preparations.hasOverdue(at: loop.now) {
            dropOldest(of: preparations, .closed, reason)
        }
    }

    private func dropOldest(
        of preparations: Preparations,
        _ code: EndpointError.Code,
        _ reason: String
    ) {
        let entry = preparations.underWay.removeFirst()
        entry.task?.cancel()
        entry.connection.abort()
        let name = origin.endpoint
        reportFailure(
            entry.connection.remoteAddress,
            EndpointError(code, operation: "accept", endpoint: name, reason: reason)
        )
    }

    /// On the loop.
    fileprivate nonisolated func finishPreparing(
        _ id: Int,
        _ outcome: Result<Connection, any Error>
    ) {
        guard let preparations,
            let index = preparations.index(of: id)
        else {
            // Evicted, or the listener was closed; a success that came late is nobody's.
            if case .success(let connection) = outcome { connection.abort() }
            return
        }
        let entry = preparations.underWay.remove(at: index)
        switch outcome {
        case .success(let connection):
            preparations.ready.append(connection)
            watchers.send(.accepted(connection.remoteAddress))
        case .failure(let error):
            reportFailure(entry.connection.remoteAddress, error)
        }
        wakeAcceptors()
        endIfDone()
    }

    nonisolated func reportFailure(_ peer: SocketAddress, _ error: any Error) {
        watchers.send(.failed(peer, error))
        origin.observer?.connectionRefused(at: origin.endpoint, error)
        let isFlood = (error as? EndpointError)?.code == .rateExceeded
        origin.logger.log(
            level: isFlood ? .debug : .info,
            "connection refused before it was ready",
            metadata: [
                "endpoint": "\(origin.endpoint)", "remote": "\(peer)", "error": "\(error)",
            ]
        )
    }

    /// Closes what was accepted and not handed out.
    ///
    /// On the loop.
    nonisolated func dropPreparations() {
        guard let preparations else { return }
        for entry in preparations.underWay {
            entry.task?.cancel()
            entry.connection.abort()
        }
        for connection in preparations.ready { connection.abort() }
        preparations.underWay = []
        preparations.ready = []
    }
}

extension Connection {
    /// Runs stages, and tells the listener; resets the connection when one throws, or its source
    /// connects too often.
    ///
    /// Who cancels the task aborts the connection, too, so no wait needs a handler for that.
    fileprivate func prepare(
        _ stages: [ConnectionStage],
        admittedBy sources: SourceGuard?,
        as id: Int,
        of listener: Listener
    ) async {
        own()
        let outcome: Result<Connection, any Error>
        do {
            outcome = .success(try await run(stages, admittedBy: sources))
        } catch {
            abort()
            outcome = .failure(error)
        }
        disown()
        listener.loop.run { listener.finishPreparing(id, outcome) }
    }

    /// Runs stages, each on what the one before made.
    private nonisolated(nonsending) func run(
        _ stages: [ConnectionStage],
        admittedBy sources: SourceGuard?
    ) async throws -> Connection {
        var current = self
        for stage in stages {
            current = try await stage.run(current)
            if stage.namesSource { try current.check(sources) }
        }
        return current
    }

    package nonisolated func check(_ sources: SourceGuard?) throws {
        try sources?.check(remoteAddress, endpoint: origin.endpoint)
    }
}
