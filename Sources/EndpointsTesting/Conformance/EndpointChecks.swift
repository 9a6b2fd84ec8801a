// Checks of a kind itself: its strings, and what connecting and listening leave behind.

import Endpoints

let endpointChecks: [ConformanceCheck<EndpointSetting>] = [
    ConformanceCheck("the server's string makes an equal endpoint") { setting in
        let string = "\(setting.server)"
        let parsed = try serverFromString(string, in: setting.registry)
        try expect("\(parsed)" == string, "\(string) became \(parsed)")
    },
    ConformanceCheck("the client's string makes an equal endpoint") { setting in
        let (listener, client) = try await setting.listen()
        await listener.close()
        let string = "\(client)"
        let parsed = try clientFromString(string, in: setting.registry)
        try expect("\(parsed)" == string, "\(string) became \(parsed)")
    },
    ConformanceCheck("an endpoint is used any number of times") { setting in
        for _ in 0..<3 {
            let (near, far) = try await setting.connect()
            try await near.write([1])
            try expect(try await far.read(exactly: 1) == [1], "the byte arrives")
            await close(near, far)
        }
    },
    ConformanceCheck("where nobody listens the error names the endpoint") { setting in
        let (listener, client) = try await setting.listen()
        await listener.close()
        do {
            let connection = try await client.connect()
            connection.abort()
        } catch let error as EndpointError {
            try expect(error.endpoint != nil, "it names none: \(error)")
            return
        }
        throw Unexpected("connecting works")
    },
    ConformanceCheck("a cancelled connect throws or has connected, and leaves the rest") {
        setting in
        let (listener, client) = try await setting.listen()
        async let served: Void = listener.serve { connection in
            try await connection.write(try await connection.read(exactly: 1))
        }
        for round in 0..<30 {
            let connecting = Task { try await client.connect() }
            for _ in 0..<round { await Task.yield() }
            connecting.cancel()
            do { try await connecting.value.abort() } catch is CancellationError {}
        }
        let before = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await client.connect().abort()
        }
        try await expectCancelled("connect", before)
        try await client.withConnection { connection in
            try await connection.write([1])
            try expect(try await connection.read(exactly: 1) == [1], "the next one works")
        }
        await listener.drain(within: .zero)
        try await served
    },
    ConformanceCheck("a cancelled listen throws or listens, and leaves nothing bound") { setting in
        for round in 0..<10 {
            let listening = Task { try await setting.server.listen() }
            for _ in 0..<round { await Task.yield() }
            listening.cancel()
            do { try await listening.value.close() } catch is CancellationError {}
        }
        let (listener, _) = try await setting.listen()
        await listener.close()
    },
]
