// Lines on stdout or stderr, each in one write(2): flushed, and whole even where several programs
// share the file.

import CEndpoints
import Endpoints
import Glibc

/// Writes lines to a descriptor of the process.
struct LineOutput: Sendable {
    static let standardOutput = LineOutput(descriptor: 1, name: "standard output")
    static let standardError = LineOutput(descriptor: 2, name: "standard error")

    /// Standard output as it is now, whatever becomes of descriptor 1.
    ///
    /// - Throws: ``EndpointError``.
    static func copyOfStandardOutput() throws -> LineOutput {
        let copy = fcntl(1, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else {
            throw EndpointError(errno: errno, operation: "copy", endpoint: standardOutput.name)
        }
        return LineOutput(descriptor: copy, name: standardOutput.name)
    }

    let descriptor: Int32
    let name: String

    /// Writes `line` and a line feed; blocks while the reader is slow.
    ///
    /// - Throws: ``ExitStatus/failed`` if nobody reads any more (EPIPE), which needs no words; an
    ///   ``EndpointError`` for any other reason.
    func write(_ line: String) throws {
        var bytes = Array("\(line)\n".utf8)[...]
        try write(&bytes)
    }

    /// Writes bytes and removes from them what it has written, also when it throws.
    ///
    /// - Throws: As `write(_: String)`.
    func write(_ bytes: inout ArraySlice<UInt8>) throws {
        while !bytes.isEmpty {
            let n = bytes.withUnsafeBytes { bytes in
                endpoints_write(descriptor, bytes.baseAddress, bytes.count)
            }
            if n >= 0 {
                bytes.removeFirst(n)
                continue
            }
            switch -Int32(n) {
            case EINTR: continue
            case EAGAIN: waitUntilWritable()
            case EPIPE: throw ExitStatus.failed
            default: throw EndpointError(errno: Int32(n), operation: "write", endpoint: name)
            }
        }
    }

    /// Somebody who shares the descriptor has made it non-blocking.
    private func waitUntilWritable() {
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = Glibc.poll(&poll, 1, -1)
    }
}
