import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

/// How people come: registrations, invitations, and what they agree to.
extension AdminService {
    /// `/registrations` and `/registrations/{id}`.
    func registrations(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            try await require(call, "iam:ListUsers", on: ResourceName.account("*"))
            let waiting = try await people.registrations()
            return Response.json { json in
                json.key("registrations")
                json.array { json in
                    for registration in waiting {
                        json.object {
                            $0.member("id", registration.id)
                            $0.member("name", registration.name)
                            $0.member("displayName", registration.displayName)
                            $0.member("email", registration.email)
                            $0.member("note", registration.note)
                            $0.member("created", registration.created.rfc3339)
                        }
                    }
                }
            }
        case (1, .POST):
            let body = try await call.body()
            guard let isApproved = body["approve"]?.bool else {
                throw Problem.badRequest("the member 'approve' is true or false")
            }
            try await require(call, "iam:CreateUser", on: ResourceName.account("*"))
            if isApproved {
                try await people.approveRegistration(call.path[0], by: call.actor)
            } else {
                try await people.rejectRegistration(
                    call.path[0], reason: body["reason"]?.string ?? "", by: call.actor)
            }
            return Response(.noContent)
        case (0, _): throw Problem.methodNotAllowed("GET")
        case (1, _): throw Problem.methodNotAllowed("POST")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
    }

    /// `/invitations`.
    func invitations(_ call: Call) async throws -> Response {
        guard call.path.isEmpty else { throw Problem.notFound("there is nothing at \(call.request.rawPath)") }
        guard call.method == .POST else { throw Problem.methodNotAllowed("POST") }
        let body = try await call.body()
        let email = try body.required("email")
        let groups = body["groups"]?.array?.compactMap(\.string) ?? []
        try await require(call, "iam:CreateUser", on: ResourceName.account("*"))
        for group in groups { try await require(call, "iam:AddUserToGroup", on: ResourceName.group(group)) }
        let link = try await people.invite(email: email, groups: groups, by: call.actor)
        return Response.json(.created) {
            $0.member("email", email)
            $0.member("link", link)
            $0.member("sent", people.sendsMail)
        }
    }

    /// `/use-policy`.
    func usePolicy(_ call: Call) async throws -> Response {
        guard call.path.isEmpty else { throw Problem.notFound("there is nothing at \(call.request.rawPath)") }
        switch call.method {
        case .GET:
            try await require(call, "iam:GetUsePolicy", on: ResourceName.account("*"))
            guard let policy = try await identity.usePolicy() else {
                throw Problem.notFound("there is no acceptable-use policy")
            }
            return Response.json {
                $0.member("version", policy.version)
                $0.member("text", policy.text)
                $0.member("renewDays", policy.renewDays)
                $0.member("created", policy.created.rfc3339)
            }
        case .PUT:
            try await require(call, "iam:PutUsePolicy", on: ResourceName.account("*"))
            let body = try await call.body()
            let version = try await identity.publishUsePolicy(
                try body.required("text"), renewDays: body["renewDays"]?.integer ?? 0, by: call.actor)
            return Response.json { $0.member("version", version) }
        case .DELETE:
            try await require(call, "iam:PutUsePolicy", on: ResourceName.account("*"))
            try await identity.withdrawUsePolicy(by: call.actor)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("GET, PUT, DELETE")
        }
    }
}
