import CEndpoints
import Dispatch
import EventLoop
import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reading certificates again", .certificates, .timeLimit(.minutes(1)))
struct TLSReloadingTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func put(_ name: String, as copy: String) throws {
        try Data(contentsOf: URL(fileURLWithPath: try TLSTesting.zoo().file(name)))
            .write(to: URL(fileURLWithPath: folder.file(copy)))
    }

    /// Has a load read `old.pem` and wait in its passphrase while another one begins and ends.
    private func overlap(
        _ later: (TLSServerState, TLSServerConfiguration) throws -> Void
    ) async throws -> (slow: Result<TLSServerGeneration, any Error>, state: TLSServerState) {
        let (asked, mayAnswer) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        var slow = TLSServerConfiguration(
            privateKey: try TLSTesting.zoo().file("encrypted.key"),
            certificate: try TLSTesting.zoo().file("localhost.pem")
        )
        slow.passphrase = PassphraseProvider {
            asked.signal()
            mayAnswer.wait()
            return Array("secret".utf8)
        }
        let (state, configuration) = (slow.state, slow)
        let outcome = Lock<Result<TLSServerGeneration, any Error>?>(nil)
        let ended = DispatchSemaphore(value: 0)
        // A thread of its own: it blocks.
        Thread.detachNewThread {
            let result = Result { try state.load(configuration) }
            outcome.withLock { $0 = result }
            ended.signal()
        }
        func wait(for semaphore: DispatchSemaphore) async {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    semaphore.wait()
                    continuation.resume()
                }
            }
        }
        await wait(for: asked)
        try later(state, try TLSTesting.server("one"))
        mayAnswer.signal()
        await wait(for: ended)
        return (try #require(outcome.withLock { $0 }), state)
    }

    @Test(
        "of two loads at once, what the one that began later has read stays, whichever ends first"
    )
    func laterStays() async throws {
        let newer = Lock<TLSServerGeneration?>(nil)
        let (slow, state) = try await overlap { state, configuration in
            let made = try state.load(configuration)
            newer.withLock { $0 = made }
        }
        let made = try #require(newer.withLock { $0 })
        #expect(state.current === made)
        #expect(try slow.get() === made, "who began earlier gets what is newer")
    }

    @Test("a load that fails keeps nobody else's from being published")
    func failureBetween() async throws {
        let (slow, state) = try await overlap { state, configuration in
            var broken = configuration
            broken.identities = [TLSIdentity(privateKey: folder.file("missing"))]
            #expect(throws: TLSFileError.self) { try state.load(broken) }
        }
        #expect(state.current === (try slow.get()))
    }

    @Test("listening, and upgrading a connection, read files on a thread that is not a loop's")
    func offLoop() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let wasOnLoop = Lock<[Bool]>([])
        var configuration = TLSServerConfiguration(
            privateKey: try TLSTesting.zoo().file("encrypted.key"),
            certificate: try TLSTesting.zoo().file("localhost.pem")
        )
        configuration.passphrase = PassphraseProvider {
            wasOnLoop.withLock { $0.append(EventLoop.current != nil) }
            return Array("secret".utf8)
        }
        let context = EndpointContext(loops: group, logger: quietLogger)
        let server = TLSServerEndpoint(port: 0, interface: "127.0.0.1", configuration)
        try await Task(executorPreference: group.loops[0]) {
            try await server.listen(in: context).close()
        }.value
        configuration.ticketCount = 2  // A copy that has read nothing yet.
        let (client, secure) = try await TLSTesting.pair(nil, configuration)
        await client.close()
        await secure.close()
        #expect(wasOnLoop.withLock { $0 } == [false, false])
        await group.shutdown()
    }
}
