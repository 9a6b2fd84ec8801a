// Events, a line each, on stdout; on stderr where stdout carries a stream. They may come from any loop,
// and never wait (LineQueue).

import Endpoints
import Logging

/// Writes a command's events.
struct EventWriter: Sendable {
    private let output: LineQueue
    private let isJSON: Bool
    private let logger: Logger

    /// Makes a writer.
    ///
    /// - Parameters:
    ///   - output: Where events go.
    ///   - isJSON: Whether they are objects.
    ///   - logger: What reports connections otherwise, and that events cannot be written.
    init(to output: LineQueue, isJSON: Bool, logger: Logger) {
        self.output = output
        self.isJSON = isJSON
        self.logger = logger
        output.report { count in
            let event = ToolEvent.lost(count)
            return isJSON ? event.json.description : "lost \(count) lines"
        } failures: { error in
            // The log itself goes to standard error.
            if output === LineQueue.standardError { return }
            let reason = error is ExitStatus ? "nobody reads them" : "\(error)"
            logger.warning("events not written", metadata: ["reason": "\(reason)"])
        }
    }

    /// Whether each connection is worth an event: otherwise nothing need be measured.
    var tellsConnections: Bool { isJSON || logger.logLevel <= .info }

    /// Writes an event, some time later.
    func write(_ event: ToolEvent) {
        if !isJSON { log(event) }
        if let line = isJSON ? event.json.description : event.text { output.add(line) }
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
        case .undelivered, .lost: break
        case .failed(let peer, let error):
            logger.warning(
                "connection failed",
                metadata: ["peer": "\(peer?.description ?? "unknown")", "error": "\(error)"]
            )
        }
    }
}
