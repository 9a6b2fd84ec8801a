// Events, a line each, on stdout; on stderr where stdout carries a stream.
//
// A write blocks while the reader is slow, and must not block a loop: so it happens on a queue of its
// own, and whoever has something to tell waits for it. Thus a slow reader slows down those who
// tell, one event each, and no memory grows.

import Dispatch
import Endpoints
import Logging

/// Writes a command's events.
actor EventWriter {
    private let queue = EventQueue()
    private let output: LineOutput
    private let isJSON: Bool
    private let logger: Logger
    private let stop: StopRequest
    private var hasFailed = false

    /// Makes a writer.
    ///
    /// - Parameters:
    ///   - output: Where events go.
    ///   - isJSON: Whether they are objects.
    ///   - logger: What tells of connections otherwise.
    ///   - stop: Asked for when nobody reads the output any more.
    init(to output: LineOutput, isJSON: Bool, logger: Logger, stop: StopRequest) {
        self.output = output
        self.isJSON = isJSON
        self.logger = logger
        self.stop = stop
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

    /// Whether each connection is worth an event: otherwise nothing need be measured.
    nonisolated var tellsConnections: Bool { isJSON || logger.logLevel <= .info }

    /// Writes an event, and returns when it is written.
    func write(_ event: ToolEvent) {
        if !isJSON { log(event) }
        guard !hasFailed, let line = isJSON ? event.json.description : event.text else { return }
        do { try output.write(line) } catch {
            hasFailed = true
            if !(error is ExitStatus) {
                logger.error("events lost", metadata: ["error": "\(error)"])
            }
            stop.make(.outputClosed)
        }
    }

    private func log(_ event: ToolEvent) {
        switch event {
        case .listening(let endpoint, _):
            logger.info("listening", metadata: ["endpoint": "\(endpoint)"])
        case .connected(let endpoint, let peer):
            logger.info("connected", metadata: ["endpoint": "\(endpoint)", "peer": "\(peer)"])
        case .accepted(let peer):
            logger.info("accepted", metadata: ["peer": "\(peer)"])
        case .closed(let report):
            logger.info(
                "closed",
                metadata: [
                    "peer": "\(report.peer)", "received": "\(report.received)",
                    "sent": "\(report.sent)", "end": "\(report.endName)",
                ]
            )
        case .waiting(let delay, let error):
            logger.notice(
                "will connect again",
                metadata: ["delay": "\(delay)", "error": "\(error ?? "none")"]
            )
        case .failed(let peer, let error):
            logger.warning(
                "connection failed",
                metadata: ["peer": "\(peer?.description ?? "unknown")", "error": "\(error)"]
            )
        }
    }
}

/// A thread of Dispatch's, one job after the other.
private final class EventQueue: SerialExecutor {
    private let queue = DispatchQueue(label: "endpoint.events")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
