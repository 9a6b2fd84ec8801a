// swift-tools-version: 6.2
import PackageDescription

let endpoints: Target.Dependency = .product(name: "Endpoints", package: "swift-endpoints")

let package = Package(
    name: "consumer",
    dependencies: [.package(name: "swift-endpoints", path: "../..")],
    targets: [
        .executableTarget(name: "Echo", dependencies: [endpoints]),
        .executableTarget(name: "Hello", dependencies: [endpoints]),
        .target(
            name: "CallSites",
            dependencies: [
                endpoints,
                .product(name: "EndpointsService", package: "swift-endpoints"),
                .product(name: "EndpointsTesting", package: "swift-endpoints"),
            ]
        ),
        .testTarget(name: "CallSitesTests", dependencies: ["CallSites", endpoints]),
    ],
    swiftLanguageModes: [.v6]
)
