// A program as a peer: started with posix_spawn, since a process with threads must not fork, and in C where
// the program's limits differ from ours.
//
// swift-subprocess is not used: it would be a dependency of the core, for everybody, and its streams
// are its own. Here the pipes are transports like any other, on the connection's loop, and the exit
// is an event of that loop (ChildProcess.swift). No shell reads the arguments.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// Runs a program, whose standard input and output are the connection: `process:/bin/cat`.
///
/// The arguments are words with spaces between them: `process:/usr/bin/ssh:'-W' h\:22 gate`. A word in
/// single quotes may hold spaces, and `''` is one quote in it; no shell is involved. What the program
/// writes to its standard error goes to the log, at `info`, with control characters escaped.
///
/// ``Connection/closeWrite()`` ends the program's input. ``Connection/ended()`` tells how the program
/// exited: `.peerClosed` with status 0, else `.failed` with code `processFailed`. Closing the
/// connection closes both pipes and gives the program the grace period to end, then sends SIGTERM to
/// its process group, and SIGKILL after another one; an abort begins with SIGTERM.
public struct ProcessEndpoint: ClientEndpoint, EndpointKind, Hashable {
    /// Which environment a program gets.
    public enum Environment: String, Hashable, Sendable, CaseIterable, EndpointArgumentValue {
        /// That of this process.
        case keep
        /// None at all.
        case empty
    }

    /// The kind's name.
    public static let kind = "process"
    /// What it is for.
    public static let summary = "runs a program, whose standard input and output are the connection"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.runsProgram]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<ProcessEndpoint>] = [
        .required(
            "path",
            \.path,
            as: .withoutNUL,
            position: 0,
            help: "program; without a slash it is looked for in PATH"
        ),
        .optional(
            "arguments",
            \.programArguments,
            as: .words,
            position: 1,
            help: "its arguments, words with spaces between them, or in single quotes"
        ),
        .optional("directory", \.directory, as: .withoutNUL, help: "its working directory"),
        .optional("environment", \.environment, help: "our environment, or none"),
        .optional("grace", \.grace, help: "seconds that it may take to end before it is killed"),
    ]

    /// The program; without a slash it is looked for in `PATH`.
    public var path = ""
    /// Its arguments, without its own name.
    public var programArguments: [String] = []
    /// Its working directory; ours unless told.
    public var directory: String?
    /// Which environment it gets; ours unless told.
    public var environment = Environment.keep
    /// How long it may take to end by itself, and then again after SIGTERM; 5 seconds unless told.
    public var grace: Duration = .seconds(5)

    /// Makes an endpoint whose program is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - path: The program; without a slash it is looked for in `PATH`.
    ///   - arguments: Its arguments, without its own name.
    public init(path: String, arguments: [String] = []) {
        self.path = path
        programArguments = arguments
    }

    /// Starts the program; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: ``EndpointError``: `notFound` if there is no such program or directory,
    ///   `permissionDenied`, and other errors of starting it.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try context.checkBegin("connect", redacted)
        guard !([path] + programArguments).contains(where: { $0.utf8.contains(0) }),
            directory?.utf8.contains(0) != true
        else {
            throw EndpointError(
                .invalidArgument,
                operation: "connect",
                endpoint: redacted,
                reason: "a word holds a NUL"
            )
        }
        let loop = context.nextLoop()
        let (child, transport) = try start(in: context, on: loop)
        loop.run { child.watch() }
        let address = SocketAddress(named: "process:\(child.pid)")
        return Connection.make(
            over: transport,
            facts: ConnectionFacts(localAddress: address, remoteAddress: address),
            origin: ConnectionOrigin(endpoint: redacted, in: context),
            on: loop
        )
    }

    private func start(
        in context: EndpointContext,
        on loop: EventLoop
    ) throws -> (ChildProcess, DescriptorTransport) {
        // The child's ends are closed here when they go out of scope.
        let input = try Pipe(for: redacted)
        let output = try Pipe(for: redacted)
        let messages = try Pipe(for: redacted)
        let pid = spawn(
            input: input.reading,
            output: output.writing,
            error: messages.writing
        )
        guard pid > 0 else {
            throw EndpointError(
                errno: pid,
                operation: "connect",
                endpoint: redacted,
                advice: pid == -ENOENT
                    ? "there is no such program\(directory == nil ? "" : " or directory")" : nil
            )
        }
        let ending = endpoints_pidfd_open(pid)
        guard ending >= 0 else {
            var (code, signal): (Int32, Int32) = (0, 0)
            _ = endpoints_kill_group(pid, SIGKILL)
            _ = endpoints_reap(pid, 1, &code, &signal)
            throw EndpointError(errno: ending, operation: "watch", endpoint: redacted)
        }
        let child = ChildProcess(
            pid: pid,
            ending: OwnedDescriptor(ending),
            messages: ProcessMessages(
                messages.takeReading(),
                context.logger,
                ["endpoint": "\(redacted)", "pid": "\(pid)"]
            ),
            grace: grace,
            name: redacted,
            on: loop
        )
        let transport = DescriptorTransport(
            input: DescriptorEnd(owning: output.takeReading()),
            output: DescriptorEnd(owning: input.takeWriting()),
            owner: child
        )
        return (child, transport)
    }

    private func spawn(input: Int32, output: Int32, error: Int32) -> Int32 {
        let words = CStrings([path] + programArguments)
        let none = CStrings([])
        return path.withCString { program in
            func spawn(_ directory: UnsafePointer<CChar>?) -> Int32 {
                var child = endpoints_spawn(
                    program: program,
                    arguments: words.pointers,
                    environment: environment == .keep ? nil : none.pointers,
                    directory: directory,
                    input: input,
                    output: output,
                    error: error,
                    descriptor_limit: RunningPrograms.descriptorLimit
                )
                return withExtendedLifetime((words, none)) { endpoints_spawn_start(&child) }
            }
            return directory?.withCString { spawn($0) } ?? spawn(nil)
        }
    }
}

/// A pipe; what is not taken is closed.
private final class Pipe {
    private(set) var reading: Int32
    private(set) var writing: Int32

    init(for endpoint: String) throws {
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutablePointer(to: &ends) { ends in
            ends.withMemoryRebound(to: Int32.self, capacity: 2) { endpoints_pipe($0) }
        }
        guard result == 0 else {
            throw EndpointError(errno: result, operation: "connect", endpoint: endpoint)
        }
        reading = ends.0
        writing = ends.1
    }

    deinit {
        for end in [reading, writing] where end >= 0 { _ = endpoints_close(end) }
    }

    func takeReading() -> OwnedDescriptor {
        defer { reading = -1 }
        return OwnedDescriptor(reading)
    }

    func takeWriting() -> OwnedDescriptor {
        defer { writing = -1 }
        return OwnedDescriptor(writing)
    }
}

/// Words as C takes them, with NULL behind the last.
private final class CStrings {
    let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ words: [String]) {
        count = words.count
        pointers = .allocate(capacity: words.count + 1)
        pointers.initialize(repeating: nil, count: words.count + 1)
        for (index, word) in words.enumerated() { pointers[index] = strdup(word) }
    }

    deinit {
        for index in 0..<count { free(pointers[index]) }
        pointers.deallocate()
    }
}
