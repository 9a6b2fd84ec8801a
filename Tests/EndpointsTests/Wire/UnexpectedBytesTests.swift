import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("What a peer sent, in an error")
struct UnexpectedBytesTests {
    @Test(
        "bytes are quoted, escaped and cut",
        arguments: [
            ("", #""""#),
            ("GET / HTTP/1.1\r\n", #""GET / HTTP/1.1\r\n""#),
            ("\u{1B}[2J\u{7F}\t\"\\\u{0}", #""\x1b[2J\x7f\t\"\\\x00""#),
            ("é", #""\xc3\xa9""#),
            (String(repeating: "a", count: 33), "\"" + String(repeating: "a", count: 32) + "\"…"),
        ]
    )
    func escaping(text: String, expected: String) {
        let bytes = Array(text.utf8)
        let escaped = String(escaping: bytes.span)
        #expect(escaped == expected)
    }

    @Test("an error says what had to come, where, what came and what to do")
    func description() {
        let bytes = Array("abcdef".utf8)
        let error = UnexpectedBytes(
            bytes.span,
            at: 3,
            showing: 2,
            expected: "a digit",
            hint: "send digits"
        )
        #expect("\(error)" == "expected a digit at offset 3, got \"cdef\"; send digits")
    }
}
