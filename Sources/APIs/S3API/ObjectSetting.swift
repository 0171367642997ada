import BucketConfiguration
import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Wire

/// What can be changed of a version after it was made.
enum ObjectSetting: String, Sendable, CaseIterable {
    case tagging, retention
    case legalHold = "legal-hold"

    var actionName: String {
        switch self {
        case .tagging: "ObjectTagging"
        case .retention: "ObjectRetention"
        case .legalHold: "ObjectLegalHold"
        }
    }
}

extension S3Service {
    /// Whether a request asks to bypass governance; then policy must allow it.
    func bypassesGovernance(_ request: Request, _ caller: Caller, on address: ObjectAddress) async throws -> Bool {
        guard request.header("x-amz-bypass-governance-retention")?.lowercased() == "true" else { return false }
        try await require(caller, "s3:BypassGovernanceRetention", on: address)
        return true
    }

    func getSetting(_ setting: ObjectSetting, of address: ObjectAddress, _ caller: Caller) async throws -> Response {
        try await requireSetting("Get", setting, on: address, caller)
        let version = try await objects.head(
            collection: address.bucket, key: address.key, version: address.version, asOf: address.asOf,
            in: caller.transaction,
            readable: false)
        let document: [UInt8]
        switch setting {
        case .tagging: document = try TagSet(version.tags).bytes
        case .retention:
            guard let retention = version.retention else { throw Self.noLock(address) }
            document = BucketConfiguration.Retention(retention).bytes
        case .legalHold:
            guard try await objects.collection(address.bucket).hasObjectLock else { throw Self.noLock(address) }
            document = LegalHold(version.hasLegalHold ? .on : .off).bytes
        }
        var response = Response(.ok, type: "application/xml", bytes: document)
        response.headers.add(versionID: try await name(of: version, in: address.bucket))
        return response
    }

    func putSetting(
        _ setting: ObjectSetting, of address: ObjectAddress, _ request: Request, _ caller: Caller
    ) async throws -> Response {
        try await requireSetting("Put", setting, on: address, caller)
        let body = try await Payload(request, caller).collect(upTo: ConfigurationLimits.bytesMax)
        let (bucket, key, version, actor) = (address.bucket, address.key, address.version, caller.principal.name)
        switch setting {
        case .tagging:
            let tags = try TagSet(parsing: body)
            try tags.checkForObject()
            try await objects.setTags(tags.fields, collection: bucket, key: key, version: version, by: actor)
        case .retention:
            let retention = try BucketConfiguration.Retention(parsing: body)
            try retention.check(now: .now)
            try await objects.setRetention(
                ObjectRetention(retention), collection: bucket, key: key, version: version,
                bypasses: bypassesGovernance(request, caller, on: address), by: actor)
        case .legalHold:
            let hold = try LegalHold(parsing: body)
            try await objects.setLegalHold(
                hold.status == .on, collection: bucket, key: key, version: version, by: actor)
        }
        return Response(.ok)
    }

    func deleteTagging(_ address: ObjectAddress, _ caller: Caller) async throws -> Response {
        try await requireSetting("Delete", .tagging, on: address, caller)
        try await objects.setTags(
            [], collection: address.bucket, key: address.key, version: address.version, by: caller.principal.name)
        return Response(.noContent)
    }

    /// Only the actions on tags have names of their own for a version.
    private func requireSetting(
        _ verb: String, _ setting: ObjectSetting, on address: ObjectAddress, _ caller: Caller
    ) async throws {
        var address = address
        if setting != .tagging { address.version = nil }
        try await require(caller, "s3:" + verb + setting.actionName, on: address)
    }

    private static func noLock(_ address: ObjectAddress) -> S3Error {
        S3Error(
            .init("NoSuchObjectLockConfiguration", .notFound),
            "the object '\(address.key.prefix(200))' has no such lock")
    }
}

extension TagSet {
    var fields: [HeaderField] { tags.map { HeaderField(name: $0.key, value: $0.value) } }

    init(_ fields: [HeaderField]) throws(ConfigurationError) {
        try self.init(fields.map { Tag(key: $0.name, value: $0.value) })
    }
}

extension ObjectRetention {
    /// Nil for one that takes the retention off.
    init?(_ retention: BucketConfiguration.Retention) {
        guard let mode = retention.mode, let until = retention.until else { return nil }
        self.init(mode: mode, until: until)
    }
}

extension BucketConfiguration.Retention {
    init(_ retention: ObjectRetention) {
        self.init(mode: retention.mode, until: retention.until)
    }
}
