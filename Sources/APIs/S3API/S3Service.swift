package import HTTPSupport
import IAMPolicy
import Identity
import Logging
import NIOHTTP1
package import Notifications
package import Objects
package import Policy
import Wire

/// The S3 face: buckets are collections, objects are objects (AWS S3 API 2006-03-01).
package struct S3Service: Sendable {
    let objects: Objects
    let gate: Gate
    let authenticator: Authenticator
    let domains: S3Domains
    let notifications: Notifications
    /// Whether clients come by TLS though this node does not see it, because a proxy speaks it for the node.
    let isBehindTLS: Bool
    let logger: Logger

    /// - Parameters:
    ///   - domains: names below which each bucket has a host name of its own.
    ///   - isBehindTLS: whether a proxy in front of the node speaks TLS with its clients.
    package init(
        objects: Objects, gate: Gate, authenticator: Authenticator, notifications: Notifications,
        domains: S3Domains = S3Domains([]), isBehindTLS: Bool = false
    ) {
        self.domains = domains
        self.isBehindTLS = isBehindTLS
        self.objects = objects
        self.gate = gate
        self.authenticator = authenticator
        self.notifications = notifications
        logger = Logger(label: "martlet.s3")
    }

    package func respond(to request: Request) async -> Response {
        var record = RequestRecord(request)
        var response: Response
        do {
            var operation = try Operation(request, hostBucket: domains.bucket(of: request))
            let asOf = try request.asOf
            if let asOf { operation = try operation.reading(asOf: asOf) }
            record.operation = operation
            if case .preflight(let bucket) = operation {
                response = try await preflight(bucket, request)
            } else {
                var caller = try await authenticator.caller(
                    of: request, legacyResource: legacyResource(of: request), shared: sharedPlace(of: request))
                record.caller = caller
                caller.transaction = try await TransactionHeader.transaction(of: request, by: caller, objects, gate)
                if caller.transaction != nil { try operation.checkInTransaction() }
                try await checkOwners(operation, request, caller)
                response = try await perform(operation, request, caller)
            }
            if let asOf { response.tell(asOf: asOf) }
        } catch {
            var known = S3Error(error)
            // S3 has another name for the same fault where the signature is in the query.
            if known?.code == .authorizationHeaderMalformed, request.rawQuery.contains("X-Amz-") {
                known?.code = .authorizationQueryParametersError
            }
            if let challenge = (error as? IdentityError)?.bearerChallenge, Self.isBearer(request) {
                known?.refuseToken(challenge)
            }
            if known == nil || known?.code == .internalError {
                logger.error("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
            }
            let fault =
                known
                ?? S3Error(
                    .internalError, "the request failed inside the server; it is logged as \(request.id)")
            record.error = fault.code.name
            response = fault.response(to: request)
        }
        response.headers.add(name: "x-amz-request-id", value: request.id)
        await addCORS(to: &response, request)
        await log(record, &response)
        return response
    }

    private func perform(_ operation: Operation, _ request: Request, _ caller: Caller) async throws -> Response {
        switch operation {
        case .listBuckets(let list): try await listBuckets(list, caller)
        case .createBucket(let bucket): try await createBucket(bucket, request, caller)
        case .headBucket(let bucket): try await headBucket(bucket, caller)
        case .deleteBucket(let bucket): try await deleteBucket(bucket, caller)
        case .getBucketLocation(let bucket): try await getBucketLocation(bucket, caller)
        case .getBucketVersioning(let bucket): try await getBucketVersioning(bucket, caller)
        case .putBucketVersioning(let bucket): try await putBucketVersioning(bucket, request, caller)
        case .listObjectVersions(let bucket, let list): try await listObjectVersions(bucket, list, caller)
        case .getBucketACL(let bucket): try await getBucketACL(bucket, caller)
        case .putBucketACL(let bucket): try await putBucketACL(bucket, request, caller)
        case .getConfiguration(let bucket, let setting): try await getConfiguration(setting, bucket, caller)
        case .putConfiguration(let bucket, let setting): try await putConfiguration(setting, bucket, request, caller)
        case .deleteConfiguration(let bucket, let setting): try await deleteConfiguration(setting, bucket, caller)
        case .getPolicyStatus(let bucket): try await getPolicyStatus(bucket, caller)
        case .preflight(let bucket): try await preflight(bucket, request)
        case .getMissingConfiguration(let bucket, let missing): try await getMissing(missing, bucket, caller)
        case .listObjects(let bucket, let list): try await listObjects(bucket, list, caller)
        case .listObjectsV2(let bucket, let list): try await listObjectsV2(bucket, list, caller)
        case .listMultipartUploads(let bucket, let list): try await listUploads(bucket, list, caller)
        case .deleteObjects(let bucket): try await deleteObjects(bucket, request, caller)
        case .postObject(let bucket): try await postObject(bucket, request, caller)
        case .getObject(let address, let read): try await getObject(address, read, request, caller)
        case .headObject(let address, let read): try await headObject(address, read, request, caller)
        case .getObjectAttributes(let address): try await getObjectAttributes(address, request, caller)
        case .getObjectSetting(let address, let setting): try await getSetting(setting, of: address, caller)
        case .putObjectSetting(let address, let setting): try await putSetting(setting, of: address, request, caller)
        case .deleteObjectTagging(let address): try await deleteTagging(address, caller)
        case .getObjectACL(let address): try await getObjectACL(address, caller)
        case .putObjectACL(let address): try await putObjectACL(address, request, caller)
        case .putObject(let address): try await putObject(address, request, caller)
        case .copyObject(let address): try await copyObject(address, request, caller)
        case .deleteObject(let address): try await deleteObject(address, request, caller)
        case .createMultipartUpload(let address): try await createUpload(address, request, caller)
        case .uploadPart(let address, let id, let number): try await uploadPart(address, id, number, request, caller)
        case .uploadPartCopy(let address, let id, let number):
            try await uploadPartCopy(address, id, number, request, caller)
        case .completeMultipartUpload(let address, let id): try await completeUpload(address, id, request, caller)
        case .abortMultipartUpload(let address, let id): try await abortUpload(address, id, caller)
        case .listParts(let address, let id, let after, let limit):
            try await listParts(address, id, after: after, limit: limit, caller)
        }
    }

    private static func isBearer(_ request: Request) -> Bool {
        request.credentials("Bearer") != nil || request.credentials("DPoP") != nil
    }

    /// What a presigned URL of the version before SigV4 has signed as its resource.
    private func legacyResource(of request: Request) -> String? {
        guard request.query?.has("AWSAccessKeyId") == true else { return nil }
        return domains.bucket(of: request).map { "/" + $0 + request.rawPath } ?? request.rawPath
    }

    /// What a shared access token in the query has to open.
    private func sharedPlace(of request: Request) -> (bucket: String, key: String)? {
        guard request.query?.has("sig") == true else { return nil }
        return Operation.names(request, domains.bucket(of: request))
    }

    /// Refuses what is meant for somebody else's bucket. Owners are called what answers call them: an account's name,
    /// or the node's number.
    private func checkOwners(_ operation: Operation, _ request: Request, _ caller: Caller) async throws {
        if let owner = request.header("x-amz-expected-bucket-owner"), let bucket = operation.address.bucket {
            try await check(owner, of: bucket, caller)
        }
        if let owner = request.header("x-amz-source-expected-bucket-owner") {
            try await check(owner, of: try Self.copySource(request).bucket, caller)
        }
    }

    private func check(_ owner: String, of bucket: String, _ caller: Caller) async throws {
        do {
            let found = try await objects.collection(bucket).owner
            if owner == found || owner == ResourceName.accountID { return }
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            // Who may not know whether there is a bucket hears the same of one that is not there.
            let decision = try await gate.decide(
                caller.principal, "s3:ListBucket", on: ResourceName.collection(bucket), caller.context)
            if decision.isAllowed { return }
        }
        throw S3Error(.accessDenied, "the owner of the bucket '\(bucket)' is not '\(owner.prefix(64))'")
    }

    /// Where clients find an object, in the style in which they asked.
    func location(_ address: ObjectAddress, _ request: Request) -> String {
        let key = PercentEncoding.encode(address.key, keepingSlash: true)
        return domains.bucket(of: request) == nil
            ? "\(request.origin)/\(address.bucket)/\(key)" : "\(request.origin)/\(key)"
    }

    func require(_ caller: Caller, _ action: String, on bucket: String) async throws {
        try await gate.require(caller.principal, action, on: ResourceName.collection(bucket), caller.context)
    }

    /// - Parameter action: where a version is named, S3 has a name of its own for it: `s3:GetObjectVersion`. What
    ///   somebody overwrote or deleted is seen by those who may see versions.
    func require(_ caller: Caller, _ action: String, on address: ObjectAddress) async throws {
        var action = action
        var context = caller.context
        // No ACL of an object opens the past: none has a version of this name.
        if let version = address.version ?? address.asOf.map({ "@\($0)" }) {
            action = action.replacing("Object", with: "ObjectVersion")
            context.values["s3:VersionId"] = [version]
        }
        // Kept in the write's own transaction: see writeCondition.
        if action == "s3:PutObject", caller.createsOnly(address.bucket, address.key) {
            context.values["s3:if-none-match"] = ["*"]
        }
        try await gate.require(
            caller.principal, action, on: ResourceName.object(address.bucket, address.key), context)
    }

    static let namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

    /// An answer of XML.
    static func xml(_ root: StaticString, _ body: (inout XMLWriter) throws -> Void) rethrows -> Response {
        var xml = XMLWriter()
        xml.open(root, [("xmlns", namespace)])
        try body(&xml)
        xml.close(root)
        return Response(.ok, type: "application/xml", bytes: xml.bytes)
    }
}
