// The built tool as a process, its three streams in the test's hands. It lies beside the test's own
// program.

import CEndpoints
import Dispatch
import Endpoints
import Glibc

final class ToolProcess: Sendable {
    enum Input {
        case pipe
        case file(String)
    }

    /// Its standard output to read; its standard input to write, if that is a pipe.
    let stream: Connection
    let errors: Connection
    private let pid: pid_t
    private let sanitizerLog = SanitizerLog()
    private let ending: Task<Int32, Never>
    /// The status, once it has ended.
    private let known: Lock<Int32?>

    init(_ arguments: [String], input: Input = .pipe, output: String? = nil) throws {
        let toTool = try Pipe()
        let fromTool = try Pipe()
        let errorPipe = try Pipe()
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if case .file(let path) = input {
            posix_spawn_file_actions_addopen(&actions, 0, path, O_RDONLY, 0)
        } else {
            posix_spawn_file_actions_adddup2(&actions, toTool.reading, 0)
        }
        if let output {
            posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, fromTool.writing, 1)
        }
        posix_spawn_file_actions_adddup2(&actions, errorPipe.writing, 2)
        let pid = try Self.spawn(arguments, sanitizerLog.environment, &actions)
        for descriptor in [toTool.reading, fromTool.writing, errorPipe.writing] {
            close(descriptor)
        }

        let context = EndpointContext()
        stream = .make(
            reading: fromTool.reading,
            writing: toTool.writing,
            name: "tool",
            in: context
        )
        errors = .make(
            reading: errorPipe.reading,
            writing: try Pipe().writing,
            name: "errors",
            in: context
        )
        self.pid = pid
        let known = Lock<Int32?>(nil)
        self.known = known
        ending = Task.detached {
            await withCheckedContinuation { continuation in
                DispatchQueue(label: "wait for the tool").async {
                    var status: Int32 = 0
                    while waitpid(pid, &status, 0) == -1, errno == EINTR {}
                    let number = status & 0x7f
                    status = number == 0 ? status >> 8 & 0xff : 128 + number
                    known.withLock { [status] in $0 = status }
                    continuation.resume(returning: status)
                }
            }
        }
    }

    deinit {
        // A test that failed must not leave a server behind.
        let status = known.withLock { $0 }
        if status == nil { kill(pid, SIGKILL) }
        sanitizerLog.check(pid, status: status)
        stream.abort()
        errors.abort()
    }

    /// Waits for its end: the exit status, or 128 and the signal's number as a shell has it.
    var status: Int32 {
        get async {
            let status = await ending.value
            sanitizerLog.check(pid, status: status)
            return status
        }
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// The next line that it prints.
    func line() async throws -> String {
        for try await line in stream.lines() { return line }
        throw ToolError("no line came; on stderr: \(try await text(of: errors))")
    }

    /// The client's endpoint that reaches the address of which the next line tells.
    func listening() async throws -> any ClientEndpoint {
        let line = try await line()
        // As text: `listening STRING`; as JSON the string is the value after "endpoint".
        let fields = line.split(separator: "\"")
        let string = line.hasPrefix("{") ? fields[7] : line.dropFirst(10)
        return try clientFromString(
            String(string).replacing("tcp:port=", with: "tcp:host=127.0.0.1:port=")
                .replacing(":interface=127.0.0.1", with: "")
        )
    }

    /// All that is still to come on stdout and on stderr, and the status.
    func finish() async throws -> (output: String, errors: String, status: Int32) {
        async let errors = text(of: errors)
        let output = try await text(of: stream)
        return (output, try await errors, await status)
    }

    /// All that is still to come on stderr.
    func finishErrors() async throws -> String { try await text(of: errors) }

    /// The flags of one of its descriptors (proc(5), fdinfo), as fcntl(2) knows them.
    func flags(of descriptor: Int) throws -> Int {
        guard let file = fopen("/proc/\(pid)/fdinfo/\(descriptor)", "r") else {
            throw ToolError("no descriptor \(descriptor)")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
        let flags = lines.first { $0.hasPrefix("flags:") }?.split(whereSeparator: \.isWhitespace)
            .last
        return try Int(flags ?? "", radix: 8) ?? { throw ToolError("no flags") }()
    }

    private func text(of connection: Connection) async throws -> String {
        var bytes: [UInt8] = []
        for try await chunk in connection { bytes += chunk }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func spawn(
        _ arguments: [String],
        _ environment: [String],
        _ actions: inout posix_spawn_file_actions_t
    ) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The thread that spawns may block signals, and a child inherits that.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var list = ([path] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for text in list + variables { free(text) } }
        var pid = pid_t()
        let result = posix_spawn(&pid, path, &actions, &attributes, &list, &variables)
        guard result == 0 else { throw ToolError("\(path): \(SystemError(errno: result))") }
        return pid
    }

    static let path: String = {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = endpoints_readlink("/proc/self/exe", &bytes, bytes.count)
        let own = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        let directory = own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex)
        return "\(directory)/endpoint"
    }()
}

struct ToolError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

private struct Pipe {
    let reading: Int32
    let writing: Int32

    init() throws {
        var ends = [Int32](repeating: -1, count: 2)
        // Close-on-exec: a tool that another test starts meanwhile must not hold them open.
        let result = endpoints_pipe(&ends)
        guard result == 0 else { throw EndpointError(errno: result, operation: "pipe") }
        reading = ends[0]
        writing = ends[1]
    }
}
