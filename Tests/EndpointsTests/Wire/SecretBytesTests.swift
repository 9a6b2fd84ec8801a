import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Secrets in memory", .tags(.security))
struct SecretBytesTests {
    private func write(_ bytes: [UInt8], to secret: SecretBytes) {
        _ = secret.append { room in
            let count = min(room.count, bytes.count)
            room.copyBytes(from: bytes[..<count])
            return count
        }
    }

    @Test("bytes are kept when the memory grows")
    func grows() throws {
        let secret = try #require(SecretBytes(capacity: 3))
        write([1, 2, 3, 4], to: secret)
        #expect(secret.isFull)
        let larger = try #require(secret.grown())
        write([4], to: larger)
        #expect(larger.withBytes { Array($0) } == [1, 2, 3, 4])
        #expect(!larger.isFull)
    }

    @Test("a failed read adds nothing")
    func failure() throws {
        let secret = try #require(SecretBytes(capacity: 3))
        #expect(secret.append { _ in -Int(EIO) } == -Int(EIO))
        #expect(secret.count == 0)
        #expect(!secret.contains("a"))
    }

    @Test("its pages are left out of core dumps")
    func dumps() throws {
        let secret = try #require(SecretBytes(capacity: 100))
        write([7], to: secret)
        let address = secret.withBytes { UInt(bitPattern: $0.baseAddress) }
        let maps = try String(
            decoding: FileReading.bytes(of: "/proc/self/smaps", argument: ""),
            as: UTF8.self
        )
        var isOurs = false
        var flags: Substring?
        for line in maps.split(separator: "\n") {
            let range = line.prefix { $0 != " " }.split(separator: "-")
            if range.count == 2, let start = UInt(range[0], radix: 16),
                let end = UInt(range[1], radix: 16)
            {
                isOurs = (start..<end).contains(address)
            } else if isOurs, line.hasPrefix("VmFlags:") {
                flags = line
            }
        }
        // "dd" is VM_DONTDUMP (proc(5)).
        #expect(try #require(flags).split(separator: " ").contains("dd"))
    }

    @Test("a text is found among them, and the first line")
    func searching() throws {
        let secret = try #require(SecretBytes(capacity: 100))
        write(Array("pass word\r\nmore".utf8), to: secret)
        #expect(secret.contains("word"))
        #expect(!secret.contains("words"))
        #expect(secret.firstLine == Array("pass word".utf8))
    }
}
