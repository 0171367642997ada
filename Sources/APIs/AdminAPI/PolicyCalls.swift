import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/policies`, `/policies/{name}` and `/policies/{name}/attachments/{subject}`.
    func policies(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListPolicies", on: ResourceName.policy("*"))
            let page = try await policies.list(after: call.after)
            return Response.json { json in
                json.key("policies")
                json.array { json in for policy in page { json.object { write(policy, &$0) } } }
            }
        case (1, .GET):
            try await require(call, "iam:GetPolicy", on: ResourceName.policy(call.path[0]))
            let policy = try await policies.policy(call.path[0])
            return Response.json { write(policy, &$0) }
        case (1, .PUT):
            try await require(call, "iam:PutPolicy", on: ResourceName.policy(call.path[0]))
            let bytes = try await call.request.body.collect(upTo: Self.bodyBytesMax)
            guard let document = String(validating: bytes, as: UTF8.self) else {
                throw Problem.badRequest("the policy is not UTF-8")
            }
            try await policies.store(name: call.path[0], document: document, by: call.actor)
            let policy = try await policies.policy(call.path[0])
            return Response.json { write(policy, &$0) }
        case (1, .DELETE):
            try await require(call, "iam:DeletePolicy", on: ResourceName.policy(call.path[0]))
            try await policies.delete(name: call.path[0], by: call.actor)
            return Response(.noContent)
        case (3, .PUT) where call.path[1] == "attachments":
            try await require(call, "iam:AttachPolicy", on: ResourceName.policy(call.path[0]))
            try await policies.attach(call.path[0], to: try subject(call.path[2]), by: call.actor)
            return Response(.noContent)
        case (3, .DELETE) where call.path[1] == "attachments":
            try await require(call, "iam:DetachPolicy", on: ResourceName.policy(call.path[0]))
            try await policies.detach(call.path[0], from: try subject(call.path[2]), by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private func subject(_ text: String) throws -> Attachment {
        guard let subject = Attachment(text) else {
            throw Problem.badRequest(
                "'\(text.prefix(80))' is nobody a policy applies to: user:NAME, group:NAME, role:NAME, authenticated or everyone"
            )
        }
        return subject
    }

    private func write(_ policy: StoredPolicy, _ json: inout JSONWriter) {
        json.member("name", policy.name)
        json.member("created", policy.created.rfc3339)
        json.member("attachments", policy.attachments.map(\.text))
        json.key("document")
        json.raw(Array(policy.document.utf8))
    }
}
