import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Errors")
struct EndpointErrorTests {
    private static func attempt(_ ip: String, _ error: EndpointError) throws
        -> EndpointError.Attempt
    {
        EndpointError.Attempt(
            address: try SocketAddress(ip: ip, port: 443),
            phase: .connect,
            error: error,
            duration: .seconds(1)
        )
    }

    private static func refusal(_ errno: Int32) -> EndpointError {
        EndpointError(errno: errno, operation: "connect")
    }

    @Test("the description is one line: operation, endpoint, why, code, advice")
    func shapes() throws {
        let all = [
            try Self.attempt("2001:db8::1", Self.refusal(ENETUNREACH)),
            try Self.attempt("192.0.2.1", Self.refusal(ECONNREFUSED)),
            try Self.attempt(
                "192.0.2.2",
                .timedOut(after: .seconds(10), operation: "connect", endpoint: nil)
            ),
        ]
        let shapes: [(EndpointError, String)] = [
            (
                EndpointError(
                    errno: EACCES,
                    operation: "listen",
                    endpoint: "tcp:80",
                    advice: "ports below 1024 need CAP_NET_BIND_SERVICE"
                ),
                "listen tcp:80: permission denied (EACCES); ports below 1024 need CAP_NET_BIND_SERVICE"
            ),
            (
                EndpointError(
                    errno: EADDRINUSE,
                    operation: "listen",
                    endpoint: "unix:/run/app.sock",
                    advice: "a server is listening there"
                ),
                "listen unix:/run/app.sock: address already in use (EADDRINUSE); "
                    + "a server is listening there"
            ),
            (
                .timedOut(
                    after: .seconds(30),
                    operation: "connect",
                    endpoint: "tcp:192.0.2.1:443"
                ),
                "connect tcp:192.0.2.1:443: timed out after 30 s"
            ),
            (
                EndpointError(
                    .connectionRefused,
                    operation: "connect",
                    endpoint: "tls:example.com:443",
                    attempts: all
                ),
                "connect tls:example.com:443: all 3 addresses failed: "
                    + "[2001:db8::1]:443 network is unreachable (ENETUNREACH), "
                    + "192.0.2.1:443 connection refused (ECONNREFUSED), "
                    + "192.0.2.2:443 timed out after 10 s"
            ),
            (
                EndpointError(
                    .nameNotFound,
                    operation: "resolve",
                    endpoint: "example.invalid",
                    systemError: SystemError(addressInfo: EAI_NONAME)
                ),
                "resolve example.invalid: no such host (EAI_NONAME)"
            ),
            (
                EndpointError(.connectionRefused, operation: "connect", endpoint: "scripted"),
                "connect scripted: connection refused"
            ),
            (EndpointError(.init("myCode"), operation: "greet"), "greet: myCode"),
            (
                EndpointError(errno: ENOENT, operation: "read", endpoint: "a", reason: "no key"),
                "read a: no key (ENOENT)"
            ),
        ]
        for (error, expected) in shapes { #expect(error.description == expected) }
    }

    @Test("an attempt that failed leaves all that is known of it")
    func facts() throws {
        let attempt = try Self.attempt("192.0.2.1", Self.refusal(ECONNREFUSED))
        let error = EndpointError(
            .unexpectedEnd,
            operation: "read",
            attempts: [attempt],
            received: [1, 2, 3]
        )
        #expect(error.attempts.first?.address.ip == "192.0.2.1")
        #expect(error.attempts.first?.phase == .connect)
        #expect(error.attempts.first?.error.systemError?.code == ECONNREFUSED)
        #expect(error.received == [1, 2, 3])
        #expect(error.endpoint == nil)
        let told = error.of(operation: "write", endpoint: "b")
        #expect(told.operation == "write")
        #expect(told.endpoint == "b")
        #expect(told.received == [1, 2, 3])
    }

    @Test("a host with a hundred addresses still makes a line that one can read")
    func manyAttempts() throws {
        let attempt = try Self.attempt("192.0.2.1", Self.refusal(ECONNREFUSED))
        let error = EndpointError(
            .connectionRefused,
            operation: "connect",
            attempts: Array(repeating: attempt, count: 100)
        )
        #expect(error.attempts.count == 100)
        #expect(error.description.hasSuffix(", and 92 more"))
        #expect(error.description.utf8.count < 800)
    }

    @Test("no text makes a second line or a terminal command")
    func controls() {
        let error = EndpointError(
            .notFound,
            operation: "connect",
            endpoint: "unix:/a\nb\u{1b}[2J\u{202e}c\u{2028}",
            reason: "x\r\ny"
        )
        #expect(
            error.description
                == "connect unix:/a\\nb\\u{1B}[2J\\u{202E}c\\u{2028}: x\\r\\ny"
        )
    }

    @Test(
        "what a peer sent is escaped and cut",
        arguments: [
            ("GET / HTTP/1.1\r\n", 48, #""GET / HTTP/1.1\r\n""#),
            ("a\"b\\c\u{1}\u{7f}ä", 48, #""a\"b\\c\x01\x7f\xc3\xa4""#),
            ("abcdef", 3, #""abc…""#),
            ("", 3, #""""#),
        ]
    )
    func peerBytes(text: String, limit: Int, expected: String) {
        #expect(EndpointError.quoted(Array(text.utf8), limit: limit) == expected)
    }

    @Test(
        "the errno gives the code",
        arguments: [
            (ECONNREFUSED, .connectionRefused, "ECONNREFUSED"),
            (ECONNRESET, .connectionReset, "ECONNRESET"),
            (EPIPE, .connectionReset, "EPIPE"),
            (ETIMEDOUT, .timedOut, "ETIMEDOUT"),
            (EADDRINUSE, .addressInUse, "EADDRINUSE"),
            (ENOENT, .notFound, "ENOENT"),
            (EACCES, .permissionDenied, "EACCES"),
            (EINVAL, .invalidArgument, "EINVAL"),
            (EMFILE, .outOfResources, "EMFILE"),
            (EIO, .systemFailure, "EIO"),
            (12_345, .systemFailure, "errno 12345"),
        ] as [(Int32, EndpointError.Code, String)]
    )
    func codes(errno: Int32, code: EndpointError.Code, name: String) {
        for sign in [1, -1] as [Int32] {
            let error = EndpointError(errno: sign * errno, operation: "connect")
            #expect(error.code == code)
            #expect(error.systemError?.code == errno)
            #expect(error.description.hasSuffix("(\(name))"))
        }
    }

    @Test("the errors of a look-up have names, too")
    func lookUpErrors() {
        #expect(SystemError(addressInfo: EAI_AGAIN).name == "EAI_AGAIN")
        #expect(SystemError(addressInfo: EAI_AGAIN).endpointCode == .unavailable)
        #expect(SystemError(addressInfo: EAI_NONAME).endpointCode == .nameNotFound)
        #expect(SystemError(addressInfo: -99).name == "EAI -99")
    }

    @Test(
        "a duration prints in seconds",
        arguments: [
            (Duration.seconds(30), "30 s"), (.milliseconds(1500), "1.5 s"),
            (.milliseconds(250), "0.25 s"), (.milliseconds(1), "0.001 s"), (.zero, "0 s"),
            (.milliseconds(-1500), "-1.5 s"),
        ]
    )
    func durations(duration: Duration, expected: String) {
        #expect(duration.inSeconds == expected)
    }
}
