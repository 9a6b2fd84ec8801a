import Logging

/// Tells the level of each message.
struct LevelHandler: LogHandler {
    let told: AsyncStream<Logger.Level>.Continuation
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(told: AsyncStream<Logger.Level>.Continuation) { self.told = told }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { told.yield(event.level) }
}
