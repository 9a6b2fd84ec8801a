// The service that speaks to systemd for the others of its group. The watchdog is fed by way of the
// loops: a message goes only after each of them has had a turn, so a loop that hangs is a process
// that systemd restarts.

import Endpoints
import Logging
import ServiceLifecycle

/// Tells systemd when the services of its group are ready, that they live, and that they stop.
///
/// ```swift
/// let systemd = SystemdService { _ = try await service.listening() }
/// ```
///
/// What cannot be told is logged, and ends nothing. Does nothing but wait where there is no systemd, and
/// from when another process is the service's main one (``SystemdNotifier/mainProcess(_:)``).
/// Put it last: a service group shuts down in the reverse order of its list.
public struct SystemdService: Service, CustomStringConvertible {
    private let notifier: SystemdNotifier
    private let context: EndpointContext
    private let ready: @Sendable () async throws -> Void

    /// Makes the service.
    ///
    /// - Parameters:
    ///   - notifier: Whom to tell; what the environment says unless told.
    ///   - context: The loops that the watchdog looks after, and the logger.
    ///   - ready: Returns when the process is ready for work. What it throws is logged, and nothing
    ///     is told then.
    public init(
        _ notifier: SystemdNotifier = SystemdNotifier(),
        in context: EndpointContext = EndpointContext(),
        ready: @escaping @Sendable () async throws -> Void = {}
    ) {
        self.notifier = notifier
        self.context = context
        self.ready = ready
    }

    /// The service's name.
    public var description: String { "systemd" }

    /// Tells systemd how the process is, until the task is cancelled or a graceful shutdown begins.
    ///
    /// Cancellation: returns at once.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await tellReady() }
            group.addTask { await feedWatchdog() }
            let isShuttingDown = await waitForGracefulShutdown()
            // First, so that nothing is ready behind the word that it stops.
            group.cancelAll()
            if isShuttingDown, notifier.isMainProcess {
                await tell { try await notifier.stopping() }
            }
        }
    }

    private func tellReady() async {
        guard notifier.isActive else { return }
        await tell {
            try await ready()
            try await notifier.ready()
        }
    }

    private func feedWatchdog() async {
        guard notifier.isActive, let timeout = notifier.watchdogTimeout else { return }
        var isTold = true
        while !Task.isCancelled, notifier.isMainProcess {
            // A socket that is gone is worth one warning, not one for each meal.
            isTold = await tell(failures: isTold ? .warning : .debug) {
                for loop in context.loops.loops { try await loop.sleep(for: .zero) }
                try await notifier.watchdog()
            }
            // Half of the time, as sd_watchdog_enabled(3) recommends.
            do { try await context.loops.next().sleep(for: timeout / 2) } catch { return }
        }
    }

    /// Logs what cannot be told; answers whether it was.
    @discardableResult
    private func tell(
        failures level: Logger.Level = .warning,
        _ body: () async throws -> Void
    ) async -> Bool {
        do { try await body() } catch is CancellationError {} catch {
            context.logger.log(
                level: level,
                "systemd not told",
                metadata: ["error": "\(error)"]
            )
            return false
        }
        return true
    }
}
