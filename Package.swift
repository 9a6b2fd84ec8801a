// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-endpoints",
    products: [
        .library(name: "Endpoints", targets: ["Endpoints"]),
        .library(name: "EndpointsCore", targets: ["EndpointsCore", "EndpointStrings"]),
        .library(name: "EndpointsNet", targets: ["EndpointsNet"]),
        .library(name: "EndpointsService", targets: ["EndpointsService"]),
        .library(name: "EndpointsMetrics", targets: ["EndpointsMetrics"]),
        .library(name: "EndpointsTracing", targets: ["EndpointsTracing"]),
        .library(name: "EndpointsTesting", targets: ["EndpointsTesting"]),
        .executable(name: "endpoint", targets: ["endpoint"]),
    ],
    dependencies: [
        // The logger that programs hand in.
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
        // The command line of `endpoint`; no user of the library builds it.
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        // Only EndpointsService builds it.
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle.git",
            from: "2.13.0"
        ),
        // Only EndpointsMetrics builds it.
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.5.0"),
        // Only EndpointsTracing builds it.
        .package(url: "https://github.com/apple/swift-distributed-tracing.git", from: "1.2.0"),
    ],
    targets: [
        .target(name: "CEndpoints"),
        .target(
            name: "CEndpointsFaults",
            dependencies: ["CEndpoints"],
            path: "Tests/CEndpointsFaults"
        ),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "EventLoop",
            dependencies: ["CEndpoints"],
            // OnLoop cannot be stored.
            swiftSettings: [.enableExperimentalFeature("Lifetimes")]
        ),
        .target(
            name: "EndpointsCore",
            dependencies: [
                "CEndpoints", "EventLoop", .product(name: "Logging", package: "swift-log"),
            ],
            // ReadBuffer.bytes hands out a span that depends on the buffer.
            swiftSettings: [.enableExperimentalFeature("Lifetimes")]
        ),
        .target(name: "EndpointStrings", dependencies: ["CEndpoints", "EndpointsCore"]),
        .target(
            name: "EndpointsNet",
            dependencies: ["CEndpoints", "EndpointStrings", "EndpointsCore", "EventLoop"]
        ),
        .target(
            name: "EndpointsTLS",
            dependencies: [
                "CEndpoints", "COpenSSL", "EndpointStrings", "EndpointsCore", "EndpointsNet",
                "EventLoop",
            ]
        ),
        .target(
            name: "EndpointsProxy",
            dependencies: [
                "CEndpoints", "EndpointStrings", "EndpointsCore", "EndpointsNet", "EventLoop",
            ]
        ),
        .target(
            name: "EndpointsHost",
            dependencies: ["CEndpoints", "EndpointStrings", "EndpointsCore", "EventLoop"]
        ),
        .target(
            name: "Endpoints",
            dependencies: [
                "EndpointStrings", "EndpointsCore", "EndpointsHost", "EndpointsNet",
                "EndpointsProxy", "EndpointsTLS", "EventLoop",
            ]
        ),
        .target(
            name: "EndpointsService",
            dependencies: [
                "CEndpoints",
                "Endpoints",
                "EventLoop",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]
        ),
        .target(
            name: "EndpointsMetrics",
            dependencies: [
                "Endpoints", "EventLoop", .product(name: "Metrics", package: "swift-metrics"),
            ]
        ),
        .target(
            name: "EndpointsTracing",
            dependencies: [
                "Endpoints",
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ]
        ),
        .target(
            name: "EndpointsTesting",
            dependencies: [
                "CEndpoints",
                "Endpoints",
                "EventLoop",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .executableTarget(
            name: "endpoint",
            dependencies: [
                "CEndpoints",
                "COpenSSL",
                "Endpoints",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        // Fails every system call of every scenario; a program, for the table of calls is the whole process's.
        .executableTarget(
            name: "FaultWalk",
            dependencies: [
                "CEndpointsFaults", "Endpoints", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/FaultWalk"
        ),
        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop"]),
        .testTarget(
            name: "EndpointsTests",
            dependencies: [
                "EndpointStrings", "Endpoints", "EndpointsCore", "EndpointsHost", "EndpointsNet",
                "EndpointsProxy", "EndpointsTLS", "EndpointsTesting",
            ]
        ),
        .testTarget(
            name: "EndpointToolTests",
            dependencies: ["CEndpoints", "COpenSSL", "Endpoints", "endpoint"]
        ),
        .testTarget(
            name: "EndpointsServiceTests",
            dependencies: ["CEndpoints", "Endpoints", "EndpointsService"]
        ),
        .testTarget(
            name: "EndpointsMetricsTests",
            dependencies: [
                "Endpoints",
                "EndpointsMetrics",
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ]
        ),
        .testTarget(
            name: "EndpointsTracingTests",
            dependencies: [
                "Endpoints",
                "EndpointsTracing",
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ]
        ),
        .testTarget(
            name: "EndpointsTestingTests",
            dependencies: ["CEndpoints", "Endpoints", "EndpointsTesting", "EventLoop"]
        ),
    ],
    swiftLanguageModes: [.v6]
)
