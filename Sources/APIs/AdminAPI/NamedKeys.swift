import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/encryption/kms`: the node's named keys, with which objects are encrypted (SSE-KMS).
    ///
    /// `GET` lists them, `POST` with a `name` makes one; `POST …/ID/enable`, `…/disable` and `…/rotate` do that, and
    /// `POST …/ID/destroy` with the id once more in `confirm` makes what it has encrypted unreadable for good. The
    /// actions have the names that they have in AWS's key service.
    func namedKeys(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (1, .GET):
            try await require(call, "kms:ListKeys", on: ResourceName.everything)
            let keys = try await objects.kms.all()
            return Response.json { json in
                json.key("keys")
                json.array { json in for key in keys { json.object { Self.write(key, &$0) } } }
            }
        case (1, .POST):
            try await require(call, "kms:CreateKey", on: ResourceName.everything)
            let key = try await objects.kms.create(try await call.body().required("name"), by: call.actor)
            return Response.json(.created) { Self.write(KMSKeyStatus(key: key, versions: 0), &$0) }
        case (3, .POST):
            let key = try await objects.kms.key(call.path[1])
            switch call.path[2] {
            case "enable", "disable":
                let isEnabled = call.path[2] == "enable"
                try await require(call, isEnabled ? "kms:EnableKey" : "kms:DisableKey", on: key.arn)
                try await objects.kms.setEnabled(isEnabled, key.id, by: call.actor)
                return Response(.noContent)
            case "rotate":
                try await require(call, "kms:RotateKeyOnDemand", on: key.arn)
                let generation = try await objects.kms.rotate(key.id, by: call.actor)
                return Response.json { $0.member("generation", generation) }
            case "destroy": return try await destroy(key, call)
            default: break
            }
        default: break
        }
        throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
    }

    private func destroy(_ key: KMSKey, _ call: Call) async throws -> Response {
        try await require(call, "kms:ScheduleKeyDeletion", on: key.arn)
        guard let confirmed = try await call.body()["confirm"]?.string, confirmed == key.name || confirmed == key.id
        else {
            throw Problem.badRequest("to destroy the key '\(key.name)', give its name in 'confirm' too")
        }
        let destroyed = try await objects.kms.destroy(key.id, by: call.actor)
        return Response.json { json in
            json.member("name", key.name)
            json.member("id", key.id)
            destroyed.write(to: &json)
            json.member("logEmptied", destroyed.isLogEmpty)
        }
    }

    private static func write(_ status: KMSKeyStatus, _ json: inout JSONWriter) {
        json.member("name", status.key.name)
        json.member("id", status.key.id)
        json.member("arn", status.key.arn)
        json.member("state", status.key.state.rawValue)
        json.member("created", status.key.created.rfc3339)
        json.member("generation", status.key.newest)
        json.member("versions", status.versions)
    }
}
