import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/quarantine`, `/quarantine/{number}` and `/quarantine/{number}/release`.
    func quarantine(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "martlet:ListQuarantine", on: ResourceName.everything)
            let page = try await objects.quarantined(after: Int64(call.after) ?? 0)
            return Response.json { json in
                json.key("versions")
                json.array { json in for found in page { json.object { write(found, &$0) } } }
            }
        case (1, .GET):
            let found = try await quarantined(call, "martlet:ListQuarantine")
            return Response.json { write(found, &$0) }
        case (1, .DELETE):
            let found = try await quarantined(call, "martlet:DeleteQuarantined")
            let deletions = try await objects.delete(
                collection: found.collection, [(found.version.key, found.version.name)], by: call.actor, isSystem: true)
            if let failure = deletions.first?.failure { throw failure }
            return Response(.noContent)
        case (2, .POST) where call.path[1] == "release":
            let found = try await quarantined(call, "martlet:ReleaseQuarantined")
            try await objects.release(number: found.version.number, by: call.actor)
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET")
        case (1, _): throw Problem.methodNotAllowed("GET, DELETE")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    /// The version that a call names, if the caller may do this with it.
    private func quarantined(_ call: Call, _ action: String) async throws -> QuarantinedVersion {
        guard let number = Int64(call.path[0]) else {
            throw Problem.badRequest("'\(call.path[0].prefix(40))' is no number of a version")
        }
        let found: QuarantinedVersion
        do {
            found = try await objects.quarantined(number: number)
        } catch {
            // Who may do it with nothing learns nothing of what there is.
            try await require(call, action, on: ResourceName.everything)
            throw error
        }
        try await require(call, action, on: ResourceName.object(found.collection, found.version.key))
        return found
    }

    private func write(_ found: QuarantinedVersion, _ json: inout JSONWriter) {
        json.member("number", String(found.version.number))
        json.member("collection", found.collection)
        json.member("key", found.version.key)
        json.member("version", found.version.name)
        json.member("size", found.version.size)
        json.member("cause", found.quarantine.cause.rawValue)
        json.member("reason", found.quarantine.reason)
        json.member("since", found.quarantine.since.rfc3339)
        json.member("by", found.quarantine.actor)
    }
}
