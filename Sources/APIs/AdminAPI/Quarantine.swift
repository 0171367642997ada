import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/quarantine`, `/quarantine/release` and `/quarantine/delete`: versions that nobody may read. Which one is meant
    /// stands in the body, since keys are no good names in a path.
    func quarantine(_ call: Call) async throws -> Response {
        switch (call.path, call.method) {
        case ([], .GET):
            try await require(call, "martlet:ListQuarantine", on: ResourceName.quarantine("*"))
            guard let after = Int64(call.after.isEmpty ? "0" : call.after) else {
                throw Problem.badRequest("after is the 'number' of the last entry of the page before")
            }
            let page = try await objects.quarantined(after: after)
            return Self.answer { json in
                json.key("quarantined")
                json.array { json in for entry in page { json.object { write(entry, &$0) } } }
            }
        case ([], .POST):
            let (collection, key, version, body) = try await named(call, "martlet:QuarantineObject")
            let reason = try body.required("reason")
            try await objects.quarantine(
                collection: collection, key: key, version: version, reason: reason, by: call.actor)
            return Response(.noContent)
        case (["release"], .POST):
            let (collection, key, version, _) = try await named(call, "martlet:ReleaseObject")
            try await objects.release(
                collection: collection, key: key, version: try Self.given(version), by: call.actor)
            return Response(.noContent)
        case (["delete"], .POST):
            let (collection, key, version, _) = try await named(call, "martlet:DeleteQuarantined")
            try await objects.deleteQuarantined(
                collection: collection, key: key, version: try Self.given(version), by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private func named(
        _ call: Call, _ action: String
    ) async throws -> (collection: String, key: String, version: String?, body: JSONValue) {
        let body = try await call.body()
        let collection = try body.required("collection")
        let key = try body.required("key")
        try await require(call, action, on: ResourceName.quarantine("\(collection)/\(key)"))
        return (collection, key, body["versionId"]?.string, body)
    }

    private static func given(_ version: String?) throws -> String {
        guard let version else { throw Problem.badRequest("the member 'versionId' is missing") }
        return version
    }

    private func write(_ entry: QuarantinedVersion, _ json: inout JSONWriter) {
        json.member("collection", entry.collection)
        json.member("key", entry.version.key)
        json.member("versionId", entry.version.id.text)
        json.member("current", entry.version.isCurrent)
        json.member("size", entry.version.size)
        json.member("created", entry.version.created.rfc3339)
        json.member("reason", entry.reason)
        json.member("number", entry.version.number)
    }

    /// `/scanning/{collection}`: what becomes of infected objects.
    func scanning(_ call: Call) async throws -> Response {
        guard call.path.count == 1 else { throw Problem.notFound("there is nothing at \(call.request.rawPath)") }
        let name = call.path[0]
        let resource = ResourceName.quarantine(name)
        switch call.method {
        case .GET:
            try await require(call, "martlet:GetScanPolicy", on: resource)
        case .PUT:
            try await require(call, "martlet:PutScanPolicy", on: resource)
            let text = try await call.body().required("policy")
            guard let policy = ScanPolicy(rawValue: text) else {
                let known = ScanPolicy.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badRequest("'\(text.prefix(40))' is no policy: \(known)")
            }
            try await objects.setScanPolicy(policy, of: name, by: call.actor)
        case .DELETE:
            try await require(call, "martlet:PutScanPolicy", on: resource)
            try await objects.setScanPolicy(nil, of: name, by: call.actor)
        default: throw Problem.methodNotAllowed("GET, PUT, DELETE")
        }
        let (policy, isOwn) = try await objects.scanPolicy(of: name)
        return Self.answer {
            $0.member("collection", name)
            $0.member("policy", policy.rawValue)
            $0.member("own", isOwn)
        }
    }
}
