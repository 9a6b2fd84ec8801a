// Faults between two ends. A faulty connection is one end of a memory pair; a task carries the bytes
// between the other end and the real connection, and does to them what the scripts say. So faults can
// be put before any endpoint, on either side, and what is under test is the real thing.
//
// The carrying task belongs to nobody's scope: it ends with the connection, whichever end is closed
// first, since each direction ends when its reader or its writer does.

import Endpoints
import EventLoop

/// The faults of a connection, as its holder sees them.
public struct ConnectionFaults: Sendable, Hashable {
    /// Of the bytes that are written.
    public var written: FaultScript
    /// Of the bytes that are read.
    public var read: FaultScript

    /// Makes the faults of a connection.
    ///
    /// - Parameters:
    ///   - written: Of the bytes that are written; none unless told.
    ///   - read: Of the bytes that are read; none unless told.
    public init(written: FaultScript = FaultScript(), read: FaultScript = FaultScript()) {
        self.written = written
        self.read = read
    }
}

/// A client's endpoint whose connections have faults.
public struct FaultyClientEndpoint: ClientEndpoint {
    /// Where to connect.
    public var inner: any ClientEndpoint
    /// What goes wrong.
    public var faults: ConnectionFaults

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - inner: Where to connect.
    ///   - faults: What goes wrong.
    public init(_ inner: any ClientEndpoint, _ faults: ConnectionFaults) {
        self.inner = inner
        self.faults = faults
    }

    /// The inner endpoint's string, and that it is faulty: not a string that makes one.
    public var description: String { "faulty:[\(inner)]" }

    /// The same with secrets masked.
    public var redacted: String { "faulty:[\(inner.redacted)]" }

    /// Connects; see `ClientEndpoint.connect(in:)`.
    ///
    /// - Throws: What the inner endpoint throws.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await inner.connect(in: context).withFaults(faults)
    }
}

/// A server's endpoint whose connections have faults.
public struct FaultyServerEndpoint: ServerEndpoint {
    /// Where to listen.
    public var inner: any ServerEndpoint
    /// What goes wrong.
    public var faults: ConnectionFaults

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - inner: Where to listen.
    ///   - faults: What goes wrong.
    public init(_ inner: any ServerEndpoint, _ faults: ConnectionFaults) {
        self.inner = inner
        self.faults = faults
    }

    /// The inner endpoint's string, and that it is faulty: not a string that makes one.
    public var description: String { "faulty:[\(inner)]" }

    /// The same with secrets masked.
    public var redacted: String { "faulty:[\(inner.redacted)]" }

    /// Listens; see `ServerEndpoint.listen(in:)`.
    ///
    /// - Throws: What the inner endpoint throws.
    public func listen(in context: EndpointContext) async throws -> Listener {
        let faults = faults
        return try await inner.listen(
            in: context.naming(self).preparing("faults") { $0.withFaults(faults) }
        )
    }
}

extension Connection {
    /// A connection that carries this one's bytes, with faults; this one is used up.
    ///
    /// - Parameter faults: What goes wrong.
    /// - Returns: The connection to use from now on. Its addresses say `memory`.
    public nonisolated func withFaults(_ faults: ConnectionFaults) -> Connection {
        let (outer, inner) = Connection.memoryPair()
        let pump = FaultPump(near: inner, far: self)
        Task { await pump.run(faults) }
        return outer
    }

    /// Two connections of this process with faults between them.
    ///
    /// - Parameter faults: What goes wrong, as the first end sees it.
    /// - Returns: The two ends.
    public static func memoryPair(faults: ConnectionFaults) -> (Connection, Connection) {
        let (near, far) = memoryPair()
        return (near.withFaults(faults), far)
    }
}

/// Carries bytes between two connections.
private struct FaultPump: Sendable {
    /// Towards who asked for faults.
    let near: Connection
    let far: Connection

    func run(_ faults: ConnectionFaults) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await carry(from: near, to: far, faults.written) }
            group.addTask { await carry(from: far, to: near, faults.read) }
        }
        await near.close()
        await far.close()
    }

    /// One direction, to its end.
    private func carry(from source: Connection, to sink: Connection, _ script: FaultScript) async {
        var walk = FaultWalk(script)
        do {
            guard try await take(walk.begin(), sink) else { return await drop(source, sink) }
            while let bytes = try await source.read(atMost: 65_536) {
                guard try await take(walk.handle(bytes), sink) else {
                    return await drop(source, sink)
                }
            }
            _ = try await take(walk.handleEnd(), sink)
        } catch let error as EndpointError where error.code == .closed {
            // We did it: the other direction has reset both.
        } catch {
            // What one end suffers the other is to see.
            near.abort()
            far.abort()
        }
    }

    /// Takes steps; false if nothing more is to pass.
    private func take(_ steps: [FaultWalk.Step], _ sink: Connection) async throws -> Bool {
        for step in steps {
            switch step {
            case .wait(let duration): try await EventLoopGroup.shared.next().sleep(for: duration)
            case .pass(let bytes): try await sink.write(bytes)
            case .end:
                try await sink.closeWrite()
                return false
            case .reset:
                near.abort()
                far.abort()
                return false
            case .vanish: return false
            }
        }
        return true
    }

    /// Reads on, so that the sender is not told, until either end is gone.
    private func drop(_ source: Connection, _ sink: Connection) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while let bytes = try? await source.read(atMost: 65_536), !bytes.isEmpty {}
            }
            group.addTask { _ = try? await sink.ended() }
            await group.waitForAll()
        }
    }
}
