import Testing

@testable import EndpointsService

@Suite("A successor")
struct SuccessorTests {
    private func environment(after entries: [String]) -> [String] {
        Successor(
            program: "/bin/true",
            arguments: [],
            sockets: [("web", 5), ("admin", 7)],
            readyPipe: 9,
            variable: "READY",
            heldNames: ["admin"],
            heldNamesVariable: "HELD"
        ).environment(after: entries, of: 42)
    }

    @Test("it is told of the sockets, and not of those of its predecessor")
    func sockets() {
        let environment = environment(after: [
            "PATH=/bin", "LISTEN_FDS=9", "LISTEN_PID=42", "LISTEN_FDNAMES=old", "READY=3",
            "HELD=web",
        ])
        #expect(
            environment == [
                "PATH=/bin", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin", "READY=5",
                "HELD=admin",
            ]
        )
    }

    @Test("it feeds the watchdog that its predecessor fed, and no other's")
    func watchdog() {
        let ours = environment(after: ["WATCHDOG_USEC=30000000", "WATCHDOG_PID=42"])
        #expect(ours.filter { $0.hasPrefix("WATCHDOG") } == ["WATCHDOG_USEC=30000000"])
        let others = environment(after: ["WATCHDOG_USEC=30000000", "WATCHDOG_PID=421"])
        #expect(others.contains("WATCHDOG_PID=421"))
    }
}
