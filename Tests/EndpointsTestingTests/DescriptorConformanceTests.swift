import CEndpoints
import EndpointsTesting
import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Conformance of kinds that adopt", .serialized, .timeLimit(.minutes(5)))
struct DescriptorConformanceTests {
    private let limit = Duration.seconds(20)

    private static func reasons(_ names: [String], _ reason: String) -> [String: String] {
        Dictionary(uniqueKeysWithValues: names.map { ($0, reason) })
    }

    private static let resets = [
        "an abort reads as a reset, and ends all own calls",
        "a reset is noticed without reading",
        "a stream that was cut off does not end as a whole one",
        "a cancelled close aborts",
    ]

    @Test("memory passes the whole suite")
    func memory() async throws {
        let name = "conformance-\(UInt64.random(in: 0 ... .max))"
        let report = try await verifyEndpoint(
            MemoryServerEndpoint(name: name),
            MemoryClientEndpoint(name: name),
            timeout: limit
        )
        #expect(report.skipped.isEmpty)
    }

    @Test("fd passes the connection suite, over a pair of sockets")
    func descriptor() async throws {
        let skipping = Self.reasons(Self.resets, "a UNIX socket has no reset")
        let report = try await verifyConnection(skipping: skipping, timeout: limit) {
            var pair: [Int32] = [-1, -1]
            let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            try #require(socketpair(AF_UNIX, type, 0, &pair) == 0)
            // Numbers come again and again here; in a program each is adopted once.
            defer { for descriptor in pair { DescriptorEndpoint.release(descriptor) } }
            return (
                try await DescriptorEndpoint(descriptor: pair[0]).connect(),
                try await DescriptorEndpoint(descriptor: pair[1]).connect()
            )
        }
        #expect(Set(report.skipped.map(\.check)) == Set(Self.resets))
    }

    @Test("fd passes the listener suite, over a socket that listens")
    func listeningDescriptor() async throws {
        let report = try await verifyListener(timeout: limit) {
            let (descriptor, client) = try await Self.listeningSocket()
            defer { DescriptorEndpoint.release(descriptor) }
            return (try await DescriptorEndpoint(descriptor: descriptor).listen(), client)
        }
        #expect(report.skipped.isEmpty)
    }

    @Test("systemd passes the listener suite")
    func systemd() async throws {
        let report = try await verifyListener(timeout: limit) {
            let (descriptor, client) = try await Self.listeningSocket()
            let variables = ["LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"]
            let sockets = ActivatedSockets(environment: variables, pid: 1, first: descriptor)
            let server = SystemdEndpoint(name: "web")
            return (try await server.listen(in: EndpointContext(), among: sockets), client)
        }
        #expect(report.skipped.isEmpty)
    }

    @Test("stdio passes the connection suite, over pipes")
    func stdio() async throws {
        let skipping = Self.reasons(Self.resets, "a pipe has no reset")
        let report = try await verifyConnection(skipping: skipping, timeout: limit) {
            let (there, back) = (try Self.pipe(), try Self.pipe())
            let context = EndpointContext()
            return (
                .make(reading: back.reading, writing: there.writing, name: "a", in: context),
                .make(reading: there.reading, writing: back.writing, name: "b", in: context)
            )
        }
        #expect(Set(report.skipped.map(\.check)) == Set(Self.resets))
    }

    @Test("process passes the connection suite, with a program that joins it to two named pipes")
    func process() async throws {
        var skipping = Self.reasons(Self.resets, "a pipe has no reset")
        skipping["the end is told to all who wait for it, and remembered"] =
            "a program's end is its exit, which may come after that of its output"
        let report = try await verifyConnection(skipping: skipping, timeout: limit) {
            let directory = "/tmp/endpoints-process-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: false
            )
            defer { try? FileManager.default.removeItem(atPath: directory) }
            for name in ["in", "out"] { try #require(mkfifo("\(directory)/\(name)", 0o600) == 0) }
            // The shell gives a command in the background no input but what it is told.
            // Its own copies of both pipes must not outlive those that carry bytes.
            let script =
                "exec 3<&0; cat <&3 >\(directory)/out & exec 3<&-;"
                + " cat <\(directory)/in; exec >&-; wait"
            var program = ProcessEndpoint(path: "/bin/sh", arguments: ["-c", script])
            program.grace = .milliseconds(100)
            let a = try await program.connect()
            let reading = endpoints_open("\(directory)/out", O_RDONLY | O_NONBLOCK, 0)
            try #require(reading >= 0)
            var writing: Int32 = -ENXIO
            while writing == -ENXIO {
                // Until the program reads.
                writing = endpoints_open("\(directory)/in", O_WRONLY | O_NONBLOCK, 0)
                if writing == -ENXIO { try await a.loop.sleep(for: .milliseconds(1)) }
            }
            try #require(writing >= 0)
            // Both pipes are joined when a byte has come through, and the folder may go.
            try await a.write([1])
            var byte: UInt8 = 0
            while endpoints_read(reading, &byte, 1) != 1 {
                try await a.loop.sleep(for: .milliseconds(1))
            }
            let context = EndpointContext()
            return (a, .make(reading: reading, writing: writing, name: "b", in: context))
        }
        #expect(Set(report.skipped.map(\.check)) == Set(skipping.keys))
    }

    /// A socket that listens, which the caller must close, and what reaches it.
    private static func listeningSocket() async throws -> (Int32, any ClientEndpoint) {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        let copy = try #require(try await listener.shareSockets().first)
        let port = listener.addresses.first?.port ?? 0
        await listener.close()
        return (copy, .tcp(host: "127.0.0.1", port: port))
    }

    private static func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(endpoints_pipe(&ends) == 0)
        return (ends[0], ends[1])
    }
}
