import BucketConfiguration
import HTTPSupport
import Identity
import NIOCore
import NIOHTTP1
import Objects
import SigV4
import Wire

// Uploads by a browser's form (Amazon S3 API Reference, "POST Object"): who made the form has signed what its users may
// send.
extension S3Service {
    func postObject(_ bucket: String, _ request: Request, _ caller: Caller) async throws -> Response {
        guard caller.signature == nil else {
            throw S3Error(.invalidRequest, "a form is signed by its policy, not by a header or the query")
        }
        let form = try UploadForm(request)
        var (fields, filename) = try await form.readFields()
        // Old browsers send the whole path.
        filename = filename.split { $0 == "/" || $0 == "\\" }.last.map(String.init) ?? ""
        guard let index = fields.firstIndex(where: { $0.name.lowercased() == "key" }) else {
            throw Self.missing("key")
        }
        fields[index].value = fields[index].value.replacing("${filename}", with: filename)
        let address = ObjectAddress(bucket: bucket, key: fields[index].value)
        let caller = try await signer(of: fields, form, bucket, request) ?? caller
        // A form's fields say what a PUT says in headers.
        var put = request
        put.headers = try Self.headers(of: fields)
        try await require(withConditions(caller, put), "s3:PutObject", on: address)
        let description = try await description(of: put, address, caller)
        var expectations = BodyExpectations()
        expectations.checksum = try Payload.announcedChecksum(put.headers)
        expectations.md5 = try Payload.announcedMD5(put.headers)
        let version = try await objects.put(
            collection: bucket, key: address.key, description: description, expecting: expectations,
            by: caller.principal.name, as: .post, condition: writeCondition(put, caller, address), body: form)
        let headers = try await written(version, put, in: bucket)
        return answer(version, address, fields, headers, request)
    }

    /// Who signed the form; nil where it has no policy, so that it is as good as its sender.
    private func signer(
        of fields: [(name: String, value: String)], _ form: UploadForm, _ bucket: String, _ request: Request
    ) async throws -> Caller? {
        func field(_ name: String) -> String? { fields.first { $0.name.lowercased() == name }?.value }
        guard let text = field("policy") else {
            guard field("x-amz-signature") == nil, field("signature") == nil else { throw Self.missing("policy") }
            return nil
        }
        guard field("x-amz-signature") != nil || field("signature") != nil else {
            throw Self.missing("X-Amz-Signature")
        }
        let caller =
            if let legacy = try LegacySignature.find(policy: text, field) {
                try await authenticator.caller(of: request, form: legacy)
            } else {
                try await authenticator.caller(of: request, policy: text, PostSignature(field))
            }
        do throws(PostPolicyError) {
            let policy = try PostPolicy(base64: text)
            try policy.check(fields, bucket: bucket, now: .now)
            form.limit(policy.lengthRange)
        } catch {
            switch error {
            case .malformed(let detail): throw S3Error(.invalidPolicyDocument, "Invalid Policy: \(detail)")
            case .refused(let detail): throw S3Error(.accessDenied, "Invalid according to Policy: \(detail)")
            }
        }
        return caller
    }

    private static func missing(_ name: String) -> S3Error {
        S3Error(
            .invalidArgument,
            "Bucket POST must contain a field named '\(name)'. If it is specified, please check the order of the fields."
        )
    }

    /// Names of fields that mean what the header of that name means.
    private static let headerFields: Set<String> = [
        "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5", "content-type",
        "expires",
    ]

    private static func headers(of fields: [(name: String, value: String)]) throws -> HTTPHeaders {
        var headers = HTTPHeaders()
        for field in fields {
            let name = field.name.lowercased()
            switch name {
            case "acl": headers.add(name: "x-amz-acl", value: field.value)
            case "tagging":
                let tags = try TagSet(parsing: Array(field.value.utf8))
                try tags.checkForObject()
                headers.add(name: "x-amz-tagging", value: tags.header)
            case _ where headerFields.contains(name) || name.hasPrefix("x-amz-"):
                guard field.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                    throw S3Error(.invalidArgument, "the field '\(name.prefix(80))' has a control character")
                }
                headers.add(name: name, value: field.value)
            default: break
            }
        }
        return headers
    }

    /// What the form asked to be answered with: a redirection, a status, or nothing in particular.
    private func answer(
        _ version: ObjectVersion, _ address: ObjectAddress, _ fields: [(name: String, value: String)],
        _ headers: HTTPHeaders, _ request: Request
    ) -> Response {
        func field(_ name: String) -> String? { fields.first { $0.name.lowercased() == name }?.value }
        var headers = headers
        headers.add(name: "Location", value: location(address, request))
        if let target = field("success_action_redirect") ?? field("redirect"), Self.isAddress(target) {
            let query = QueryItems([
                ("bucket", address.bucket), ("key", address.key), ("etag", "\"\(version.etag)\""),
            ])
            headers.replaceOrAdd(name: "Location", value: target + (target.contains("?") ? "&" : "?") + query.encoded)
            return Response(.seeOther, headers: headers)
        }
        switch field("success_action_status") {
        case "200": return Response(.ok, headers: headers)
        case "201":
            var xml = XMLWriter()
            xml.element("PostResponse") {
                $0.element("Location", location(address, request))
                $0.element("Bucket", address.bucket)
                $0.element("Key", address.key)
                $0.element("ETag", "\"\(version.etag)\"")
            }
            headers.add(name: "Content-Type", value: "application/xml")
            return Response(.created, headers: headers, body: .buffer(ByteBuffer(bytes: xml.bytes)))
        // As in S3, any other status is the usual one.
        default: return Response(.noContent, headers: headers)
        }
    }

    private static func isAddress(_ text: String) -> Bool {
        (text.hasPrefix("http://") || text.hasPrefix("https://")) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
