import HTTPSupport
import NIOHTTP1
import SigV4
import Wire

/// The operations of S3 that Martlet speaks, each with exactly the parameters that it takes.
///
/// A request is one of these or it is refused: a sub-resource that is not known (`?torrent`, `?inventory`) can never be
/// taken for the operation of the bare address, which is how other servers came to create buckets when asked for a
/// policy.
enum Operation: Equatable, Sendable {
    case listBuckets(ListBucketsParameters)
    case createBucket(String)
    case headBucket(String)
    case deleteBucket(String)
    case getBucketLocation(String)
    case getBucketVersioning(String)
    case putBucketVersioning(String)
    case getBucketACL(String)
    case putBucketACL(String)
    case getConfiguration(String, BucketSetting)
    case putConfiguration(String, BucketSetting)
    case deleteConfiguration(String, BucketSetting)
    case getPolicyStatus(String)
    /// What a browser asks before a request to a bucket or an object in it.
    case preflight(String)
    /// A configuration that a bucket does not have; the answer is S3's error for that.
    case getMissingConfiguration(String, MissingConfiguration)
    case listObjects(String, ListParameters)
    case listObjectsV2(String, ListParameters)
    case listObjectVersions(String, ListParameters)
    case listMultipartUploads(String, ListUploadsParameters)
    case deleteObjects(String)
    /// An upload by a browser's form.
    case postObject(String)
    case getObject(ObjectAddress, ReadParameters)
    case headObject(ObjectAddress, ReadParameters)
    case getObjectAttributes(ObjectAddress)
    /// Tags, retention and legal hold: what can be changed of a version.
    case getObjectSetting(ObjectAddress, ObjectSetting)
    case putObjectSetting(ObjectAddress, ObjectSetting)
    case deleteObjectTagging(ObjectAddress)
    case getObjectACL(ObjectAddress)
    case putObjectACL(ObjectAddress)
    case putObject(ObjectAddress)
    case copyObject(ObjectAddress)
    case deleteObject(ObjectAddress)
    case createMultipartUpload(ObjectAddress)
    case uploadPart(ObjectAddress, uploadID: String, number: Int)
    case uploadPartCopy(ObjectAddress, uploadID: String, number: Int)
    case completeMultipartUpload(ObjectAddress, uploadID: String)
    case abortMultipartUpload(ObjectAddress, uploadID: String)
    case listParts(ObjectAddress, uploadID: String, after: Int, limit: Int)
}

struct ObjectAddress: Hashable, Sendable {
    var bucket: String
    var key: String
    /// The version's name; nil for the current one.
    var version: String?
    /// The TID whose state is read; nil for the present one.
    var asOf: Int64?
}

/// What GET and HEAD of an object may ask for besides the object.
struct ReadParameters: Hashable, Sendable {
    var overrides: ResponseOverrides = []
    /// Only this part of a multipart object.
    var part: Int?

    /// Parameters, and the headers that they are answered in.
    static let overridable = [
        "content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding",
    ].map { (parameter: "response-" + $0, header: $0) }
}

/// `response-content-type` and its like: headers that a GET may ask to be answered with.
typealias ResponseOverrides = [HeaderPair]

struct HeaderPair: Hashable, Sendable {
    var name: String
    var value: String
}

struct ListParameters: Hashable, Sendable {
    var prefix = ""
    var delimiter = ""
    /// V1's marker, or V2's continuation token or start-after.
    var after = ""
    /// As the client gave them, to be repeated in the answer.
    var marker = ""
    var continuationToken: String?
    var startAfter: String?
    var limit = 1000
    var encodesKeys = false
    var fetchesOwner = false
    /// Of ListObjectVersions: after this version of the key `after`.
    var versionMarker = ""
    /// The TID whose state is listed; nil for the present one.
    var asOf: Int64?
}

struct ListBucketsParameters: Hashable, Sendable {
    static let limitMax = 10_000

    var prefix = ""
    /// What the continuation token says: the last bucket of the page before.
    var after = ""
    var limit = limitMax
    /// Only buckets of this region.
    var region: String?
}

struct ListUploadsParameters: Hashable, Sendable {
    var prefix = ""
    var delimiter = ""
    var keyMarker = ""
    var idMarker = ""
    var limit = 1000
    var encodesKeys = false
}

/// Configurations that exist in S3 and that no bucket has here.
enum MissingConfiguration: String, Sendable, CaseIterable {
    case replication

    var code: String {
        switch self {
        case .replication: "ReplicationConfigurationNotFoundError"
        }
    }
}

extension Operation {
    /// Finds the operation of a request.
    ///
    /// - Parameter hostBucket: the bucket that the request's host names; the whole path is the key then.
    /// - Throws: ``S3Error`` `NotImplemented` for a sub-resource or parameter that the operation does not have,
    ///   `MethodNotAllowed`, `InvalidURI`, `InvalidArgument`.
    init(_ request: Request, hostBucket: String? = nil) throws(S3Error) {
        guard let query = request.query else {
            throw S3Error(.invalidURI, "the query is not valid percent-encoding")
        }
        guard let (bucket, key) = Self.names(request, hostBucket) else {
            throw S3Error(.invalidURI, "the path is not valid percent-encoded UTF-8")
        }
        guard !bucket.utf8.contains(0), !key.utf8.contains(0) else {
            throw S3Error(.invalidArgument, "the name of a bucket or key contains a NUL character")
        }
        var parameters = Parameters(query)
        let method = request.method
        let isCopy = request.headers.contains(name: "x-amz-copy-source")
        if method == .OPTIONS, !bucket.isEmpty {
            // Asked with the address of the request to come, signed or not: its parameters are that request's.
            self = .preflight(bucket)
            return
        }
        if bucket.isEmpty {
            guard method == .GET || method == .HEAD else {
                throw S3Error(.methodNotAllowed, "the service itself takes GET only")
            }
            var list = ListBucketsParameters()
            list.prefix = parameters.take("prefix") ?? ""
            list.region = parameters.take("bucket-region")
            list.after = try parameters.continuation()?.after ?? ""
            if let limit = try parameters.integer("max-buckets") {
                guard (1...ListBucketsParameters.limitMax).contains(limit) else {
                    throw S3Error(.invalidArgument, "max-buckets is 1 to 10,000, not \(limit)")
                }
                list.limit = limit
            }
            self = .listBuckets(list)
        } else if key.isEmpty {
            let isForm =
                request.header("content-type")?.lowercased().hasPrefix("multipart/form-data") == true
            self = try Self.bucketOperation(bucket, method, &parameters, isForm: isForm)
        } else {
            self = try Self.objectOperation(
                ObjectAddress(bucket: bucket, key: key), method, &parameters, isCopy: isCopy)
        }
        if let unknown = parameters.unused.first {
            throw S3Error(.notImplemented, "'\(unknown.prefix(64))' is not implemented for \(method.rawValue) here")
        }
    }

    /// The bucket and the key that a request speaks of, either of them empty where it names none; nil where its
    /// percent-encoding is broken.
    static func names(_ request: Request, _ hostBucket: String?) -> (bucket: String, key: String)? {
        if let hostBucket {
            let path = request.rawPath.hasPrefix("/") ? request.rawPath.dropFirst() : request.rawPath[...]
            return PercentEncoding.decode(path).map { (hostBucket, $0) }
        }
        let path = request.rawPath.utf8.drop { $0 == UInt8(ascii: "/") }
        let bucketEnd = path.firstIndex(of: UInt8(ascii: "/")) ?? path.endIndex
        guard let bucket = PercentEncoding.decode(Substring(path[..<bucketEnd])),
            let key = PercentEncoding.decode(Substring(path[bucketEnd...].dropFirst()))
        else { return nil }
        return (bucket, key)
    }

    private static func bucketOperation(
        _ bucket: String, _ method: HTTPMethod, _ parameters: inout Parameters, isForm: Bool
    ) throws(S3Error) -> Operation {
        switch method {
        case .PUT:
            if parameters.take("versioning") != nil { return .putBucketVersioning(bucket) }
            if parameters.take("acl") != nil { return .putBucketACL(bucket) }
            for setting in BucketSetting.allCases where parameters.take(setting.rawValue) != nil {
                return .putConfiguration(bucket, setting)
            }
            return .createBucket(bucket)
        case .HEAD: return .headBucket(bucket)
        case .DELETE:
            for setting in BucketSetting.allCases where setting.isDeletable {
                if parameters.take(setting.rawValue) != nil { return .deleteConfiguration(bucket, setting) }
            }
            return .deleteBucket(bucket)
        case .POST:
            if parameters.take("delete") != nil { return .deleteObjects(bucket) }
            if isForm { return .postObject(bucket) }
            throw S3Error(.notImplemented, "a POST to a bucket is known with ?delete, or as multipart/form-data")
        case .GET: break
        default: throw S3Error(.methodNotAllowed, "a bucket takes GET, HEAD, PUT, POST and DELETE")
        }
        if parameters.take("location") != nil { return .getBucketLocation(bucket) }
        if parameters.take("versioning") != nil { return .getBucketVersioning(bucket) }
        if parameters.take("acl") != nil { return .getBucketACL(bucket) }
        if parameters.take("uploads") != nil {
            var list = ListUploadsParameters()
            list.prefix = parameters.take("prefix") ?? ""
            list.delimiter = parameters.take("delimiter") ?? ""
            list.keyMarker = parameters.take("key-marker") ?? ""
            list.idMarker = parameters.take("upload-id-marker") ?? ""
            list.limit = try parameters.limit("max-uploads")
            list.encodesKeys = try parameters.encoding()
            return .listMultipartUploads(bucket, list)
        }
        if parameters.take("policyStatus") != nil { return .getPolicyStatus(bucket) }
        for setting in BucketSetting.allCases where parameters.take(setting.rawValue) != nil {
            return .getConfiguration(bucket, setting)
        }
        for missing in MissingConfiguration.allCases where parameters.take(missing.rawValue) != nil {
            return .getMissingConfiguration(bucket, missing)
        }
        var list = ListParameters()
        let listsVersions = parameters.take("versions") != nil
        let type = parameters.take("list-type")
        list.prefix = parameters.take("prefix") ?? ""
        list.delimiter = parameters.take("delimiter") ?? ""
        list.limit = try parameters.limit("max-keys")
        list.encodesKeys = try parameters.encoding()
        switch type {
        case nil where listsVersions:
            list.marker = parameters.take("key-marker") ?? ""
            list.after = list.marker
            list.versionMarker = parameters.take("version-id-marker") ?? ""
            guard list.versionMarker.isEmpty || !list.marker.isEmpty else {
                throw S3Error(.invalidArgument, "a version-id-marker comes with its key-marker")
            }
            return .listObjectVersions(bucket, list)
        case nil:
            list.marker = parameters.take("marker") ?? ""
            list.after = list.marker
            return .listObjects(bucket, list)
        case "2":
            list.startAfter = parameters.take("start-after")
            list.fetchesOwner = parameters.take("fetch-owner") == "true"
            let continuation = try parameters.continuation()
            list.continuationToken = continuation?.token
            list.after = continuation?.after ?? list.startAfter ?? ""
            return .listObjectsV2(bucket, list)
        default: throw S3Error(.invalidArgument, "list-type is 2 or absent")
        }
    }

    private static func objectOperation(
        _ address: ObjectAddress, _ method: HTTPMethod, _ parameters: inout Parameters, isCopy: Bool
    ) throws(S3Error) -> Operation {
        var address = address
        switch method {
        case .GET, .HEAD, .DELETE: address.version = parameters.take("versionId")
        case .PUT where ObjectSetting.allCases.contains { parameters.has($0.rawValue) }:
            address.version = parameters.take("versionId")
        default: break
        }
        switch method {
        case .GET, .HEAD:
            if method == .GET, let upload = parameters.take("uploadId") {
                let after = try parameters.integer("part-number-marker") ?? 0
                return .listParts(address, uploadID: upload, after: after, limit: try parameters.limit("max-parts"))
            }
            if method == .GET, parameters.take("acl") != nil { return .getObjectACL(address) }
            if method == .GET, parameters.take("attributes") != nil { return .getObjectAttributes(address) }
            for setting in ObjectSetting.allCases where method == .GET && parameters.take(setting.rawValue) != nil {
                return .getObjectSetting(address, setting)
            }
            var read = ReadParameters()
            if let part = try parameters.integer("partNumber") {
                guard (1...10_000).contains(part) else {
                    throw S3Error(.invalidArgument, "partNumber is 1 to 10,000, not \(part)")
                }
                read.part = part
            }
            for (parameter, name) in ReadParameters.overridable {
                if let value = parameters.take(parameter) {
                    read.overrides.append(HeaderPair(name: name, value: value))
                }
            }
            return method == .GET ? .getObject(address, read) : .headObject(address, read)
        case .PUT:
            if let upload = parameters.take("uploadId") {
                guard let number = try parameters.integer("partNumber") else {
                    throw S3Error(.invalidArgument, "an uploaded part has a partNumber")
                }
                return isCopy
                    ? .uploadPartCopy(address, uploadID: upload, number: number)
                    : .uploadPart(address, uploadID: upload, number: number)
            }
            if parameters.take("acl") != nil {
                address.version = parameters.take("versionId")
                return .putObjectACL(address)
            }
            for setting in ObjectSetting.allCases where parameters.take(setting.rawValue) != nil {
                return .putObjectSetting(address, setting)
            }
            return isCopy ? .copyObject(address) : .putObject(address)
        case .DELETE:
            if let upload = parameters.take("uploadId") { return .abortMultipartUpload(address, uploadID: upload) }
            if parameters.take("tagging") != nil { return .deleteObjectTagging(address) }
            return .deleteObject(address)
        case .POST:
            if parameters.take("uploads") != nil { return .createMultipartUpload(address) }
            if let upload = parameters.take("uploadId") { return .completeMultipartUpload(address, uploadID: upload) }
            throw S3Error(.notImplemented, "a POST to an object is known with ?uploads or ?uploadId only")
        default: throw S3Error(.methodNotAllowed, "an object takes GET, HEAD, PUT, POST and DELETE")
        }
    }
}

/// The parameters of a query, each to be taken once; what is left over nobody knew.
private struct Parameters {
    private let query: QueryItems
    /// A handful, so that looking through them costs less than hashing.
    private var taken: [String] = []

    /// Parameters of the signature, and the name that newer SDKs add for their own logs.
    private static let always: Set<String> = Set(
        [
            "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
            "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-User-Agent", "x-id",
            // Of the version before, with the headers that its URLs repeat.
            "AWSAccessKeyId", "Signature", "Expires", "content-md5", "content-type", "x-amz-security-token",
        ] + SharedAccessToken.parameters)

    init(_ query: QueryItems) { self.query = query }

    mutating func take(_ name: String) -> String? {
        if query.items.isEmpty { return nil }
        taken.append(name)
        return query[name]
    }

    func has(_ name: String) -> Bool { query.has(name) }

    mutating func integer(_ name: String) throws(S3Error) -> Int? {
        guard let text = take(name) else { return nil }
        guard let value = Int(text), value >= 0 else {
            throw S3Error(.invalidArgument, "'\(name)' is a whole number of at least 0, not '\(text.prefix(40))'")
        }
        return value
    }

    /// A page's size: what was asked for, at most 1,000.
    mutating func limit(_ name: String) throws(S3Error) -> Int { min(try integer(name) ?? 1000, 1000) }

    /// Where a list goes on, as the page before said.
    mutating func continuation() throws(S3Error) -> (token: String, after: String)? {
        guard let token = take("continuation-token") else { return nil }
        guard let bytes = Base64.decode(token), let after = String(validating: bytes, as: UTF8.self) else {
            throw S3Error(.invalidArgument, "the continuation token is not one of this server's")
        }
        return (token, after)
    }

    mutating func encoding() throws(S3Error) -> Bool {
        guard let encoding = take("encoding-type") else { return false }
        guard encoding == "url" else {
            throw S3Error(.invalidArgument, "encoding-type is 'url', not '\(encoding.prefix(40))'")
        }
        return true
    }

    var unused: [String] {
        query.items.lazy.map(\.name).filter { !taken.contains($0) && !Self.always.contains($0) }
    }
}
