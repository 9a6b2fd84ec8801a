import EventLoop
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// A listener on a free port of the loopback interface, and how to reach it.
struct Listening: Sendable {
    let listener: Listener
    let context: EndpointContext

    func connect() async throws -> Connection {
        let port = listener.addresses.first?.port ?? 0
        return try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect(in: context)
    }
}

/// Runs `body` with a listener on loops of its own; it is closed and they are gone afterwards.
func withListener<Result>(
    loops: Int = 2,
    logger: Logger = quietLogger,
    _ body: (Listening) async throws -> Result
) async throws -> Result {
    let group = EventLoopGroup(loopCount: loops)
    let context = EndpointContext(loops: group, logger: logger)
    do {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen(in: context)
        let result = try await body(Listening(listener: listener, context: context))
        await listener.close()
        await group.shutdown()
        return result
    } catch {
        await group.shutdown()
        throw error
    }
}

/// Sends all that comes back.
@Sendable func echo(_ connection: isolated Connection) async throws {
    var buffer = ReadBuffer()
    while try await connection.read(into: &buffer) > 0 {
        try await connection.write(buffer)
        buffer.removeAll()
    }
}

extension Tally {
    /// Looks every millisecond until the number is there.
    func reaches(_ number: Int) async throws {
        let loop = EventLoopGroup.shared.next()
        while value < number { try await loop.sleep(for: .milliseconds(1)) }
    }
}
