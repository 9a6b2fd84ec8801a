// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "net-only",
    dependencies: [.package(name: "swift-endpoints", path: "../..")],
    targets: [
        .executableTarget(
            name: "NetOnly",
            dependencies: [
                .product(name: "EndpointsCore", package: "swift-endpoints"),
                .product(name: "EndpointsNet", package: "swift-endpoints"),
            ]
        )
    ],
    swiftLanguageModes: [.v6]
)
