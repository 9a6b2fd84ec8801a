// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-endpoints-integration",
    dependencies: [
        .package(name: "swift-endpoints", path: ".."),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git",
            from: "2.13.0"
        ),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
    ],
    targets: [
        // A kind that a third party could have written, over the public interface alone.
        .target(
            name: "WebSocketEndpoint",
            dependencies: [.product(name: "Endpoints", package: "swift-endpoints")]
        ),
        .testTarget(
            name: "WebSocketEndpointTests",
            dependencies: [
                "RealPeers",
                "WebSocketEndpoint",
                .product(name: "Endpoints", package: "swift-endpoints"),
                .product(name: "EndpointsTesting", package: "swift-endpoints"),
            ]
        ),
        // The README's client that comes back.
        .executableTarget(
            name: "Bot",
            dependencies: [.product(name: "Endpoints", package: "swift-endpoints")]
        ),
        // A server that tests restart and end while it serves.
        .executableTarget(
            name: "RestartingServer",
            dependencies: [
                .product(name: "Endpoints", package: "swift-endpoints"),
                .product(name: "EndpointsService", package: "swift-endpoints"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]
        ),
        // What Benchmarks/latency measures.
        .executableTarget(
            name: "latency-server",
            dependencies: [
                .product(name: "Endpoints", package: "swift-endpoints"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/LatencyServer"
        ),
        // Processes of other projects, and the tool, on the other side of a socket.
        .target(name: "RealPeers"),
        // Run in a network namespace, where it connects to names of the test's own.
        .executableTarget(
            name: "timed-connect",
            dependencies: [.product(name: "Endpoints", package: "swift-endpoints")]
        ),
        .testTarget(
            name: "RealPeersTests",
            dependencies: [
                "Bot",
                "RealPeers",
                "RestartingServer",
                "timed-connect",
                .product(name: "Endpoints", package: "swift-endpoints"),
                // Built with the tests, and found beside them.
                .product(name: "endpoint", package: "swift-endpoints"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)
