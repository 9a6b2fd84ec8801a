// Checks of a listener whose connections are taken one by one.

import Endpoints

let acceptChecks: [ConformanceCheck<ListenerSetting>] = [
    ConformanceCheck("a client's connection is handed out ready for use") { setting in
        async let accepted = next(of: setting.listener)
        let client = try await setting.connect()
        let server = try await accepted
        try await client.write("hello".utf8)
        let heard = try await server.read(exactly: 5)
        try expect(heard == Array("hello".utf8), "the server hears \(heard)")
        async let closed: Void = server.close()
        try expect(try await client.read(atMost: 1) == nil, "the client reads the end")
        await client.close()
        await closed
    },
    ConformanceCheck("clients that come together are all served") { setting in
        let count = 50
        async let echoed: Void = setting.listener.serve { connection in
            for try await chunk in connection { try await connection.write(chunk) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                group.addTask {
                    let bytes = pattern(1000, seed: UInt64(number))
                    try await setting.client.withConnection { connection in
                        try await connection.write(bytes)
                        let echo = try await connection.read(exactly: bytes.count)
                        try expect(echo == bytes, "client \(number) gets another's bytes")
                    }
                }
            }
            try await group.waitForAll()
        }
        await setting.listener.close()
        try await echoed
    },
    ConformanceCheck("a listener has addresses") { setting in
        try expect(!setting.listener.addresses.isEmpty, "it has none")
        try expect(
            setting.listener.addresses.allSatisfy { $0.port != 0 },
            "ports are the real ones"
        )
    },
    ConformanceCheck("close ends iteration, may be called twice, and refuses clients") { setting in
        async let waiting = ended(setting.listener)
        for _ in 0..<20 { await Task.yield() }
        await setting.listener.close()
        await setting.listener.close()
        await waiting
        try expect(await next(setting.listener) == nil, "an iteration after close ends at once")
        do {
            let connection = try await setting.connect()
            // Something before the listener may take it, but nobody serves it.
            let read = await outcome { try await connection.read(atMost: 1) }
            connection.abort()
            try expect(read.bytes == nil, "a closed listener gives no bytes")
        } catch is EndpointError {}
    },
    ConformanceCheck("what nobody took is closed with the listener") { setting in
        let client = try await setting.connect()
        await setting.listener.close()
        let end = await outcome { try await client.read(atMost: 1) }
        try expect(end.bytes == nil, "the client reads the end or an error, not \(end)")
        await client.close()
    },
    ConformanceCheck("a cancelled iteration ends, and the listener stays") { setting in
        for round in 0..<20 {
            let task = Task { await next(setting.listener) }
            for _ in 0..<round { await Task.yield() }
            task.cancel()
            try expect(await task.value == nil, "the iteration gives nothing")
        }
        async let accepted = next(of: setting.listener)
        let client = try await setting.connect()
        await close(try accepted, client)
    },
    ConformanceCheck("a suspended listener takes nothing until it is resumed") { setting in
        setting.listener.suspend()
        let accepting = Task { await next(setting.listener) }
        let connecting = Task { try await setting.connect() }
        for _ in 0..<200 { await Task.yield() }
        setting.listener.resume()
        let server = await accepting.value
        let client = try await connecting.value
        try expect(server != nil, "what came meanwhile is handed out")
        if let server { await close(server, client) }
    },
    ConformanceCheck("those who watch are told of a connection, and of the end") { setting in
        let events = setting.listener.events
        async let accepted = next(of: setting.listener)
        let client = try await setting.connect()
        let server = try await accepted
        await setting.listener.close()
        var count = 0
        for await event in events {
            if case .accepted = event { count += 1 }
        }
        try expect(count == 1, "one event accepted, not \(count)")
        await close(server, client)
    },
]

private func next(_ listener: Listener) async -> Connection? {
    var iterator = listener.makeAsyncIterator()
    return await iterator.next()
}

private func next(of listener: Listener) async throws -> Connection {
    guard let connection = await next(listener) else { throw Unexpected("no connection came") }
    return connection
}

private func ended(_ listener: Listener) async {
    for await connection in listener { connection.abort() }
}
