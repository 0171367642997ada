import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import Wire

/// `/oidc/jobs`: tokens for jobs that wait in a queue (docs/identity.md).
extension OIDCService {
    private static let daySeconds: Int64 = 86_400

    func jobs(_ call: Call) async throws -> Response {
        switch (call.rest, call.request.method) {
        case (["claim"], .POST):
            let form = try await form(call)
            guard let claim = form["claim"], let index = Int64(form["index"] ?? "0") else {
                throw OAuthError(.invalidRequest, "'claim' is missing, or 'index' is no number")
            }
            return answer(
                try await provider.claimJob(
                    claim, index: index, job: form["job"] ?? "", nonce: form["nonce"], issuer: call.issuer))
        case (["renew"], .POST):
            return answer(try await provider.renewJob(try await renewal(call), issuer: call.issuer))
        case (["end"], .POST):
            try await provider.endJob(try await renewal(call))
            return Response(.noContent)
        case ([], .POST): return try await grantJob(call)
        case ([], .GET):
            let principal = try await owner(call)
            let grants = try await provider.jobGrants(of: principal.name)
            return Self.json { json in
                json.key("grants")
                json.array { json in for grant in grants { json.object { write(grant, &$0) } } }
            }
        case (_, .DELETE) where call.rest.count == 1:
            let principal = try await owner(call)
            try await provider.revokeJobs(call.rest[0], of: principal.name, by: principal.name)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("GET, POST, DELETE")
        }
    }

    /// Whoever sees and takes back grants shows a token with all of their rights: a job's own does not.
    private func owner(_ call: Call) async throws -> Principal {
        let principal = try await authenticator.caller(of: call.request, cookies: true).principal
        guard principal.accountID != nil, principal.scopes?.limit == nil else {
            throw Problem.forbidden("the grants of an account are shown to its owner, with a token of all rights")
        }
        return principal
    }

    private func renewal(_ call: Call) async throws -> String {
        guard let renewal = try await form(call)["renewal"] else {
            throw OAuthError(.invalidRequest, "'renewal' is missing")
        }
        return renewal
    }

    private func grantJob(_ call: Call) async throws -> Response {
        guard let token = call.request.credentials("Bearer") else {
            throw Problem.unauthorized("a token is needed, of which the job's is made")
        }
        let form = try await form(call)
        let wish: JobGrantWish
        do {
            wish = JobGrantWish(
                scopes: try Scopes(parsing: form["scope"] ?? ""), audiences: form.all("audience"),
                description: form["description"] ?? "", count: Int64(form["count"] ?? "1") ?? 0,
                seconds: Int64(form["seconds"] ?? String(Self.daySeconds)) ?? 0)
        } catch let error as IdentityError {
            throw OAuthError(.invalidScope, error.message)
        }
        let made = try await provider.grantJob(wish, token: String(token))
        return Self.json(.created) { json in
            write(made.grant, &json)
            json.member("claim", made.claim)
        }
    }

    private func write(_ grant: JobGrant, _ json: inout JSONWriter) {
        json.member("id", grant.id)
        json.member("description", grant.description)
        json.member("scope", grant.scopes.text)
        json.member("audiences", grant.audiences)
        json.member("count", grant.count)
        json.member("claimed", grant.claimed)
        json.member("created", grant.created.rfc3339)
        json.member("expires", grant.expires.rfc3339)
        json.member("revoked", grant.isRevoked)
    }

    private func answer(_ token: JobToken) -> Response {
        Self.json { json in
            json.member("access_token", token.token)
            json.member("token_type", "Bearer")
            json.member("expires_in", token.expiresIn)
            json.member("renewal", token.renewal)
            json.member("renew_after", token.renewAfter)
        }
    }
}
