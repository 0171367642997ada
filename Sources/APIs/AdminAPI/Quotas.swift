import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/quotas`, `/quotas/collections/{name}` and `/quotas/spaces/{name}`.
    func quotas(_ call: Call) async throws -> Response {
        guard !call.path.isEmpty else {
            guard call.method == .GET else { throw Problem.methodNotAllowed("GET") }
            try await require(call, "martlet:ListQuotas", on: ResourceName.quota("*"))
            let page = try await objects.quotas(after: call.after)
            return Response.json { json in
                json.key("quotas")
                json.array { json in for quota in page { json.object { write(quota, &$0) } } }
            }
        }
        let scope = try scope(call)
        let resource = ResourceName.quota(call.path.joined(separator: "/"))
        switch call.method {
        case .GET:
            try await require(call, "martlet:GetQuota", on: resource)
            guard let quota = try await objects.quota(scope) else {
                throw Problem.notFound("'\(scope.name.prefix(80))' has no quota")
            }
            return Response.json { write(quota, &$0) }
        case .PUT:
            try await require(call, "martlet:PutQuota", on: resource)
            let body = try await call.body()
            let bytesMax = try Self.limit("bytesMax", body)
            let objectsMax = try Self.limit("objectsMax", body)
            guard bytesMax != nil || objectsMax != nil else {
                throw Problem.badRequest("a quota has the member 'bytesMax', 'objectsMax' or both")
            }
            let quota = try await objects.setQuota(
                scope, bytesMax: bytesMax, objectsMax: objectsMax, by: call.actor)
            return Response.json { write(quota, &$0) }
        case .DELETE:
            try await require(call, "martlet:DeleteQuota", on: resource)
            try await objects.removeQuota(scope, by: call.actor)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("GET, PUT, DELETE")
        }
    }

    private func scope(_ call: Call) throws -> QuotaScope {
        switch (call.path.count, call.path[0]) {
        case (2, "collections"): return .collection(call.path[1])
        case (2, "spaces"): return .space(call.path[1])
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    /// A limit; without the member, or with null, there is none.
    private static func limit(_ name: String, _ body: JSONValue) throws -> Int64? {
        guard let value = body[name], !value.isNull else { return nil }
        guard let limit = value.integer, limit >= 0 else {
            throw Problem.badRequest("the member '\(name)' is a whole number of at least 0, or null")
        }
        return limit
    }

    private func write(_ quota: Quota, _ json: inout JSONWriter) {
        switch quota.scope {
        case .space(let name): json.member("space", name)
        case .collection(let name): json.member("collection", name)
        }
        if let bytesMax = quota.bytesMax { json.member("bytesMax", bytesMax) }
        if let objectsMax = quota.objectsMax { json.member("objectsMax", objectsMax) }
        json.member("bytes", quota.bytes)
        json.member("objects", quota.objects)
    }
}
