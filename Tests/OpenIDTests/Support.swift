import Database
import Identity
import Journal
import OpenID
import TestSupport
import Vault
import Wire

/// A provider on a database, with an account to log in.
struct House: Sendable {
    static let issuer = "https://node.example"

    var identity: Identity
    var journal: Journal
    var tokens: TokenAuthority
    var provider: OpenIDProvider

    /// Somebody in a browser, with a session.
    func browser(_ name: String = "ada", _ factors: [AuthenticationFactor] = [.pwd]) async throws -> Principal {
        let ada = try await identity.login(name: name, password: "correct horse", address: "::1")
        let secret = try await identity.openSession(for: ada, factors: factors, address: "::1", agent: "test")
        guard let principal = try await identity.principal(session: secret) else { throw IdentityError(.expired, "") }
        return principal
    }

    func client(
        _ id: String = "app", _ more: [(String, JSONValue)] = [], account: String? = nil
    ) async throws -> (client: Client, secret: String?) {
        var object = JSONObject([.init(name: "redirect_uris", value: ["https://app.example/cb"])])
        for (name, value) in more { object[name] = value }
        let made = try await provider.addClient(
            try Client(id: id, metadata: .object(object)), account: account, by: "test")
        return (made.client, made.secret)
    }

    func ask(_ items: [(String, String)]) async throws -> AuthorizationRequest {
        let given = [("client_id", "app"), ("redirect_uri", "https://app.example/cb"), ("response_type", "code")]
        return try await provider.authorizationRequest(
            QueryItems((given + items).map { (name: $0.0, value: $0.1) }))
    }

    /// A code for somebody who agrees.
    func code(_ items: [(String, String)], _ principal: Principal) async throws -> String {
        let request = try await ask(items)
        try await provider.agree(to: request, by: principal)
        guard case .answer(let answer) = try await provider.advance(request, principal: principal, issuer: Self.issuer),
            let code = answer.parameters.first(where: { $0.name == "code" })?.value
        else { throw OAuthError(.accessDenied, "no code") }
        return code
    }

    func tokens(_ client: Client, _ items: [(String, String)], key: String? = nil) async throws -> TokenAnswer {
        try await provider.tokens(
            for: TokenRequest(
                client: client, form: QueryItems(items.map { (name: $0.0, value: $0.1) }), issuer: Self.issuer,
                address: "::1", keyThumbprint: key))
    }
}

func withHouse(_ engine: TestEngine = .sqlite, _ body: (House) async throws -> Void) async throws {
    try await withFolder { folder in
        let migrations = Journal.migrations + Identity.migrations + OpenIDProvider.migrations
        try await engine.withDatabase(migrations) { database in
            let journal = Journal(database: database, node: "test")
            let master = try MasterKey.open(path: folder + "/master.key", creates: true)
            let identity = Identity(journal: journal, master: master, passwordCost: 16)
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            let tokens = try await TokenAuthority(identity: identity, issuer: House.issuer)
            try await body(
                House(
                    identity: identity, journal: journal, tokens: tokens,
                    provider: OpenIDProvider(identity: identity, tokens: tokens, journal: journal)))
        }
    }
}

func refusal(_ body: () async throws -> Void) async -> OAuthError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? OAuthError)?.code
    }
}
