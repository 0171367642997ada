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

    /// Whoever may list all buckets sees all; everybody else those whose keys they may list.
    func listBuckets(_ caller: Caller) async throws -> Response {
        let all = try await gate.decide(
            caller.principal, "s3:ListAllMyBuckets", on: ResourceName.collection("*"), caller.context)
        var visible: [Collection] = []
        var after = ""
        while true {
            let page = try await objects.collections(after: after)
            for bucket in page {
                if all.isAllowed {
                    visible.append(bucket)
                } else if try await gate.decide(
                    caller.principal, "s3:ListBucket", on: ResourceName.collection(bucket.name), caller.context
                ).isAllowed {
                    visible.append(bucket)
                }
            }
            guard page.count == 1000, let last = page.last else { break }
            after = last.name
        }
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
                    }
                }
            }
        }
    }

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
        let opening = try await newBucketAccess(bucket, request, caller)
        var payload = try Payload(request, caller)
        payload.expectations.lengthMax = Int64(Self.configurationBytesMax)
        let body = try await payload.collect(upTo: Self.configurationBytesMax)
        // Any region will do: this node is all of them.
        if !body.isEmpty { _ = try XMLElement(parsing: body) }
        do {
            try await objects.createCollection(bucket, owner: caller.principal.name)
        } catch let error as ObjectsError where error.code == .collectionExists {
            let owner = try await objects.collection(bucket).owner
            throw owner == caller.principal.name
                ? S3Error(.bucketAlreadyOwnedByYou, "the bucket '\(bucket)' is yours already")
                : S3Error(.bucketAlreadyExists, "the bucket '\(bucket)' is somebody else's")
        }
        if request.header("x-amz-bucket-object-lock-enabled")?.lowercased() == "true" {
            try await objects.enableObjectLock(of: bucket, by: caller.principal.name)
        }
        try await opening?()
        return Response(.ok, headers: ["Location": "/" + bucket])
    }

    func headBucket(_ bucket: String, _ caller: Caller) async throws -> Response {
        try await require(caller, "s3:ListBucket", on: bucket)
        _ = try await objects.collection(bucket)
        return Response(.ok, headers: ["x-amz-bucket-region": "us-east-1"])
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
