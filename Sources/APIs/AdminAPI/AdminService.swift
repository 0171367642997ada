package import Authority
package import Catalogue
package import HTTPSupport
package import Identity
package import Journal
import Logging
import NIOHTTP1
package import Notifications
package import Objects
package import OpenID
package import Policy
import Wire

/// The administrative face: accounts, groups, access keys, policies, webhooks, encryption keys, quotas, quarantine, as
/// JSON. The command line speaks it.
///
/// Every act has an action of its own in the policy language: `iam:CreateUser`, `iam:PutPolicy` and so on.
package struct AdminService: Sendable {
    let identity: Identity
    let people: People
    let policies: Policies
    let notifications: Notifications
    let gate: Gate
    let objects: Objects
    let catalogue: Catalogue
    let roots: RootKeys
    let authority: Authority
    let journal: Journal
    let provider: OpenIDProvider
    let authenticator: Authenticator
    private let logger = Logger(label: "martlet.admin")

    /// Largest body taken.
    static let bodyBytesMax = 64 << 10

    package init(
        policies: Policies, notifications: Notifications, gate: Gate, authenticator: Authenticator, people: People,
        objects: Objects, catalogue: Catalogue, roots: RootKeys, provider: OpenIDProvider, authority: Authority,
        journal: Journal
    ) {
        self.people = people
        self.provider = provider
        self.authority = authority
        self.journal = journal
        self.objects = objects
        self.catalogue = catalogue
        self.roots = roots
        identity = authenticator.identity
        self.policies = policies
        self.notifications = notifications
        self.gate = gate
        self.authenticator = authenticator
    }

    /// Answers `/admin/v1/…`.
    package func respond(to request: Request, path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            let caller = try await authenticator.caller(of: request, cookies: true)
            let call = Call(request: request, caller: caller, path: Array(path.dropFirst()))
            switch path.first {
            case "accounts": return try await accounts(call)
            case "groups": return try await groups(call)
            case "keys": return try await keys(call)
            case "registrations": return try await registrations(call)
            case "providers": return try await providers(call)
            case "issuers": return try await tokenIssuers(call)
            case "invitations": return try await invitations(call)
            case "use-policy": return try await usePolicy(call)
            case "encryption": return try await encryption(call)
            case "certificates": return try await certificates(call)
            case "app-passwords": return try await appPasswords(call)
            case "clients": return try await clients(call)
            case "token-keys": return try await tokenKeys(call)
            case "grants": return try await grants(call)
            case "policies": return try await policies(call)
            case "boundaries": return try await boundaries(call)
            case "simulations": return try await simulations(call)
            case "audit": return try await audit(call)
            case "webhooks": return try await webhooks(call)
            case "quarantine": return try await quarantine(call)
            case "scrub": return try await scrub(call)
            case "scanning": return try await scanning(call)
            case "collections": return try await collections(call)
            case "quotas": return try await quotas(call)
            default: throw Problem.notFound("there is nothing at \(request.rawPath)")
            }
        }
    }

    /// A request with what was found out about it.
    struct Call {
        var request: Request
        var caller: Caller
        /// What follows the kind of thing: a name, and what is asked of it.
        var path: [String]

        var method: HTTPMethod { request.method }
        var actor: String { caller.principal.name }

        func body() async throws -> JSONValue {
            try await request.jsonObject(upTo: AdminService.bodyBytesMax)
        }

        /// Where a page begins: the last name of the page before.
        var after: String { request.query?["after"] ?? "" }
    }

    func require(_ call: Call, _ action: String, on resource: String) async throws {
        try await gate.require(call.caller.principal, action, on: resource, call.caller.context)
    }
}

extension JSONValue {
    /// A member that has to be there and a string.
    func required(_ name: String) throws -> String {
        guard let value = self[name]?.string, !value.isEmpty else {
            throw Problem.badRequest("the member '\(name)' is missing or not a string")
        }
        return value
    }
}
