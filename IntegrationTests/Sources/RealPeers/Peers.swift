// The processes of one test, and a folder for their files: all end with the test's scope, and a
// failed test says what each of them printed.

import Foundation
import Synchronization

/// The processes and files of one test.
public final class Peers: Sendable {
    /// A folder that is removed at the end of the scope.
    public let directory: String
    private let processes = Mutex<[ChildProcess]>([])

    private init() throws {
        var template = Array("/tmp/endpoints-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw PeerError("mkdtemp: errno \(errno)") }
        directory = String(
            decoding: template.dropLast().map(UInt8.init(bitPattern:)),
            as: UTF8.self
        )
    }

    /// Runs `body`, and ends all processes that it started.
    ///
    /// - Throws: What `body` throws, with the output of its processes.
    nonisolated(nonsending)
        public static func scope<Result>(
            _ body: nonisolated(nonsending) (Peers) async throws -> Result
        ) async throws -> Result
    {
        let peers = try Peers()
        do {
            let result = try await body(peers)
            await peers.end()
            return result
        } catch {
            let reports = peers.processes.withLock { $0 }.map(\.report).joined(separator: "\n")
            await peers.end()
            throw PeerError("\(error)\n\(reports)")
        }
    }

    private func end() async {
        for process in processes.withLock({ $0 }) { await process.end() }
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The path of a file in the test's folder.
    public func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// Starts a program; it ends with the scope at the latest.
    @discardableResult
    public func start(
        _ command: String...,
        input: ChildProcess.Input = .pipe,
        outputFile: String? = nil
    ) throws -> ChildProcess {
        try start(command, input: input, outputFile: outputFile)
    }

    /// Starts a program; it ends with the scope at the latest.
    @discardableResult
    public func start(
        _ command: [String],
        input: ChildProcess.Input = .pipe,
        outputFile: String? = nil
    ) throws -> ChildProcess {
        let process = try ChildProcess(command, input: input, outputFile: outputFile)
        processes.withLock { $0.append(process) }
        return process
    }

    /// Starts the tool `endpoint`, as it was built with the tests.
    @discardableResult
    public func tool(
        _ arguments: String...,
        input: ChildProcess.Input = .pipe,
        outputFile: String? = nil
    ) throws -> ChildProcess {
        try start([Self.toolPath] + arguments, input: input, outputFile: outputFile)
    }

    /// Starts one of the programs in `IntegrationTests/Peers`, with the Python that has Twisted.
    @discardableResult
    public func python(_ script: String, _ arguments: String...) throws -> ChildProcess {
        try python(script, arguments)
    }

    /// Starts one of the programs in `IntegrationTests/Peers`, with the Python that has Twisted.
    @discardableResult
    public func python(_ script: String, _ arguments: [String]) throws -> ChildProcess {
        try start(Self.pythonCommand(script) + arguments)
    }

    /// The words that run one of the programs in `IntegrationTests/Peers`.
    public static func pythonCommand(_ script: String) -> [String] {
        ["\(folder)/.build-venv/bin/python", "\(folder)/Peers/\(script)"]
    }

    /// Another program of this package, as it was built with the tests.
    public static func program(_ name: String) -> String {
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return tests.appendingPathComponent(name).path
    }

    /// The tool: beside the tests that run, unless ENDPOINT names another build of it.
    public static let toolPath: String = {
        if let path = ProcessInfo.processInfo.environment["ENDPOINT"] { return path }
        return program("endpoint")
    }()

    /// `IntegrationTests`.
    public static let folder: String = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
}
