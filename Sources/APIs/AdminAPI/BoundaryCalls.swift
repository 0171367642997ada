import HTTPSupport
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/boundaries` and `/boundaries/{subject}`: what users, roles and all in a space may at most do.
    func boundaries(_ call: Call) async throws -> Response {
        guard let text = call.path.first else {
            guard call.method == .GET else { throw Problem.methodNotAllowed("GET") }
            try await require(call, "iam:ListPolicies", on: ResourceName.policy("*"))
            let page = try await policies.boundaries(after: call.after)
            return Response.json { json in
                json.key("boundaries")
                json.array { json in
                    for boundary in page {
                        json.object {
                            $0.member("subject", boundary.subject.text)
                            $0.member("policy", boundary.policy)
                        }
                    }
                }
            }
        }
        guard call.path.count == 1 else { throw Problem.notFound("there is nothing at \(call.request.rawPath)") }
        guard let subject = Bounded(text) else {
            throw Problem.badRequest(
                "'\(text.prefix(80))' is nothing that has a boundary: user:NAME, role:NAME or space:NAME")
        }
        let (kind, resource) = subject.named
        switch call.method {
        case .PUT:
            let policy = try await call.body().required("policy")
            try await require(call, "iam:Put\(kind)PermissionsBoundary", on: resource)
            try await policies.setBoundary(policy, of: subject, by: call.actor)
            return Response(.noContent)
        case .DELETE:
            try await require(call, "iam:Delete\(kind)PermissionsBoundary", on: resource)
            try await policies.removeBoundary(of: subject, by: call.actor)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("PUT, DELETE")
        }
    }
}

extension Bounded {
    /// What actions on it are called, and its name in policies.
    fileprivate var named: (kind: String, resource: String) {
        switch self {
        case .account(let name): ("User", ResourceName.account(name))
        case .role(let name): ("Role", ResourceName.role(name))
        case .space(let name): ("Space", ResourceName.space(name))
        }
    }
}
