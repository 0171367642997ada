import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/encryption`: the keys that data are encrypted with. (`/keys` are the access keys of S3.)
    ///
    /// `GET /encryption?after=NAME` tells the keys, collections page by page, `…/collections/NAME` one of them;
    /// `POST …/master/rotate`, `…/spaces/NAME/rotate` and `…/collections/NAME/rotate` make new ones;
    /// `POST …/collections/NAME/destroy` with the name once more in `confirm` makes what a collection holds unreadable
    /// for good.
    func encryption(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET): return try await keyStatus(call)
        case (2, .GET) where call.path[0] == "collections":
            let name = "collection/" + call.path[1]
            try await require(call, "martlet:GetKeyStatus", on: ResourceName.encryptionKey(name))
            let key = try await objects.collectionKey(call.path[1])
            return Response.json { Self.write(key, &$0) }
        case (2, .POST) where call.path == ["master", "rotate"]:
            try await require(call, "martlet:RotateKeys", on: ResourceName.encryptionKey("master"))
            return Self.rotated(try await roots.rotate(by: call.actor))
        case (3, .POST) where call.path[0] == "spaces" && call.path[2] == "rotate":
            try await require(call, "martlet:RotateKeys", on: ResourceName.encryptionKey("space/" + call.path[1]))
            return Self.rotated(try await objects.rotateKey(ofSpace: call.path[1], by: call.actor))
        case (3, .POST) where call.path[0] == "collections" && call.path[2] == "rotate":
            try await require(call, "martlet:RotateKeys", on: ResourceName.encryptionKey("collection/" + call.path[1]))
            return Self.rotated(try await objects.rotateKey(ofCollection: call.path[1], by: call.actor))
        case (3, .POST) where call.path[0] == "collections" && call.path[2] == "destroy":
            return try await destroyKey(call, of: call.path[1])
        case _ where call.path.first == "kms": return try await namedKeys(call)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private static func rotated(_ generation: Int64) -> Response {
        Response.json(.accepted) { $0.member("generation", generation) }
    }

    private func destroyKey(_ call: Call, of name: String) async throws -> Response {
        try await require(call, "martlet:DestroyKeys", on: ResourceName.encryptionKey("collection/" + name))
        guard try await call.body()["confirm"]?.string == name else {
            throw Problem.badRequest("to destroy the key of '\(name.prefix(80))', give its name in 'confirm' too")
        }
        let destroyed = try await objects.destroyKey(ofCollection: name, by: call.actor)
        return Response.json { json in
            json.member("collection", destroyed.collection)
            destroyed.write(to: &json)
            json.member("logEmptied", destroyed.isLogEmpty)
        }
    }

    /// Collections told of at once.
    private static let page = 100

    private func keyStatus(_ call: Call) async throws -> Response {
        try await require(call, "martlet:GetKeyStatus", on: ResourceName.encryptionKey("*"))
        let master = try await roots.status()
        let spaces = try await objects.spaceKeys()
        let collections = try await objects.collectionKeys(after: call.after, limit: Self.page)
        return Response.json { json in
            json.member("source", roots.sourceDescription)
            json.key("keys")
            json.array { json in
                for key in (call.after.isEmpty ? [master] + spaces : []) + collections {
                    json.object { Self.write(key, &$0) }
                }
            }
            if collections.count == Self.page, let last = collections.last {
                json.member("next", String(last.name.dropFirst("collection ".count)))
            }
        }
    }

    private static func write(_ key: KeyStatus, _ json: inout JSONWriter) {
        json.member("name", key.name)
        json.key("generations")
        json.array { json in
            for generation in key.generations {
                json.object {
                    $0.member("generation", generation.generation)
                    $0.member("created", generation.created.rfc3339)
                    if let retired = generation.retired { $0.member("retired", retired.rfc3339) }
                    $0.member("sealed", generation.sealed)
                    $0.member("rewrapped", generation.rewrapped)
                }
            }
        }
    }
}
