import BucketConfiguration
import HTTPSupport
import IAMPolicy
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension S3Service {
    /// Largest CreateBucketConfiguration taken.
    private static let configurationBytesMax = 64 << 10

    /// Whoever may list all buckets sees all; every account else those whose keys it may list. Who has none sees
    /// nothing, however public buckets are.
    func listBuckets(_ list: ListBucketsParameters, _ caller: Caller) async throws -> Response {
        let all = try await gate.decide(
            caller.principal, "s3:ListAllMyBuckets", on: ResourceName.collection("*"), caller.context)
        let (visible, isTruncated) =
            all.isAllowed || !caller.principal.isAnonymous
            ? try await visibleBuckets(list, all: all.isAllowed, caller) : ([], false)
        if visible.isEmpty, !all.isAllowed {
            try await gate.require(
                caller.principal, "s3:ListAllMyBuckets", on: ResourceName.collection("*"), caller.context)
        }
        return Self.xml("ListAllMyBucketsResult") { xml in
            owner(caller.principal.name, &xml)
            xml.element("Buckets") { xml in
                for bucket in visible {
                    xml.element("Bucket") {
                        $0.element("Name", bucket.name)
                        $0.element("CreationDate", bucket.created.rfc3339Milliseconds)
                        if list != ListBucketsParameters() { $0.element("BucketRegion", Self.region) }
                    }
                }
            }
            if !list.prefix.isEmpty { xml.element("Prefix", list.prefix) }
            if isTruncated, let last = visible.last {
                xml.element("ContinuationToken", Base64.encodeURL(Array(last.name.utf8)))
            }
        }
    }

    private func visibleBuckets(
        _ list: ListBucketsParameters, all: Bool, _ caller: Caller
    ) async throws -> (buckets: [Collection], isTruncated: Bool) {
        guard list.region == nil || list.region == Self.region else { return ([], false) }
        var visible: [Collection] = []
        // Before the first that begins with the prefix, and not far.
        var after = max(list.after, String(list.prefix.dropLast()))
        while true {
            let page = try await objects.collections(after: after)
            for bucket in page {
                guard bucket.name.hasPrefix(list.prefix) else {
                    if bucket.name < list.prefix { continue }
                    return (visible, false)
                }
                var isVisible = all
                if !isVisible {
                    isVisible = try await gate.decide(
                        caller.principal, "s3:ListBucket", on: ResourceName.collection(bucket.name), caller.context
                    ).isAllowed
                }
                guard isVisible else { continue }
                if visible.count == list.limit { return (visible, true) }
                visible.append(bucket)
            }
            guard page.count == 1000, let last = page.last else { return (visible, false) }
            after = last.name
        }
    }

    /// Every node is in this one, the one that every client can sign for.
    private static let region = "us-east-1"

    func owner(_ name: String, _ xml: inout XMLWriter, as tag: StaticString = "Owner") {
        xml.element(tag) {
            $0.element("ID", name)
            $0.element("DisplayName", name)
        }
    }

    func createBucket(_ bucket: String, _ request: Request, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:CreateBucket", on: bucket)
        // A transaction makes no bucket; clients that make one to be sure are told that it is there.
        if caller.transaction != nil { _ = try await objects.collection(bucket) }
        var settings = try await newBucketAccess(bucket, request, caller)
        var payload = try Payload(request, caller)
        payload.expectations.lengthMax = Int64(Self.configurationBytesMax)
        let body = try await payload.collect(upTo: Self.configurationBytesMax)
        if !body.isEmpty {
            // Any region will do: this node is all of them.
            if let tags = try NewBucketConfiguration(parsing: body).tags, !tags.tags.isEmpty {
                try await require(caller, BucketSetting.tagging.writeAction, on: bucket)
                settings[BucketSetting.tagging.name] = String(decoding: tags.bytes, as: UTF8.self)
            }
        }
        let hasObjectLock = request.header("x-amz-bucket-object-lock-enabled")?.lowercased() == "true"
        do {
            try await objects.createCollection(
                bucket, owner: caller.principal.name, hasObjectLock: hasObjectLock, settings: settings)
        } catch let error as ObjectsError where error.code == .collectionExists {
            let owner = try await objects.collection(bucket).owner
            throw owner == caller.principal.name
                ? S3Error(.bucketAlreadyOwnedByYou, "the bucket '\(bucket)' is yours already")
                : S3Error(.bucketAlreadyExists, "the bucket '\(bucket)' is somebody else's")
        }
        return Response(.ok, headers: ["Location": "/" + bucket])
    }

    func headBucket(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:ListBucket", on: bucket)
        _ = try await objects.collection(bucket)
        return Response(.ok, headers: ["x-amz-bucket-region": Self.region])
    }

    func deleteBucket(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:DeleteBucket", on: bucket)
        try await objects.deleteCollection(bucket, by: caller.principal.name)
        return Response(.noContent)
    }

    /// An empty location is us-east-1, the region that every client can sign for.
    func getBucketLocation(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:GetBucketLocation", on: bucket)
        _ = try await objects.collection(bucket)
        return Self.xml("LocationConstraint") { _ in }
    }

    func getMissing(_ missing: MissingConfiguration, _ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:ListBucket", on: bucket)
        _ = try await objects.collection(bucket)
        throw S3Error(.init(missing.code, .notFound), "the bucket '\(bucket)' has no \(missing.rawValue) configuration")
    }
}
