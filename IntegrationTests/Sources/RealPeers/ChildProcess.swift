// A process started by a test. It is spawned with a clean signal mask and in a process group of its
// own, so that what it starts in turn ends with it, and with none of our descriptors: making a pipe and
// marking it close-on-exec are two steps, so that no other process may be spawned between them. (A
// stray copy of a pipe's end would keep a reader from ever seeing the end.)
//
// Its exit is waited for on a thread: the only one to reap it, so that its number cannot be given to
// another process while a test may still signal it.

import Dispatch
import Foundation
import Synchronization

/// How a process ended.
public enum Exit: Sendable, Equatable {
    /// It returned this status.
    case status(Int32)
    /// This signal ended it.
    case signal(Int32)
}

/// A running process, its standard input, and what it prints.
public final class ChildProcess: Sendable {
    /// Where a process's standard input comes from.
    public enum Input: Sendable {
        /// What ``ChildProcess/write(_:)`` sends, until ``ChildProcess/closeInput()``.
        case pipe
        /// A file.
        case file(String)
    }

    /// Its number.
    public let pid: pid_t
    /// What it prints on standard output.
    public let output: Output
    /// What it prints on standard error.
    public let errors: Output

    private let name: String
    private let exit = Output(name: "exit")
    private let input: Int32
    private let writing = DispatchQueue(label: "standard input of a peer")

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - command: The program, looked up in `PATH`, and its arguments.
    ///   - input: Where its standard input comes from.
    ///   - outputFile: A file that takes the output, instead of ``output``.
    /// - Throws: ``PeerError`` when it cannot be started.
    init(_ command: [String], input: Input, outputFile: String?) throws {
        name = command.joined(separator: " ")
        output = Output(name: "standard output of \(name)")
        errors = Output(name: "standard error of \(name)")
        let (childInput, ourInput) = try Self.openInput(input)
        let (ourOutput, childOutput) = try Self.openOutput(outputFile)
        let (ourErrors, childErrors) = try Self.openOutput(nil)
        self.input = ourInput
        defer { for descriptor in [childInput, childOutput, childErrors] { close(descriptor) } }
        pid = try Self.spawn(command, [childInput, childOutput, childErrors])
        if ourOutput >= 0 { output.collect(ourOutput) }
        errors.collect(ourErrors)
        awaitExit()
    }

    // MARK: standard input

    /// Sends bytes to its standard input, after those of earlier calls; does not wait.
    public func write(_ bytes: [UInt8]) {
        writing.async { [input] in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
                if count < 0 && errno == EINTR { continue }
                if count < 0 { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Ends its standard input, after what was written.
    public func closeInput() {
        writing.async { [input] in _ = close(input) }
    }

    // MARK: the end

    /// Sends it a signal.
    public func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits for its exit, and for the last of what it printed.
    public func waitForExit(within seconds: Double = 60) async throws -> Exit {
        let words = try await exit.firstLine(within: seconds) { $0 }.split(separator: " ")
        _ = try await errors.toEnd(within: seconds)
        let number = Int32(words[1]) ?? -1
        return words[0] == "status" ? .status(number) : .signal(number)
    }

    /// Ends it and all that it started.
    func end() async {
        kill(-pid, SIGKILL)
        _ = try? await exit.toEnd(within: 10)
    }

    /// What it was and what it printed, for the report of a test that failed.
    var report: String {
        """
        $ \(name)
        \(output.text.suffix(2000))
        \(errors.text.suffix(4000))
        """
    }

    private func awaitExit() {
        let (reader, writer) = Self.pipe()
        exit.collect(reader)
        Thread.detachNewThread { [pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            let signal = status & 0x7F
            let line = signal == 0 ? "status \((status >> 8) & 0xFF)\n" : "signal \(signal)\n"
            _ = Array(line.utf8).withUnsafeBytes {
                Glibc.write(writer, $0.baseAddress, $0.count)
            }
            close(writer)
        }
    }

    // MARK: starting

    private static let spawning = Mutex(())

    private static func pipe() -> (reader: Int32, writer: Int32) {
        spawning.withLock { _ in
            var ends: [Int32] = [-1, -1]
            _ = Glibc.pipe(&ends)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return (ends[0], ends[1])
        }
    }

    private static func openInput(_ input: Input) throws -> (child: Int32, ours: Int32) {
        switch input {
        case .pipe:
            let ends = pipe()
            return (ends.reader, ends.writer)
        case .file(let path):
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw PeerError("open \(path): errno \(errno)") }
            return (descriptor, -1)
        }
    }

    private static func openOutput(_ path: String?) throws -> (ours: Int32, child: Int32) {
        guard let path else {
            let ends = pipe()
            return (ends.reader, ends.writer)
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw PeerError("open \(path): errno \(errno)") }
        return (-1, descriptor)
    }

    private static func spawn(_ command: [String], _ descriptors: [Int32]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var arguments = command.map { strdup($0) }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        var pid: pid_t = 0
        let error = spawning.withLock { _ in
            posix_spawnp(&pid, command[0], &actions, &attributes, arguments, environ)
        }
        guard error == 0 else {
            throw PeerError(
                "\(command[0]) cannot be started (errno \(error)); see IntegrationTests/README.md"
            )
        }
        return pid
    }
}
