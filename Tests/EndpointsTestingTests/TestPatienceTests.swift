import Testing

@testable import EndpointsTesting

@Suite("Patience")
struct TestPatienceTests {
    @Test(
        "what is no number of at least 1 changes nothing",
        arguments: [nil, "", "0", "0.5", "-3", "nan", "inf", "many", "1e9"] as [String?]
    )
    func unusable(text: String?) {
        #expect(TestPatience.factor(text) == 1)
    }

    @Test("limits are longer by the factor")
    func longer() {
        #expect(TestPatience.factor("2.5") == 2.5)
        #expect(TestPatience.limit(.seconds(4), times: 2.5) == .seconds(10))
        #expect(TestPatience.limit(.seconds(4), times: 1) == .seconds(4))
    }

    @Test("a limit without end stays one")
    func endless() {
        #expect(TestPatience.limit(.seconds(Int64.max), times: 1_000) == .seconds(Int64.max))
    }
}
