// swift-tools-version: 6.2
import PackageDescription

/// One list for every target of ours.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// For digests: without optimisation they take ten times as long, and tests of large objects with them.
let alwaysOptimised: [CSetting] = [.unsafeFlags(["-O2"])]

// MARK: Packages

let packages: [Package.Dependency] = [
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
]

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioExtras: Target.Dependency = .product(name: "NIOExtras", package: "swift-nio-extras")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

// MARK: Storeys

/// A target of one storey, in the storey's folder.
func target(_ storey: String, _ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: storey.isEmpty ? "Sources/\(name)" : "Sources/\(storey)/\(name)",
        swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)", swiftSettings: settings)
}

/// Wire formats and arithmetic: pure, without input or output.
let formats: [Target] = [
    target("Formats", "Wire"),
    .target(name: "CEVP", path: "Sources/Formats/CEVP", linkerSettings: [.linkedLibrary("crypto")]),
    target("Formats", "Ciphers", ["CEVP"]),
    .target(name: "CBLAKE3", path: "Sources/Formats/CBLAKE3", cSettings: alwaysOptimised),
    target("Formats", "BLAKE3", ["CBLAKE3"]),
    .target(name: "CMD5", path: "Sources/Formats/CMD5", cSettings: alwaysOptimised),
    target("Formats", "MD5", ["CMD5"]),
    .systemLibrary(
        name: "CZlib", path: "Sources/Formats/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    target("Formats", "Archives", ["CZlib"]),
    target("Formats", "MerkleLog", ["Wire", crypto]),
    target("Formats", "SigV4", ["Wire", crypto]),
    target("Formats", "IAMPolicy", ["Wire"]),
    target("Formats", "BucketConfiguration", ["Wire"]),
    target("Formats", "Geometry", ["Wire"]),
    target("Formats", "CQL2", ["Geometry", "Wire"]),
    .target(
        name: "CCodecs", path: "Sources/Formats/CCodecs",
        linkerSettings: [.linkedLibrary("z"), .linkedLibrary("zstd")]),
    target("Formats", "Parquet", ["CCodecs"]),
    target("Formats", "GeoParquet", ["Parquet", "Wire"]),
    target("Formats", "ODataFilter", ["Wire"]),
    target("Formats", "WebDAVFormat", ["Wire"]),
    target("Formats", "LDAPMessage"),
    target("Formats", "STOMPFormat"),
    target("Formats", "SCIMFormat", ["Wire"]),
    target("Formats", "JOSE", ["Wire", crypto, cryptoExtras]),
    target("Formats", "ProductMetadata", ["Wire"]),
    target("Formats", "TraceFormat", ["BLAKE3", "MerkleLog", "Wire", crypto, cryptoExtras, x509, asn1]),
    target("Formats", "WebAuthn", ["Wire", crypto, cryptoExtras]),
    target("Formats", "Certificates", ["Wire", crypto, cryptoExtras, x509, asn1]),
]

/// Disks, sockets and other people's engines.
let drivers: [Target] = [
    .systemLibrary(
        name: "CSQLite", path: "Sources/Drivers/CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(
        name: "CLibPQ", path: "Sources/Drivers/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .target(name: "CMemory", path: "Sources/Drivers/CMemory"),
    target("Drivers", "Database", ["CSQLite", "CLibPQ"]),
    target("Drivers", "Antivirus", [nioCore, nioPosix]),
    .target(name: "CPKCS11", path: "Sources/Drivers/CPKCS11", linkerSettings: [.linkedLibrary("dl")]),
    target("Drivers", "Vault", ["CPKCS11", "Ciphers", "Wire"]),
    .systemLibrary(name: "CGDAL", path: "Sources/Drivers/CGDAL", pkgConfig: "gdal", providers: [.apt(["libgdal-dev"])]),
    target("Drivers", "SMTP", ["Wire", nioCore, nioPosix, nioSSL]),
    target("Drivers", "Processes", [nioPosix]),
    target("Drivers", "Rasters", ["Processes", "ProductMetadata", "Wire", nioCore, nioPosix]),
    target("Drivers", "Blobs", ["Ciphers", "SigV4", "Wire", httpClient, nioCore, nioHTTP1, nioPosix, nioSSL]),
]

/// What is decided about data, people and promises.
let core: [Target] = [
    target("Core", "Journal", ["Database", "Wire"]),
    target(
        "Core", "Identity",
        ["Ciphers", "Database", "IAMPolicy", "JOSE", "Journal", "Vault", "WebAuthn", "Wire", crypto]),
    target(
        "Core", "OpenID",
        ["Certificates", "Ciphers", "Database", "Identity", "JOSE", "Journal", "LDAPMessage", "Wire"]),
    target("Core", "Policy", ["BucketConfiguration", "Database", "IAMPolicy", "Identity", "Journal", "Wire"]),
    target(
        "Core", "Authority",
        ["Certificates", "Ciphers", "Database", "Identity", "Journal", "Vault", "Wire", asn1, crypto, x509]),
    target(
        "Core", "Notifications",
        ["Ciphers", "Database", "Identity", "Journal", "Policy", "Vault", "Wire", crypto]),
    target(
        "Core", "Catalogue", ["CQL2", "Database", "Geometry", "IAMPolicy", "Identity", "Journal", "Policy", "Wire"]),
    target(
        "Core", "Ledger",
        [
            "CQL2", "Certificates", "Database", "Identity", "Journal", "MerkleLog", "ODataFilter", "TraceFormat",
            "Wire",
            asn1, crypto, x509,
        ]),
    target(
        "Core", "Objects",
        [
            "Antivirus", "BLAKE3", "Blobs", "BucketConfiguration", "Ciphers", "Database", "Journal", "MD5", "Policy",
            "Vault", "Wire",
            nioCore, nioPosix,
        ]),
]

/// One target a protocol.
let apis: [Target] = [
    target(
        "APIs", "HTTPSupport",
        [
            "Authority", "CQL2", "Catalogue", "Certificates", "Ciphers", "Database", "Identity", "Journal",
            "ODataFilter", "Objects", "Policy", "SigV4", "Wire", nioCore, nioExtras, nioHTTP1, nioPosix, nioSSL,
        ]),
    target(
        "APIs", "LDAPAPI",
        [
            "Authority", "Certificates", "Ciphers", "Database", "HTTPSupport", "Identity", "Journal", "LDAPMessage",
            "Policy", "Wire", logging, nioCore,
            nioSSL,
        ]),
    target(
        "APIs", "ACMEAPI",
        ["Authority", "Certificates", "HTTPSupport", "Identity", "Wire", logging, nioHTTP1]),
    target(
        "APIs", "SCIMAPI", ["HTTPSupport", "Identity", "Policy", "SCIMFormat", "Wire", logging, nioHTTP1]),
    target(
        "APIs", "OIDCAPI",
        ["Certificates", "Ciphers", "HTTPSupport", "Identity", "JOSE", "OpenID", "Wire", logging, nioHTTP1]),
    target(
        "APIs", "AdminAPI",
        [
            "Authority", "Catalogue", "Certificates", "Ciphers", "HTTPSupport", "IAMPolicy", "Identity", "JOSE",
            "Journal",
            "Notifications", "Objects", "OpenID", "Policy", "Wire", logging, nioCore, nioHTTP1,
        ]),
    target(
        "APIs", "IAMAPI",
        [
            "Ciphers", "Database", "HTTPSupport", "IAMPolicy", "Identity", "Policy", "SigV4", "Wire", logging, nioHTTP1,
        ]),
    target(
        "APIs", "SigningAPI",
        ["HTTPSupport", "Identity", "Objects", "Policy", "SigV4", "Wire", logging, nioHTTP1]),
    target(
        "APIs", "TilesAPI",
        [
            "CQL2", "Catalogue", "Ciphers", "Geometry", "HTTPSupport", "IAMPolicy", "Identity", "Objects", "Policy",
            "ProductMetadata", "Rasters", "SigV4", "Wire", logging, nioHTTP1,
        ]),
    target(
        "APIs", "STACAPI",
        [
            "CQL2", "Catalogue", "GeoParquet", "Geometry", "HTTPSupport", "IAMPolicy", "Identity", "Journal", "Objects",
            "Policy", "Wire", logging, nioHTTP1,
        ]),
    target(
        "APIs", "ODataAPI",
        [
            "CQL2", "Catalogue", "Ciphers", "Geometry", "HTTPSupport", "IAMPolicy", "Identity", "Journal",
            "Notifications", "ODataFilter", "Objects", "Policy", "Wire", logging, nioCore, nioHTTP1,
        ]),
    target(
        "APIs", "NotificationAPI",
        [
            "HTTPSupport", "IAMPolicy", "Identity", "Journal", "Ledger", "Notifications", "ODataFilter", "Objects",
            "Policy", "TraceFormat", "Wire", logging, nioCore, nioHTTP1,
        ]),
    target(
        "APIs", "STOMPAPI",
        [
            "Certificates", "HTTPSupport", "Identity", "Journal", "Notifications", "Policy", "STOMPFormat", "Wire",
            logging, nioCore, nioHTTP1, nioSSL,
        ]),
    target(
        "APIs", "TransactionAPI",
        ["HTTPSupport", "Identity", "Journal", "Objects", "Policy", "Wire", logging, nioHTTP1]),
    .target(
        name: "TraceAPI",
        dependencies: [
            "CQL2", "Catalogue", "Certificates", "Ciphers", "HTTPSupport", "IAMPolicy", "Identity", "Ledger",
            "MerkleLog", "ODataFilter", "Policy", "TraceFormat", "Wire", logging, nioCore, nioHTTP1,
        ],
        path: "Sources/APIs/TraceAPI", resources: [.embedInCode("Assets/verify.html")], swiftSettings: settings),
    // What a browser is sent is part of the program: nothing to install, nothing to lose.
    .target(
        name: "Console",
        dependencies: [
            "Catalogue", "Ciphers", "Geometry", "HTTPSupport", "IAMPolicy", "Identity", "Journal", "Ledger",
            "MerkleLog", "Objects", "OpenID", "Policy", "TraceFormat", "WebAuthn", "Wire", asn1, logging, nioCore,
            nioHTTP1, x509,
        ],
        path: "Sources/APIs/Console",
        resources: [
            .embedInCode("Assets/console.css"), .embedInCode("Assets/console.js"), .embedInCode("Assets/mark.svg"),
        ],
        swiftSettings: settings),
    target(
        "APIs", "S3API",
        [
            "BucketConfiguration", "Database", "HTTPSupport", "IAMPolicy", "Identity", "Journal", "Notifications",
            "Objects",
            "Policy", "SigV4", "Wire", logging, nioCore, nioHTTP1,
        ]),
    target(
        "APIs", "WebDAVAPI",
        [
            "Ciphers", "Database", "HTTPSupport", "IAMPolicy", "Identity", "Journal", "Objects", "Policy", "SigV4",
            "WebDAVFormat", "Wire", logging, nioCore, nioHTTP1,
        ]),
]

let workers: [Target] = [
    target(
        "", "Workers",
        [
            "Authority", "BLAKE3", "BucketConfiguration", "CQL2", "Catalogue", "IAMPolicy", "Identity", "Journal",
            "Ledger",
            "Notifications", "Objects", "OpenID", "Policy", "ProductMetadata", "Rasters", "TraceFormat", "Wire",
            logging, nioCore,
        ])
]

let top: [Target] = [
    target(
        "", "Server",
        [
            "ACMEAPI", "AdminAPI", "Antivirus", "Authority", "Blobs", "BucketConfiguration", "Catalogue",
            "Certificates",
            "Console", "Ciphers",
            "Database", "HTTPSupport", "IAMAPI", "IAMPolicy", "Identity",
            "Journal", "LDAPAPI", "Ledger", "MerkleLog", "NotificationAPI", "Notifications", "ODataAPI", "OIDCAPI",
            "Objects", "OpenID",
            "Policy", "Processes",
            "Rasters",
            "S3API", "SCIMAPI", "SMTP", "STACAPI", "STOMPAPI", "SigV4", "SigningAPI", "TilesAPI", "TraceAPI",
            "TraceFormat",
            "TransactionAPI",
            "Vault",
            "WebDAVAPI", "Wire",
            "Workers",
            httpClient, logging, nioCore, nioHTTP1, nioPosix, nioSSL, nioTLS,
        ]),
    // GDAL reads files that strangers made, so it has a process of its own: see Drivers/Rasters.
    .executableTarget(
        name: "martlet-raster", dependencies: ["CGDAL", "ProductMetadata", "Wire"], path: "Sources/martlet-raster",
        swiftSettings: settings),
    .executableTarget(
        name: "martlet",
        dependencies: [
            "Archives", "BLAKE3", "CMemory", "Certificates", "Ciphers", "GeoParquet", "IAMPolicy", "MerkleLog",
            "Parquet",
            "ProductMetadata", "Server", "TraceFormat", "Wire", arguments, crypto,
            httpClient, logging, nioCore, nioHTTP1, nioPosix, nioSSL,
        ], path: "Sources/martlet",
        swiftSettings: settings),
]

let testTargets: [Target] = [
    .target(
        name: "TestSupport", dependencies: ["CLibPQ", "Database"], path: "Tests/TestSupport", swiftSettings: settings),
    tests("TidyTests"),
    tests("WireTests", ["Wire"]),
    tests("CiphersTests", ["Ciphers"]),
    tests("BLAKE3Tests", ["BLAKE3"]),
    tests("ArchivesTests", ["Archives"]),
    tests("MD5Tests", ["Ciphers", "MD5"]),
    tests("MerkleLogTests", ["MerkleLog", "Wire", crypto]),
    tests("SigV4Tests", ["SigV4", "Wire"]),
    tests("IAMPolicyTests", ["IAMPolicy"]),
    tests("BucketConfigurationTests", ["BucketConfiguration", "Wire"]),
    tests("GeometryTests", ["Geometry", "Wire"]),
    tests("CQL2Tests", ["CQL2", "Geometry", "Wire"]),
    tests("ParquetTests", ["Parquet"]),
    tests("GeoParquetTests", ["GeoParquet", "Parquet", "Wire"]),
    tests("WebAuthnTests", ["WebAuthn", "Wire", crypto]),
    tests("ODataFilterTests", ["ODataFilter", "Wire"]),
    tests("WebDAVFormatTests", ["WebDAVFormat", "Wire"]),
    tests("LDAPMessageTests", ["LDAPMessage"]),
    tests("STOMPFormatTests", ["STOMPFormat"]),
    tests("SCIMFormatTests", ["SCIMFormat", "Wire"]),
    tests("JOSETests", ["JOSE", "Wire"]),
    tests("OpenIDTests", ["Certificates", "Database", "Identity", "JOSE", "Journal", "OpenID", "Vault", "Wire"]),
    tests("LDAPAPITests", ["Identity", "LDAPAPI", "LDAPMessage", "Wire"]),
    tests("ProductMetadataTests", ["ProductMetadata", "Wire"]),
    tests("DatabaseTests", ["Database"]),
    tests("AntivirusTests", ["Antivirus", nioCore, nioPosix]),
    tests("VaultTests", ["Ciphers", "Vault", "Wire"]),
    tests("BlobsTests", ["Blobs", "Ciphers", "SigV4", "Wire", nioCore, nioHTTP1, nioPosix]),
    tests("ProcessesTests", ["Processes", "TraceFormat", nioPosix]),
    tests("RastersTests", ["martlet-raster", "Processes", "ProductMetadata", "Rasters", "Wire", nioCore, nioPosix]),
    tests("JournalTests", ["Database", "Journal", "Wire"]),
    tests("IdentityTests", ["Database", "IAMPolicy", "Identity", "Journal", "Vault", "WebAuthn", "Wire", crypto]),
    tests(
        "PolicyTests",
        ["BucketConfiguration", "Database", "IAMPolicy", "Identity", "Journal", "Policy", "Vault", "Wire"]),
    tests(
        "ObjectsTests",
        [
            "Antivirus", "BLAKE3", "Blobs", "BucketConfiguration", "Ciphers", "Database", "Journal", "Objects",
            "Policy", "Vault", "Wire", nioCore, nioPosix,
        ]),
    tests("CatalogueTests", ["CQL2", "Catalogue", "Database", "Geometry", "IAMPolicy", "Journal", "Policy", "Wire"]),
    tests("HTTPSupportTests", ["HTTPSupport", "Wire", httpClient, nioCore, nioHTTP1, nioPosix]),
    tests("S3APITests", ["HTTPSupport", "S3API", nioHTTP1]),
    tests(
        "IAMAPITests",
        [
            "Database", "HTTPSupport", "IAMAPI", "Identity", "Journal", "Policy", "SigV4", "Vault", "Wire", nioCore,
            nioHTTP1,
        ]),
    tests("ODataAPITests", ["Catalogue", "HTTPSupport", "ODataAPI", "Wire"]),
    tests("ConsoleTests", ["Console", "Geometry", "Wire"]),
    tests("CertificatesTests", ["Certificates", "Wire", crypto, x509, asn1]),
    tests("NotificationAPITests", ["Journal", "NotificationAPI", "Notifications", "Wire"]),
    tests("NotificationsTests", ["Ciphers", "Database", "Journal", "Notifications", "Vault", "Wire"]),
    tests(
        "WorkersTests",
        [
            "Blobs", "BucketConfiguration", "Catalogue", "Ciphers", "Database", "Journal", "Notifications", "Objects",
            "Vault", "Wire", "Workers", nioCore, nioPosix,
        ]),
    tests("TraceFormatTests", ["BLAKE3", "Certificates", "MerkleLog", "TraceFormat", "Wire", crypto]),
    tests(
        "LedgerTests",
        [
            "CQL2", "Certificates", "Database", "Identity", "Journal", "Ledger", "MerkleLog", "TraceFormat", "Vault",
            "Wire", asn1, crypto, x509,
        ]),
    tests(
        "TraceAPITests",
        [
            "Catalogue", "Certificates", "Database", "HTTPSupport", "Identity", "Journal", "Ledger", "MerkleLog",
            "Objects", "Policy", "TraceAPI", "TraceFormat", "Vault", "Wire", crypto, nioCore, nioEmbedded, nioHTTP1,
        ]),
    tests(
        "STACAPITests",
        [
            "Blobs", "Catalogue", "Database", "HTTPSupport", "Identity", "Journal", "Objects", "Policy", "STACAPI",
            "Vault", "Wire", nioCore, nioHTTP1, nioPosix,
        ]),
]

let package = Package(
    name: "martlet",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martlet-raster", targets: ["martlet-raster"]),
    ],
    dependencies: packages,
    targets: formats + drivers + core + apis + workers + top + testTargets
)
