import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("A socket's bytes")
struct SocketTransportTests {
    @Test(
        "what waits for room at the peer is counted, and less once it reads",
        arguments: PairKind.allCases
    )
    func unsent(kind: PairKind) throws {
        let (near, far) = try connectedDescriptors(kind)
        let transport = SocketTransport(OwnedDescriptor(near), isUNIX: kind == .unix)
        let peer = SocketTransport(OwnedDescriptor(far), isUNIX: kind == .unix)
        #expect(transport.unsentCount == 0)
        let bytes = [UInt8](repeating: 7, count: 65_536)
        while bytes.withUnsafeBytes({ transport.write($0) }).isMoved {}
        let full = transport.unsentCount
        #expect(full > 0)
        var buffer = bytes
        while transport.unsentCount >= full {
            try #require(buffer.withUnsafeMutableBytes { peer.read(into: $0) }.rawValue > 0)
        }
    }
}
