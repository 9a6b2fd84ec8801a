// The kinds of suspended call that make connections, hand them out, or join them.

import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// The kernel has answered, and the loop does not know it yet.
let connecting: CallMaker = { setting in
    let listener = OwnedDescriptor(
        endpoints_socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    ).take()
    var local = try SocketAddress(ip: "127.0.0.1", port: 0).kernelAddress(
        operation: "bind",
        endpoint: nil
    )
    #expect(endpoints_bind(listener, &local.storage, local.length) == 0)
    #expect(endpoints_listen(listener, 16) == 0)
    let port = SocketAddress(localOf: listener).port ?? 0
    let connected = Lock<Connection?>(nil)
    return PreparedCall(
        loop: setting.driven.loops[0],
        body: {
            let endpoint = TCPClientEndpoint(host: "127.0.0.1", port: port)
            let connection = try await endpoint.connect(
                in: EndpointContext(loops: setting.driven, logger: quietLogger)
            )
            setting.connections.note(connection)
            connected.withLock { $0 = connection }
            return true
        },
        isWaiting: { !setting.driver.watched.isEmpty },
        makeReady: {
            setting.driver.report(setting.driver.watched.map { ($0, .writable) })
        },
        finish: { isDone, _ in
            let connection = connected.withLock { $0 }
            #expect((connection != nil) == isDone)
            await connection?.close()
            #expect(setting.driver.watched.isEmpty)
            var peer = KernelAddress()
            while case let accepted = endpoints_accept(listener, &peer.storage, &peer.length),
                accepted >= 0
            {
                _ = endpoints_close(accepted)
            }
            _ = endpoints_close(listener)
        }
    )
}

/// A listener at a path, and raw clients of it.
private struct RawListening: Sendable {
    let listener: Listener
    let served = Lock<Connection?>(nil)
    var loop: EventLoop { listener.loop }

    init(_ setting: CallSetting) async throws {
        let server: some ServerEndpoint = .unix(
            path: setting.directory.file("\(setting.next()).sock")
        )
        listener = try await server.listen(
            in: EndpointContext(loops: setting.group(), logger: quietLogger)
        )
    }

    /// Connects at once, for a UNIX socket needs nobody to accept.
    func connect(_ socket: Int32) {
        guard
            var address = try? listener.addresses.first?.kernelAddress(
                operation: "connect",
                endpoint: nil
            )
        else { return }
        _ = endpoints_connect(socket, &address.storage, address.length)
    }

    func makeSocket() -> Int32 { endpoints_socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0) }

    func close() {
        loop.run { self.listener.assumeIsolated { $0.close() } }
    }

    /// On the loop: whether a handler waits for bytes, and the acceptor for connections.
    var isServing: Bool {
        listener.waiters.count == 1
            && served.withLock { $0?.isReading == true }
    }

    /// Serves one client.
    func serve(_ setting: CallSetting) async throws {
        try await listener.serve { connection in
            setting.connections.note(connection)
            served.withLock { $0 = connection }
            try await echo(connection)
        }
    }
}

let accepting: CallMaker = { setting in
    let raw = try await RawListening(setting)
    let client = raw.makeSocket()
    let body: @Sendable () async throws -> Bool = {
        for await connection in raw.listener {
            setting.connections.note(connection)
            await connection.close()
            return true
        }
        return false
    }
    return PreparedCall(
        loop: raw.loop,
        body: body,
        isWaiting: { raw.listener.waiters.count == 1 },
        makeReady: { raw.connect(client) },
        finish: { isDone, isReady in
            // The listener stays, and so does who waits in its queue.
            if !isDone {
                if !isReady { raw.connect(client) }
                let isAccepted = try await body()
                #expect(isAccepted)
            }
            #expect(await raw.listener.waiterCount == 0)
            await raw.listener.close()
            _ = endpoints_close(client)
        }
    )
}

/// A handler waits for bytes that come with the end of the listener.
let serving: CallMaker = { setting in
    let raw = try await RawListening(setting)
    let client = raw.makeSocket()
    raw.connect(client)
    return PreparedCall(
        loop: raw.loop,
        body: {
            try await raw.serve(setting)
            return true
        },
        isWaiting: { raw.isServing },
        makeReady: {
            _ = endpoints_send(client, [1], 1)
            _ = endpoints_shutdown(client, Int32(SHUT_WR))
            raw.close()
        },
        finish: { isDone, _ in
            // Whoever was accepted reads an end, served or not.
            var bytes = [UInt8](repeating: 0, count: 9)
            var got = 0
            var count = -Int(EAGAIN)
            while count > 0 || count == -Int(EAGAIN) {
                count = endpoints_recv(client, &bytes, bytes.count)
                if count > 0 { got += count }
                if count == -Int(EAGAIN) { await Task.yield() }
            }
            if isDone { #expect(count == 0 && got == 1) }
            _ = endpoints_close(client)
            #expect(await raw.listener.sessionCount == 0)
            #expect(raw.listener.phase == .closed)
        }
    )
}

/// A handler is waited for; a cancelled drain aborts it.
let draining: CallMaker = { setting in
    let raw = try await RawListening(setting)
    let client = raw.makeSocket()
    raw.connect(client)
    let serving = Task { try await raw.serve(setting) }
    while await !onLoop(raw.loop, { raw.isServing }) { await Task.yield() }
    return PreparedCall(
        loop: raw.loop,
        body: {
            let result = await raw.listener.drain(within: .seconds(3600))
            #expect(result.finished + result.aborted == 1)
            return result.finished == 1
        },
        isWaiting: { raw.listener.drainers.count == 1 },
        makeReady: { _ = endpoints_shutdown(client, Int32(SHUT_WR)) },
        finish: { _, _ in
            try await serving.value
            #expect(await raw.listener.drainerCount == 0)
            _ = endpoints_close(client)
        }
    )
}

let relaying: CallMaker = { setting in
    let loop = setting.group().loops[0]
    let near = try Wire(setting, on: loop)
    let far = try Wire(setting, on: loop)
    near.send([1, 2, 3])
    return PreparedCall(
        loop: loop,
        body: {
            try await relay(between: near.connection, and: far.connection) == (3, 0)
        },
        isWaiting: {
            near.connection.isReading && near.connection.bytesRead == 3
                && far.connection.isReading
                && far.connection.bytesWritten == 3
        },
        makeReady: {
            near.end()
            far.end()
        },
        finish: { isDone, isReady in
            await near.connection.close()
            await far.connection.close()
            let (back, there) = (await near.drainToEnd(), await far.drainToEnd())
            #expect(back.isEmpty)
            if isDone { #expect(there == [1, 2, 3]) }
        }
    )
}
