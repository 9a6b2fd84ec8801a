// Bytes that must not outlive their use: private keys in PEM, passphrases, the keys of session tickets.
//
// An array cannot promise that: growing or copying one leaves the old bytes in freed memory, where a
// core dump or a later bug finds them. So these live in pages of their own, which the kernel leaves out
// of core dumps (MADV_DONTDUMP of madvise(2)), and are wiped before the pages go. Nothing grows in place:
// a larger buffer takes over the bytes, and the smaller one is wiped.
//
// A parsed private key is OpenSSL's. It stays in memory as long as it is used, and OpenSSL wipes it when
// it is freed. To keep it out of core dumps is the program's choice, for the whole process
// (PR_SET_DUMPABLE of prctl(2)); the tool makes it.

import CEndpoints

/// Memory that is left out of core dumps, and wiped at the end.
// Unchecked: nobody writes to it after it was filled, before anybody else has it.
package final class SecretBytes: @unchecked Sendable {
    private let pages: UnsafeMutableRawBufferPointer
    private var used = 0

    /// How many bytes there are.
    package var count: Int { used }

    /// Makes memory with room for so many bytes; `nil` if the system gives none.
    package init?(capacity: Int) {
        let size = max(capacity, 1)
        guard let start = endpoints_secret_pages(size) else { return nil }
        pages = UnsafeMutableRawBufferPointer(start: start, count: size)
    }

    deinit {
        endpoints_wipe(pages.baseAddress, pages.count)
        endpoints_secret_pages_free(pages.baseAddress, pages.count)
    }

    /// Has `body` write behind what there is; it answers how many bytes it wrote, or a negative errno.
    package func append(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        let written = body(UnsafeMutableRawBufferPointer(rebasing: pages[used...]))
        if written > 0 { used += min(written, pages.count - used) }
        return written
    }

    /// The same bytes with room for as many again; `nil` if the system gives none.
    package func grown() -> SecretBytes? {
        guard let larger = SecretBytes(capacity: pages.count * 2) else { return nil }
        _ = larger.append { room in
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: pages[..<used]))
            return used
        }
        return larger
    }

    package var isFull: Bool { used == pages.count }

    /// Lends the bytes; what `body` copies it must wipe.
    package func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows
        -> Result
    {
        try UnsafeRawBufferPointer(rebasing: pages[..<used])
            .withMemoryRebound(to: UInt8.self, body)
    }

    /// Whether an ASCII text is among them.
    package func contains(_ text: StaticString) -> Bool {
        withBytes { bytes in
            bytes.baseAddress.map {
                endpoints_contains($0, bytes.count, text.utf8Start, text.utf8CodeUnitCount) != 0
            } ?? false
        }
    }

    /// The first line, without its end; the caller wipes it.
    package var firstLine: [UInt8] {
        withBytes { bytes in
            Array(bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
        }
    }
}

extension [UInt8] {
    /// Overwrites the bytes, in a way that the optimizer keeps.
    package mutating func wipe() {
        withUnsafeMutableBytes { endpoints_wipe($0.baseAddress, $0.count) }
    }
}

/// Has the kernel write no core dump of this process, and let only root debug it.
///
/// For a program, not for a library: it holds for the whole process.
package func forbidCoreDumps() { _ = endpoints_forbid_dumps() }
