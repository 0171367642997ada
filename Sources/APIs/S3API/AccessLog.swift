import BucketConfiguration
import HTTPSupport
import Identity
import NIOCore
import NIOHTTP1
import Objects
import SigV4
import Synchronization
import Wire

/// What an access log tells of a request, as far as it is known before the answer.
struct RequestRecord {
    let request: Request
    let began = ContinuousClock.now
    var operation: Operation?
    var caller: Caller?
    /// S3's code, where the request failed.
    var error: String?

    init(_ request: Request) { self.request = request }
}

extension S3Service {
    /// Notes a request where its bucket's accesses are logged; one whose answer is a stream once that has ended.
    func log(_ record: RequestRecord, _ response: inout Response) async {
        guard let operation = record.operation, let bucket = operation.address.bucket,
            let isLogged = try? await objects.activeSettings(of: bucket).logging != nil, isLogged,
            let collection = try? await objects.collection(bucket)
        else { return }
        let line = line(of: record, operation, response, in: collection)
        guard case .stream(let length, let produce) = response.body, record.request.method != .HEAD else {
            objects.log(line, of: collection)
            return
        }
        response.body = .stream(length: length) { [objects, began = record.began] writer in
            let sent = Atomic<Int64>(0)
            let counting = writer.observed { sent.wrappingAdd(Int64($0), ordering: .relaxed) }
            defer {
                var line = line
                line.bytesSent = sent.load(ordering: .relaxed)
                line.totalMilliseconds = (ContinuousClock.now - began).milliseconds
                objects.log(line, of: collection)
            }
            try await produce(counting)
        }
    }

    private func line(
        of record: RequestRecord, _ operation: Operation, _ response: Response, in collection: Collection
    ) -> AccessLogLine {
        let request = record.request
        let milliseconds = (ContinuousClock.now - record.began).milliseconds
        let target = request.rawQuery.isEmpty ? request.rawPath : request.rawPath + "?" + request.rawQuery
        var line = AccessLogLine(
            owner: collection.owner, bucket: collection.name, time: .now, address: request.connection.remoteAddress,
            requestID: request.id, operation: operation.logName,
            request: "\(request.method.rawValue) \(target) HTTP/1.1",
            status: Int(response.status.code), totalMilliseconds: milliseconds)
        line.turnAroundMilliseconds = milliseconds
        line.requester = record.caller.flatMap { $0.principal.isAnonymous ? nil : $0.principal.name }
        line.key = operation.address.key
        line.error = record.error
        line.version = operation.address.version ?? response.headers.first(name: "x-amz-version-id")
        line.referer = request.header("referer")
        line.userAgent = request.header("user-agent")
        line.host = request.header("host")
        if let signature = record.caller?.signature {
            line.signature = "SigV4"
            line.authentication = signature.authorization.form == .header ? "AuthHeader" : "QueryString"
        }
        if case .buffer(let buffer) = response.body, request.method != .HEAD {
            line.bytesSent = Int64(buffer.readableBytes)
        }
        line.objectSize = Self.objectSize(operation, request, response)
        return line
    }

    private static func objectSize(_ operation: Operation, _ request: Request, _ response: Response) -> Int64? {
        guard response.status.code < 300 else { return nil }
        switch operation {
        case .getObject, .headObject:
            if let range = response.headers.first(name: "content-range") {
                return range.split(separator: "/").last.flatMap { Int64($0) }
            }
            switch response.body {
            case .buffer(let buffer): return Int64(buffer.readableBytes)
            case .stream(let length, _): return length
            case .empty: return response.headers.first(name: "content-length").flatMap { Int64($0) } ?? 0
            }
        case .putObject, .uploadPart:
            return (request.header("x-amz-decoded-content-length") ?? request.header("content-length")).flatMap {
                Int64($0)
            }
        default: return nil
        }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}

extension Operation {
    /// What it is about.
    var address: (bucket: String?, key: String?, version: String?) {
        switch self {
        case .listBuckets: (nil, nil, nil)
        case .createBucket(let bucket), .headBucket(let bucket), .deleteBucket(let bucket),
            .getBucketLocation(let bucket), .getBucketVersioning(let bucket), .putBucketVersioning(let bucket),
            .getBucketACL(let bucket), .putBucketACL(let bucket), .getConfiguration(let bucket, _),
            .putConfiguration(let bucket, _), .deleteConfiguration(let bucket, _), .getPolicyStatus(let bucket),
            .preflight(let bucket), .getMissingConfiguration(let bucket, _), .listObjects(let bucket, _),
            .listObjectsV2(let bucket, _), .listObjectVersions(let bucket, _), .listMultipartUploads(let bucket, _),
            .deleteObjects(let bucket), .postObject(let bucket):
            (bucket, nil, nil)
        case .getObject(let address, _), .headObject(let address, _), .getObjectAttributes(let address),
            .getObjectSetting(let address, _), .putObjectSetting(let address, _), .deleteObjectTagging(let address),
            .getObjectACL(let address), .putObjectACL(let address), .putObject(let address), .copyObject(let address),
            .deleteObject(let address), .createMultipartUpload(let address), .uploadPart(let address, _, _),
            .uploadPartCopy(let address, _, _), .completeMultipartUpload(let address, _),
            .abortMultipartUpload(let address, _), .listParts(let address, _, _, _):
            (address.bucket, address.key, address.version)
        }
    }

    /// As S3's access logs call it.
    var logName: String {
        switch self {
        case .listBuckets: "REST.GET.SERVICE"
        case .createBucket: "REST.PUT.BUCKET"
        case .headBucket: "REST.HEAD.BUCKET"
        case .deleteBucket: "REST.DELETE.BUCKET"
        case .getBucketLocation: "REST.GET.LOCATION"
        case .getBucketVersioning: "REST.GET.VERSIONING"
        case .putBucketVersioning: "REST.PUT.VERSIONING"
        case .getBucketACL, .getObjectACL: "REST.GET.ACL"
        case .putBucketACL, .putObjectACL: "REST.PUT.ACL"
        case .getConfiguration(_, let setting): "REST.GET." + setting.logName
        case .putConfiguration(_, let setting): "REST.PUT." + setting.logName
        case .deleteConfiguration(_, let setting): "REST.DELETE." + setting.logName
        case .getPolicyStatus: "REST.GET.POLICY_STATUS"
        case .preflight: "REST.OPTIONS.PREFLIGHT"
        case .getMissingConfiguration(_, let missing): "REST.GET." + missing.rawValue.uppercased()
        case .listObjects, .listObjectsV2: "REST.GET.BUCKET"
        case .listObjectVersions: "REST.GET.BUCKETVERSIONS"
        case .listMultipartUploads: "REST.GET.UPLOADS"
        case .postObject: "REST.POST.OBJECT"
        case .deleteObjects: "REST.POST.MULTI_OBJECT_DELETE"
        case .getObject: "REST.GET.OBJECT"
        case .headObject: "REST.HEAD.OBJECT"
        case .getObjectAttributes: "REST.GET.OBJECT_ATTRIBUTES"
        case .getObjectSetting(_, let setting): "REST.GET." + setting.logName
        case .putObjectSetting(_, let setting): "REST.PUT." + setting.logName
        case .deleteObjectTagging: "REST.DELETE.OBJECT_TAGGING"
        case .putObject: "REST.PUT.OBJECT"
        case .copyObject: "REST.COPY.OBJECT"
        case .deleteObject: "REST.DELETE.OBJECT"
        case .createMultipartUpload: "REST.POST.UPLOADS"
        case .uploadPart: "REST.PUT.PART"
        case .uploadPartCopy: "REST.COPY.PART"
        case .completeMultipartUpload: "REST.POST.UPLOAD"
        case .abortMultipartUpload: "REST.DELETE.UPLOAD"
        case .listParts: "REST.GET.UPLOAD"
        }
    }
}

extension BucketSetting {
    fileprivate var logName: String {
        switch self {
        case .policy: "BUCKETPOLICY"
        case .cors: "CORS"
        case .tagging: "TAGGING"
        case .lifecycle: "LIFECYCLE"
        case .website: "WEBSITE"
        case .encryption: "ENCRYPTION"
        case .publicAccessBlock: "PUBLIC_ACCESS_BLOCK"
        case .ownershipControls: "OWNERSHIP_CONTROLS"
        case .logging: "LOGGING_STATUS"
        case .notification: "NOTIFICATION"
        case .requestPayment: "REQUEST_PAYMENT"
        case .accelerate: "ACCELERATE"
        case .objectLock: "OBJECT_LOCK_CONFIGURATION"
        }
    }
}

extension ObjectSetting {
    fileprivate var logName: String {
        switch self {
        case .tagging: "OBJECT_TAGGING"
        case .retention: "OBJECT_LOCK_RETENTION"
        case .legalHold: "OBJECT_LOCK_LEGALHOLD"
        }
    }
}
