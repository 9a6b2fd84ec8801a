import COpenSSL
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite(
    "Cipher suites without authentication",
    .certificates,
    .timeLimit(.minutes(1)),
    .tags(.security)
)
struct TLSAnonymousTests {
    private func allow(_ ciphers: String, _ context: TLSContext) {
        #expect(SSL_CTX_set_cipher_list(context.pointer, ciphers) == 1)
    }

    private func names(_ context: TLSContext) -> [String] {
        var names: [String] = []
        guard let ssl = SSL_new(context.pointer) else { return [] }
        defer { SSL_free(ssl) }
        while let name = SSL_get_cipher_list(ssl, Int32(names.count)) {
            names.append(String(cString: name))
        }
        return names
    }

    @Test(
        "no list of ciphers enables anonymous or unencrypted ones",
        arguments: [
            "ALL:@SECLEVEL=0", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "aNULL:eNULL:HIGH:@SECLEVEL=0",
        ]
    )
    func neverEnabled(ciphers: String) async throws {
        var client = try TLSTesting.client()
        client.ciphers = ciphers
        var server = try TLSTesting.server()
        server.ciphers = ciphers
        let contexts = [
            try client.context(logger: Logger(label: "test")),
            try await server.state.generation(server).standard,
        ]
        for context in contexts {
            let names = names(context)
            #expect(names.contains("ECDHE-RSA-AES256-GCM-SHA384"))
            #expect(!names.contains { $0.hasPrefix("ADH") || $0.hasPrefix("AECDH") })
            #expect(!names.contains { $0.contains("NULL") })
        }
    }

    @Test(
        "a list that holds nothing else is refused",
        arguments: ["aNULL", "eNULL", "ADH-AES256-SHA"]
    )
    func nothingLeft(ciphers: String) throws {
        var client = try TLSTesting.client()
        client.ciphers = "\(ciphers):@SECLEVEL=0"
        #expect(throws: TLSFileError.self) { try client.context(logger: Logger(label: "test")) }
        #expect(throws: EndpointStringError.self) {
            try clientFromString("tls:example.com:443:ciphers=\(ciphers)")
        }
    }

    @Test("a client that verifies refuses a server without a certificate")
    func anonymousServer() async throws {
        for pins in [[], [try #require(TLSPin(digest: [UInt8](repeating: 1, count: 32)))]] {
            var client = try TLSTesting.client()
            client.maximumVersion = .tls12
            client.pins = pins
            if !pins.isEmpty { client.trustRoots = .insecurelyTrustsAnybody }
            let server = try TLSTesting.server()
            allow(
                "ADH-AES256-GCM-SHA384:@SECLEVEL=0",
                try client.context(logger: Logger(label: "test"))
            )
            allow(
                "ADH-AES256-GCM-SHA384:@SECLEVEL=0",
                try await server.state.generation(server).standard
            )
            let errors = try await TLSTesting.refusals(client, server)
            #expect(errors.client?.code == .certificateInvalid)
            #expect(errors.client.says("the peer shows no certificate"))
        }
    }
}
