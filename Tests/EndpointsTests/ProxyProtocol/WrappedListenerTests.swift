import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Wrapped listeners")
struct WrappedListenerTests {
    private func failure(_ string: String) async throws -> EndpointError {
        let server = try serverFromString(string)
        let error = await #expect(throws: EndpointError.self) { try await server.listen() }
        let found = try #require(error)
        #expect(found.operation == "listen")
        #expect(found.endpoint == "\(server)")
        return found
    }

    @Test("an error of listening names the whole string, with the reason of what is within")
    func names() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        let inner = "tcp:\(port):interface=127.0.0.1"
        for string in [
            "haproxy:\(inner)", "haproxy:from=127.0.0.1:\(inner)", "haproxy:haproxy:\(inner)",
        ] {
            #expect(try await failure(string).code == .addressInUse)
        }
        await listener.close()

        let file = try await failure("haproxy:tls:0:privateKey=/nowhere.pem")
        #expect(file.reason?.contains("privateKey \"/nowhere.pem\"") == true)
        #expect(try await failure("haproxy:unix:/nowhere/a:lockfile=0").code == .notFound)
        #expect(try await failure("haproxy:systemd:name=none").code == .notFound)
        #expect(try await failure("haproxy:fd:7777").code == .invalidArgument)

        let memory = try await serverFromString("memory:wrapped-listeners").listen()
        #expect(try await failure("haproxy:memory:wrapped-listeners").code == .addressInUse)
        await memory.close()
    }

    @Test("what is not wrapped is called by its own string")
    func plain() async throws {
        let error = try await failure("unix:/nowhere/a:lockfile=0")
        #expect("\(error)".hasPrefix("listen unix:address=/nowhere/a:lockfile=0: "))
    }

    @Test("connections and their errors are the whole string's, too")
    func connections() async throws {
        let server = try serverFromString("haproxy:tcp:0:interface=127.0.0.1")
        let listener = try await server.listen()
        #expect(listener.origin.endpoint == "\(server)")
        await listener.close()
    }
}
