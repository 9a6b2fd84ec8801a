import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Sockets with consecutive numbers, as a service manager passes them.
private struct Passed {
    let first: Int32

    init(_ sockets: [Int32]) { first = ReservedNumbers.move(sockets) }

    func table(_ environment: [String: String], pid: Int32 = 77) -> ActivatedSockets {
        ActivatedSockets(environment: environment, pid: pid, first: first)
    }
}

private func tcpSocket() throws -> Int32 {
    let made = endpoints_socket(AF_INET, ENDPOINTS_STREAM, 0)
    let address = SocketAddress.loopback(.ipv4, port: 0)
    var kernel = try address.kernelAddress(operation: "bind", endpoint: nil)
    try #require(endpoints_bind(made, &kernel.storage, kernel.length) == 0)
    try #require(endpoints_listen(made, 8) == 0)
    return made
}

@Suite("systemd endpoints", .timeLimit(.minutes(1)))
struct SystemdEndpointTests {
    private func refusal(_ string: String, among sockets: ActivatedSockets) async throws -> String {
        let endpoint = try #require(try serverFromString(string) as? SystemdEndpoint)
        do {
            let listener = try await endpoint.listen(in: EndpointContext(), among: sockets)
            await listener.close()
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test("a socket is found by index and by name, and taken once")
    func found() async throws {
        let passed = Passed([try tcpSocket(), try tcpSocket()])
        let table = passed.table([
            "LISTEN_PID": "77", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:admin",
        ])
        let byIndex = SystemdEndpoint(index: 0, domain: .inet)
        let listener = try await byIndex.listen(in: EndpointContext(), among: table)
        #expect(listener.addresses.first?.ip == "127.0.0.1")
        try await listener.clientEndpoints[0].withConnection { _ in
            let connection = try #require(await listener.accept())
            await connection.close()
        }
        #expect(try await refusal("systemd:name=web", among: table).contains("before"))
        let byName = SystemdEndpoint(name: "admin")
        let other = try await byName.listen(in: EndpointContext(), among: table)
        #expect(other.addresses != listener.addresses)
        await listener.close()
        await other.close()
    }

    @Test("all sockets of a name are listened on")
    func several() async throws {
        let passed = Passed([try tcpSocket(), try tcpSocket()])
        let table = passed.table([
            "LISTEN_PID": "77", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:web",
        ])
        let endpoint = SystemdEndpoint(name: "web")
        let listener = try await endpoint.listen(in: EndpointContext(), among: table)
        #expect(listener.addresses.count == 2)
        await listener.close()
    }

    @Test("without names sockets are called unknown, and found by index")
    func unnamed() async throws {
        let passed = Passed([try tcpSocket()])
        let table = passed.table(["LISTEN_PID": "77", "LISTEN_FDS": "1"])
        let text = try await refusal("systemd:name=web", among: table)
        #expect(text.contains("no socket \"web\": 1 socket was passed (\"unknown\")"))
        #expect(try await refusal("systemd:index=0", among: table) == "none")
    }

    @Test(
        "an environment that is not for us has no sockets",
        arguments: [
            ([:], "not started by systemd"),
            (["LISTEN_PID": "78", "LISTEN_FDS": "1"], "another process's"),
            (["LISTEN_PID": "77", "LISTEN_FDS": "x"], "not a number"),
            (["LISTEN_PID": "77", "LISTEN_FDS": "-1"], "not a number"),
            (
                ["LISTEN_PID": "77", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b"],
                "2 names for 1 sockets"
            ),
        ] as [([String: String], String)]
    )
    func environment(environment: [String: String], reason: String) async throws {
        let table = Passed([]).table(environment)
        #expect(try await refusal("systemd:index=0", among: table).contains(reason))
    }

    @Test("a process that has got another's pid does not get its sockets", .tags(.security))
    func identity() async throws {
        let passed = Passed([try tcpSocket()])
        let environment = ["LISTEN_PID": "77", "LISTEN_FDS": "1", "LISTEN_PIDFDID": "1234"]
        for (identity, reason) in [
            (UInt64(99), "another process's"), (1234, "none"), (0, "is not open"),
        ] {
            let table = ActivatedSockets(
                environment: environment,
                pid: 77,
                identity: identity,
                first: passed.first
            )
            let text = try await refusal("systemd:index=0", among: table)
            // Where the system has no identity the pid counts; the socket is closed by then.
            #expect(text.contains(reason))
        }
    }

    @Test("a wrong descriptor gets an error that says what it is")
    func wrongDescriptors() async throws {
        let datagram = endpoints_socket(AF_INET, ENDPOINTS_DATAGRAM, 0)
        let file = endpoints_open("/dev/null", O_RDWR, 0)
        let passed = Passed([try tcpSocket(), datagram, file])
        let table = passed.table(["LISTEN_PID": "77", "LISTEN_FDS": "4"])
        let expected = [
            ("systemd:domain=UNIX:index=0", "is a listening INET socket, not a listening UNIX"),
            ("systemd:index=1", "is a datagram socket, not a listening stream socket"),
            ("systemd:INET:2", "character device"),
            ("systemd:index=3", "is not open"),
            ("systemd:index=4", "no socket 4: 4 sockets were passed"),
        ]
        for (string, reason) in expected {
            #expect(try await refusal(string, among: table).contains(reason))
        }
        for index in 0..<3 { _ = endpoints_close(passed.first + Int32(index)) }
    }

    @Test(
        "wrong strings are refused",
        arguments: [
            ("systemd:", "index or a name"),
            ("systemd:INET", "index or a name"),
            ("systemd:index=1:name=a", "beside"),
            ("systemd:domain=IPX:index=1", "INET"),
            ("systemd:index=-1", "index"),
        ]
    )
    func wrongStrings(string: String, reason: String) {
        do {
            _ = try serverFromString(string)
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }
}
