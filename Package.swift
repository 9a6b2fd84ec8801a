// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-endpoints",
    products: [
        .library(name: "Endpoints", targets: ["Endpoints"]),
        .executable(name: "endpoint", targets: ["endpoint"]),
    ],
    dependencies: [
        // The logger that programs hand in.
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
        // The command line of `endpoint`; no user of the library builds it.
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
    ],
    targets: [
        .target(name: "CEndpoints"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "EventLoop", dependencies: ["CEndpoints"]),
        .target(
            name: "Endpoints",
            dependencies: [
                "CEndpoints",
                "COpenSSL",
                "EventLoop",
                .product(name: "Logging", package: "swift-log"),
            ],
            // ReadBuffer.bytes hands out a span that depends on the buffer.
            swiftSettings: [.enableExperimentalFeature("Lifetimes")]
        ),
        .executableTarget(
            name: "endpoint",
            dependencies: [
                "Endpoints",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop"]),
        .testTarget(name: "EndpointsTests", dependencies: ["Endpoints"]),
        .testTarget(name: "EndpointToolTests", dependencies: ["endpoint"]),
    ],
    swiftLanguageModes: [.v6]
)
