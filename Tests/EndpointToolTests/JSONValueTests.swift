import Testing

@testable import endpoint

@Suite("JSON")
struct JSONValueTests {
    @Test(
        "what RFC 8259 does not allow in a string is escaped",
        arguments: [
            ("plain", #""plain""#), ("", #""""#), ("\"\\/", #""\"\\/""#),
            ("\n\r\t", #""\n\r\t""#), ("\u{0}\u{1b}\u{7f}", #""\u0000\u001b\u007f""#),
            ("\u{2028}\u{85}", #""\u2028\u0085""#), ("é😀", "\"é😀\""),
        ]
    )
    func strings(text: String, expected: String) {
        #expect(JSONValue.string(text).description == expected)
    }

    @Test("objects keep the order of their members")
    func objects() {
        let value = JSONValue.object([
            ("b", .array([.integer(-1), .boolean(true), .null])), ("a", .object([])),
        ])
        #expect(value.description == #"{"b":[-1,true,null],"a":{}}"#)
    }

    @Test(
        "durations are seconds to the microsecond",
        arguments: [
            (Duration.zero, "0.000000"), (.microseconds(1), "0.000001"),
            (.milliseconds(1500), "1.500000"), (.seconds(90_000), "90000.000000"),
        ]
    )
    func seconds(duration: Duration, expected: String) {
        #expect(JSONValue.seconds(duration).description == expected)
    }
}
