// swift-tools-version: 6.2
import PackageDescription

/// One list for every target of ours.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

// MARK: Packages

let packages: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.4"),
    .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioExtras: Target.Dependency = .product(name: "NIOExtras", package: "swift-nio-extras")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let jwt: Target.Dependency = .product(name: "JWTKit", package: "jwt-kit")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

// MARK: Storeys

/// A target of one storey, in the storey's folder.
func target(_ storey: String, _ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: storey.isEmpty ? "Sources/\(name)" : "Sources/\(storey)/\(name)", swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: settings)
}

/// Wire formats and arithmetic: pure, without input or output.
let formats: [Target] = [
    target("Formats", "Wire"),
    .target(name: "CEVP", path: "Sources/Formats/CEVP", linkerSettings: [.linkedLibrary("crypto")]),
    target("Formats", "Ciphers", ["CEVP"]),
    .target(name: "CBLAKE3", path: "Sources/Formats/CBLAKE3"),
    target("Formats", "BLAKE3", ["CBLAKE3"]),
    target("Formats", "MerkleLog", ["Wire", crypto]),
    target("Formats", "SigV4", ["Wire", crypto]),
    target("Formats", "IAMPolicy", ["Wire"]),
    target("Formats", "Geometry", ["Wire"]),
    target("Formats", "Certificates", ["Wire", crypto, x509, asn1]),
]

/// Disks, sockets and other people's engines.
let drivers: [Target] = [
    .systemLibrary(name: "CSQLite", path: "Sources/Drivers/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CLibPQ", path: "Sources/Drivers/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .target(name: "CMemory", path: "Sources/Drivers/CMemory"),
    target("Drivers", "Database", ["CSQLite", "CLibPQ"]),
    target("Drivers", "Vault", ["Ciphers", "Wire"]),
    target("Drivers", "Blobs", ["Ciphers", "Wire", nioCore, nioPosix]),
]

/// What is decided about data, people and promises.
let core: [Target] = [
    target("Core", "Journal", ["Database", "Wire"]),
    target("Core", "Identity", ["Ciphers", "Database", "Journal", "Vault", "Wire", crypto, jwt]),
    target("Core", "Policy", ["Database", "IAMPolicy", "Identity", "Journal", "Wire"]),
    target("Core", "Objects", ["BLAKE3", "Blobs", "Ciphers", "Database", "Journal", "Vault", "Wire", nioCore, nioPosix]),
]

/// One target a protocol.
let apis: [Target] = [
    target("APIs", "HTTPSupport", ["Database", "Identity", "Objects", "Policy", "SigV4", "Wire", nioCore, nioExtras, nioHTTP1, nioPosix, nioSSL]),
    target("APIs", "OIDCAPI", ["HTTPSupport", "Identity", "Wire", logging, nioHTTP1]),
    target("APIs", "AdminAPI", ["HTTPSupport", "Identity", "Policy", "Wire", logging, nioHTTP1]),
    target("APIs", "SigningAPI", ["HTTPSupport", "Identity", "Policy", "SigV4", "Wire", logging, nioHTTP1]),
    target("APIs", "S3API", ["Database", "HTTPSupport", "Identity", "Objects", "Policy", "SigV4", "Wire", logging, nioCore, nioHTTP1]),
]

let workers: [Target] = [
    target("", "Workers", ["Journal", "Objects", "Wire", logging])
]

let top: [Target] = [
    target("", "Server", [
        "AdminAPI", "Blobs", "Certificates", "Ciphers", "Database", "HTTPSupport", "Identity", "Journal", "OIDCAPI", "Objects",
        "Policy", "S3API", "SigningAPI", "Vault", "Wire", "Workers", logging, nioHTTP1, nioPosix, nioSSL,
    ]),
    .executableTarget(
        name: "martlet", dependencies: ["CMemory", "Server", "Wire", arguments, httpClient, logging, nioCore, nioHTTP1, nioPosix, nioSSL], path: "Sources/martlet",
        swiftSettings: settings),
]

let package = Package(
    name: "martlet",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "martlet", targets: ["martlet"])],
    dependencies: packages,
    targets: formats + drivers + core + apis + workers + top
)
