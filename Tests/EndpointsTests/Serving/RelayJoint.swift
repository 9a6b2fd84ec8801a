import EventLoop

@testable import EndpointsCore

/// A client and a server, and between them the two connections that are joined.
struct Joint {
    let client: Connection
    let near: Connection
    let far: Connection
    let server: Connection

    /// Joins the two in the middle.
    func relaying(
        halfClose: Duration? = .seconds(60)
    ) -> Task<(forward: Int, backward: Int), any Error> {
        Task { [near, far] in
            try await relay(between: near, and: far, halfClose: halfClose)
        }
    }
}

func withJoint<Result>(
    _ kind: PairKind = .tcp,
    _ body: (Joint) async throws -> Result
) async throws -> Result {
    try await withPair(kind) { client, near in
        try await withPair(kind) { far, server in
            try await body(Joint(client: client, near: near, far: far, server: server))
        }
    }
}
