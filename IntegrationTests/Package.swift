// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-endpoints-integration",
    dependencies: [
        .package(name: "swift-endpoints", path: "..")
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
                "RealPeers",
                "timed-connect",
                .product(name: "Endpoints", package: "swift-endpoints"),
                // Built with the tests, and found beside them.
                .product(name: "endpoint", package: "swift-endpoints"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)
