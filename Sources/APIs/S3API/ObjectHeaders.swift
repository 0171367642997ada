import BucketConfiguration
import HTTPSupport
import NIOHTTP1
import Objects
import Wire

/// Headers between S3 and what is kept with an object.
enum ObjectHeaders {
    private static let kept: Set<String> = [
        "cache-control", "content-disposition", "content-encoding", "content-language", "expires",
    ]

    /// What a PUT, copy or new upload says of its object.
    ///
    /// - Throws: ``S3Error`` `NotImplemented` for a promise that would not be kept (a redirect of a web site;
    ///   appending, which would replace what there is): to ignore it would be to lie.
    static func description(of request: Request) throws -> ObjectDescription {
        var description = ObjectDescription()
        for (name, value) in request.headers {
            let name = name.lowercased()
            switch name {
            case "content-type": description.contentType = value
            case "content-encoding":
                // `aws-chunked` is how the body travelled, not what it is.
                let rest = value.split(separator: ",").map { String($0.trimmingSpaces) }.filter {
                    $0.lowercased() != "aws-chunked"
                }
                if !rest.isEmpty {
                    description.headers.append(HeaderField(name: name, value: rest.joined(separator: ",")))
                }
            case _ where kept.contains(name): description.headers.append(HeaderField(name: name, value: value))
            case _ where name.hasPrefix("x-amz-meta-"):
                description.headers.append(HeaderField(name: name, value: value))
            case "x-amz-storage-class":
                guard let storageClass = StorageClass(rawValue: value) else {
                    throw S3Error(.invalidStorageClass, "'\(value.prefix(40))' is no name of a storage class")
                }
                description.storageClass = storageClass
            case "x-amz-tagging": description.tags = try TagSet(header: value).fields
            case "x-amz-website-redirect-location", "x-amz-write-offset-bytes":
                throw S3Error(.notImplemented, "the header \(name) is not implemented")
            default: break
            }
        }
        try lock(&description, request)
        return description
    }

    private static func lock(_ description: inout ObjectDescription, _ request: Request) throws {
        switch request.header("x-amz-object-lock-legal-hold") {
        case nil, "OFF": break
        case "ON": description.hasLegalHold = true
        default: throw S3Error(.invalidArgument, "x-amz-object-lock-legal-hold is ON or OFF")
        }
        switch (request.header("x-amz-object-lock-mode"), request.header("x-amz-object-lock-retain-until-date")) {
        case (nil, nil): break
        case (let mode?, let date?):
            guard let mode = RetentionMode(rawValue: mode), let until = Timestamp(rfc3339: date), until > .now
            else {
                throw S3Error(
                    .invalidArgument, "an object is locked in the mode GOVERNANCE or COMPLIANCE until a date to come")
            }
            description.retention = ObjectRetention(mode: mode, until: until)
        default:
            throw S3Error(
                .invalidArgument, "x-amz-object-lock-mode and x-amz-object-lock-retain-until-date come together")
        }
    }

    /// What GET and HEAD say of an object.
    ///
    /// - Parameters:
    ///   - isWhole: a checksum of the whole is sent only with the whole: SDKs compare it with what they read.
    ///   - name: the version's, where clients are told of it.
    static func answer(
        _ version: ObjectVersion, overrides: ResponseOverrides, request: Request, isWhole: Bool, name: String?
    ) throws -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(16)
        headers.add(name: "ETag", value: "\"\(version.etag)\"")
        headers.add(name: "Last-Modified", value: version.created.httpDate)
        headers.add(name: "Accept-Ranges", value: "bytes")
        headers.add(name: "Content-Type", value: version.contentType)
        headers.add(version.encryption, request)
        headers.add(versionID: name)
        // S3 says nothing of what is usual.
        if version.storageClass != .standard {
            headers.add(name: "x-amz-storage-class", value: version.storageClass.rawValue)
            // Clients refuse to read what S3 would have to restore first. Here it is there already.
            if ["GLACIER", "DEEP_ARCHIVE"].contains(version.storageClass.rawValue) {
                headers.add(name: "x-amz-restore", value: #"ongoing-request="false""#)
            }
        }
        for header in version.headers { headers.add(name: header.name, value: header.value) }
        if isWhole, let checksum = version.checksum, request.header("x-amz-checksum-mode")?.uppercased() == "ENABLED" {
            headers.add(name: "x-amz-checksum-" + checksum.algorithm.rawValue.lowercased(), value: checksum.value)
            headers.add(name: "x-amz-checksum-type", value: checksum.kind.rawValue)
        }
        if !version.tags.isEmpty { headers.add(name: "x-amz-tagging-count", value: String(version.tags.count)) }
        if let retention = version.retention {
            headers.add(name: "x-amz-object-lock-mode", value: retention.mode.rawValue)
            headers.add(name: "x-amz-object-lock-retain-until-date", value: retention.until.rfc3339Milliseconds)
        }
        if version.hasLegalHold { headers.add(name: "x-amz-object-lock-legal-hold", value: "ON") }
        for override in overrides {
            guard override.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw S3Error(.invalidArgument, "response-\(override.name) has a control character")
            }
            headers.replaceOrAdd(name: override.name, value: override.value)
        }
        return headers
    }
}
