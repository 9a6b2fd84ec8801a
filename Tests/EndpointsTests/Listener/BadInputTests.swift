import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Bad input", .tags(.faults), .timeLimit(.minutes(1)))
struct BadInputTests {
    @Test(
        "1,000 connections that send garbage, half-close, reset or vanish, while good clients are served"
    )
    func thousand() async throws {
        try await withListener { listening in
            let serving = Task {
                try await listening.listener.serve { connection in
                    for try await line in connection.lines(limit: 100) {
                        try await connection.write("\(line)\n".utf8)
                    }
                }
            }
            let good = try await listening.connect()
            var goodLines = good.lines().makeAsyncIterator()
            let vanished = try await withThrowingTaskGroup(of: [Connection].self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        var random = SplitMix(seed: UInt64(worker))
                        var vanished: [Connection] = []
                        for turn in 0..<125 {
                            let client = try await listening.connect()
                            let garbage = (0..<Int.random(in: 0..<300, using: &random)).map { _ in
                                UInt8.random(in: 0...255, using: &random)
                            }
                            try? await client.write(garbage)
                            switch turn % 4 {
                            case 0: try? await client.closeWrite()
                            case 1: client.abort()
                            case 2: await client.close()
                            default:
                                vanished.append(client)
                                continue
                            }
                            client.abort()
                        }
                        return vanished
                    }
                }
                for number in 0..<50 {
                    try await good.write("\(number)\n".utf8)
                    #expect(try await goodLines.next() == "\(number)")
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            for client in vanished { client.abort() }
            await good.close()
            let result = await listening.listener.drain(within: .seconds(30))
            #expect(result.aborted == 0)
            try await serving.value
        }
    }
}
