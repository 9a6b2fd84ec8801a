// A child and its end, as events of the loop: no thread, no SIGCHLD handler, no task. A pidfd becomes
// readable when the child has ended. Until it is reaped its pid is its own, and reaping and
// signalling both happen on the loop's thread: so no signal can reach another process that was given
// the pid. The group is signalled, so that grandchildren end, too.
//
// The way to the end, each step after the grace period if the one before did not do it:
//
//   close: stdin and stdout are closed ──▶ SIGTERM ──▶ SIGKILL      (abort begins with SIGTERM)
//
// Whatever happens, to the loop too, the child is reaped.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop
import Logging

extension EndpointError.Code {
    /// A program that was run ended with a status other than 0, or by a signal.
    public static let processFailed = Self("processFailed")
}

/// A running program and what is to become of it; used on its loop's thread.
// Unchecked: used on the loop's thread only; handed to it before anything else happens.
final class ChildProcess: StreamOwner, @unchecked Sendable {
    let pid: Int32
    private let loop: EventLoop
    private let name: String
    private let grace: UInt64
    private var ending: Int32?
    private var messages: ProcessMessages?
    private var timer: LoopTimer?
    private var isStopping = false
    private var hasStarted = false
    /// How the child has ended; `nil` while it runs.
    private(set) var end: ConnectionEnd?
    /// Is told, once, when the child has ended.
    var onEnd: (() -> Void)?

    /// Takes charge of a child, and of the two descriptors.
    ///
    /// `ending` is the child's pidfd, `messages` what it writes to its standard error.
    init(
        pid: Int32,
        ending: consuming OwnedDescriptor,
        messages: ProcessMessages,
        grace: Duration,
        name: String,
        on loop: EventLoop
    ) {
        self.pid = pid
        self.ending = ending.take()
        self.messages = messages
        self.grace = grace.nanosecondsClamped
        self.name = name
        self.loop = loop
        RunningPrograms.begin()
    }

    /// Begins to watch; on the loop.
    func watch() {
        guard let ending, loop.register(ending, self) == 0 else { return reap(kills: true) }
        hasStarted = true
        messages?.watch(on: loop)
    }

    /// Makes the child end; on the loop.
    ///
    /// With `urgently` it is not given the time to end by itself because its input has.
    func stop(urgently: Bool) {
        guard !isStopping else { return }
        isStopping = true
        guard end == nil else { return closeMessages() }
        if urgently { return terminate() }
        timer = loop.schedule(at: loop.now &+ grace) { self.terminate() }
    }

    private func terminate() {
        _ = endpoints_kill_group(pid, SIGTERM)
        // Who was stopped cannot end.
        _ = endpoints_kill_group(pid, SIGCONT)
        timer = loop.schedule(at: loop.now &+ grace) {
            _ = endpoints_kill_group(self.pid, SIGKILL)
        }
    }

    private func closeMessages() {
        messages?.close()
        messages = nil
    }

    /// Takes the status of a child that has ended, or is made to if `kills`.
    private func reap(kills: Bool) {
        guard end == nil else { return }
        // Before its pid can be another's: what is left of the group goes with it.
        if kills || isStopping { _ = endpoints_kill_group(pid, SIGKILL) }
        var code: Int32 = 0
        var signal: Int32 = 0
        let result = endpoints_reap(pid, kills ? 1 : 0, &code, &signal)
        if result == 0 { return }
        end = result < 0 ? .failed(unknown(result)) : outcome(code, signal)
        if let timer { loop.cancel(timer) }
        timer = nil
        if let ending {
            if hasStarted { loop.deregister(ending, closing: true) }
            _ = endpoints_close(ending)
        }
        ending = nil
        if isStopping || kills { closeMessages() }
        onEnd?()
        onEnd = nil
        RunningPrograms.end()
    }

    private func outcome(_ code: Int32, _ signal: Int32) -> ConnectionEnd {
        if code == 0 && signal == 0 { return .peerClosed }
        let reason =
            signal == 0
            ? "the program exited with status \(code)"
            : "the program was killed by signal \(signal) (\(Self.name(ofSignal: signal)))"
        return .failed(
            EndpointError(.processFailed, operation: "run", endpoint: name, reason: reason)
        )
    }

    private func unknown(_ result: Int32) -> EndpointError {
        EndpointError(
            errno: result,
            operation: "wait for",
            endpoint: name,
            advice: "somebody else has taken the child's status, or SIGCHLD is ignored"
        )
    }

    private static func name(ofSignal number: Int32) -> String {
        endpoints_signal_name(number).map { "SIG" + String(cString: $0) } ?? "unknown"
    }
}

extension ChildProcess: EventSource {
    func ready(_ readiness: Readiness) { reap(kills: false) }
    func loopWillStop() { reap(kills: true) }
}

/// What a child writes to its standard error: to the log, line by line, control characters escaped.
// Unchecked: used on the loop's thread only.
final class ProcessMessages: EventSource, @unchecked Sendable {
    private static let longestLine = 4096
    private static let readsPerTurn = 16
    private var descriptor: Int32
    private let logger: Logger
    private let metadata: Logger.Metadata
    private var line: [UInt8] = []
    private var loop: EventLoop?

    init(_ descriptor: consuming OwnedDescriptor, _ logger: Logger, _ metadata: Logger.Metadata) {
        self.descriptor = descriptor.take()
        _ = endpoints_set_nonblocking(self.descriptor)
        self.logger = logger
        self.metadata = metadata
    }

    deinit { if descriptor >= 0 { _ = endpoints_close(descriptor) } }

    func watch(on loop: EventLoop) {
        guard loop.register(descriptor, self) == 0 else { return close() }
        self.loop = loop
    }

    func close() {
        guard descriptor >= 0 else { return }
        if loop != nil { drain(forGood: true) }
        guard descriptor >= 0 else { return }
        loop?.deregister(descriptor, closing: true)
        _ = endpoints_close(descriptor)
        descriptor = -1
        logLine()
    }

    func ready(_ readiness: Readiness) { drain(forGood: false) }
    func loopWillStop() { close() }

    /// Logs what has come; `forGood` is the last time.
    private func drain(forGood: Bool) {
        var left = Self.readsPerTurn
        var buffer = [UInt8](repeating: 0, count: 4096)
        while descriptor >= 0 {
            if left == 0 {
                // A turn for the others: no further edge will come for what is there already.
                if !forGood { loop?.runOutsideJob { self.drain(forGood: false) } }
                return
            }
            left -= 1
            let count = buffer.withUnsafeMutableBytes {
                endpoints_read(descriptor, $0.baseAddress, $0.count)
            }
            if count == -Int(EINTR) { continue }
            if count == -Int(EAGAIN) { return }
            guard count > 0 else {
                loop?.deregister(descriptor, closing: true)
                _ = endpoints_close(descriptor)
                descriptor = -1
                return logLine()
            }
            take(buffer[..<count])
        }
    }

    private func take(_ bytes: ArraySlice<UInt8>) {
        for byte in bytes {
            if byte == UInt8(ascii: "\n") { logLine() } else { line.append(byte) }
            if line.count >= Self.longestLine { logLine() }
        }
    }

    private func logLine() {
        guard !line.isEmpty else { return }
        var facts = metadata
        // The program's words, which may be those of whoever it talks to.
        facts["line"] = "\(String(escapingControlsIn: line, backslashes: false))"
        line.removeAll(keepingCapacity: true)
        logger.info("process wrote to standard error", metadata: facts)
    }
}
