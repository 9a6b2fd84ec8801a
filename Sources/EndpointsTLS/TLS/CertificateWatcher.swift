// Notices that certificate files have changed, and reads them again.
//
// It looks at stamps from time to time. That sees every way of replacing a file (in place, by rename,
// by pointing a link elsewhere), on every file system. A pair that does not fit, because only half of
// it has been written yet, is refused and tried again at the next change.

import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

/// Reloads a server's files when they change, for as long as it exists.
final class CertificateWatcher: Sendable {
    private let task: Task<Void, Never>

    init(
        _ state: TLSServerState,
        _ configuration: TLSServerConfiguration,
        every interval: Duration,
        endpoint: String,
        in context: EndpointContext
    ) {
        let logger = context.logger
        let loop = context.loops.next()
        let limited = max(interval, .milliseconds(10))
        task = Task.detached {
            var seen = state.current?.files ?? []
            while !Task.isCancelled {
                do { try await loop.sleep(for: limited) } catch { return }
                let now = seen.map { FileStamp($0.path) }
                if now == seen { continue }
                seen = now
                do {
                    let generation = try state.load(configuration)
                    seen = generation.files
                    logger.info("certificates reloaded", metadata: ["endpoint": "\(endpoint)"])
                    for warning in generation.warnings {
                        logger.warning(
                            "TLS configuration",
                            metadata: ["endpoint": "\(endpoint)", "warning": "\(warning)"]
                        )
                    }
                } catch {
                    let reason = (error as? TLSFileError)?
                        .endpointError(operation: "reload", endpoint: endpoint).description
                    logger.warning(
                        "certificates not reloaded, the old ones stay",
                        metadata: [
                            "endpoint": "\(endpoint)", "reason": "\(reason ?? "\(error)")",
                        ]
                    )
                }
            }
        }
    }

    deinit { task.cancel() }
}
