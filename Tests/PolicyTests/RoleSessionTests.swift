import Database
import IAMPolicy
import Identity
import Journal
import Policy
import TestSupport
import Testing
import Vault
import Wire

@Suite struct RoleSessionTests {
    private struct House {
        var identity: Identity
        var policies: Policies
        var gate: Gate
        var journal: Journal
        var tokens: TokenAuthority
        var sessions: RoleSessions

        func principal(_ name: String) async throws -> Principal {
            try await identity.login(name: name, password: "correct horse", address: "::1")
        }

        func principal(_ key: TemporaryCredentials) async throws -> Principal {
            try #require(try await identity.signingSecret(accessKey: key.accessKeyID, sessionToken: key.token))
                .principal
        }

        func role(_ name: String, trusting principal: String, _ more: String = "") async throws {
            try await identity.createRole(
                name: name,
                trust: #"""
                    {"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":\#(principal),"Action":"sts:*"\#(more)}}
                    """#, by: "admin")
        }

        func assume(_ role: String, as principal: Principal, policy: String? = nil, seconds: Int64? = nil) async throws
            -> Principal
        {
            let opened = try await sessions.assume(
                RoleSessions.Wish(role: role, name: "job", seconds: seconds, policy: policy), by: principal,
                RequestContext(address: "192.0.2.7", isSecure: true))
            return try await self.principal(opened.credentials)
        }

        func may(_ principal: Principal, _ action: String, _ resource: String) async throws -> Bool {
            try await gate.decide(
                principal, action, on: resource, RequestContext(address: "192.0.2.7", isSecure: true)
            ).isAllowed
        }
    }

    private let context = RequestContext(address: "192.0.2.7", isSecure: true)

    private func withHouse(_ engine: TestEngine = .sqlite, _ body: (House) async throws -> Void) async throws {
        try await withFolder { folder in
            try await engine.withDatabase(Journal.migrations + Identity.migrations + Policies.migrations) { database in
                let journal = Journal(database: database, node: "test")
                let identity = Identity(
                    journal: journal, master: try MasterKey.open(path: folder + "/master.key", creates: true),
                    passwordCost: 16)
                _ = try await identity.bootstrap(password: "correct horse")
                try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "admin")
                let policies = try Policies(journal: journal)
                let gate = Gate(policies: policies, journal: journal)
                let tokens = try await TokenAuthority(identity: identity, issuer: "https://node.example")
                let sessions = RoleSessions(
                    identity: identity, gate: gate,
                    webIdentities: WebIdentities(identity: identity, tokens: tokens) { _, _ in [] })
                try await body(
                    House(
                        identity: identity, policies: policies, gate: gate, journal: journal, tokens: tokens,
                        sessions: sessions))
            }
        }
    }

    private func grant(_ action: String, _ resource: String, _ effect: String = "Allow") -> String {
        #"{"Version":"2012-10-17","Statement":{"Effect":"\#(effect)","Action":"\#(action)","Resource":"\#(resource)"}}"#
    }

    @Test("an account that is called 'role' has nothing of the role that is called as its group")
    func namesakes() async throws {
        try await withHouse { house in
            try await house.role("maker", trusting: #"{"AWS":"arn:aws:iam::martlet:user/ada"}"#)
            try await house.policies.storeInline(
                "in", document: grant("s3:GetObject", "arn:aws:s3:::eo/*"), of: .role("maker"), by: "admin")
            try await house.identity.createAccount(name: "role", kind: .person, password: "correct horse", by: "admin")
            try await house.identity.createGroup(name: "maker", by: "admin")
            try await house.identity.addMember(account: "role", to: "maker", by: "admin")
            let session = try await house.assume("maker", as: house.principal("ada"))
            #expect(try await house.may(session, "s3:GetObject", "arn:aws:s3:::eo/a"))
            #expect(try await !house.may(house.principal("role"), "s3:GetObject", "arn:aws:s3:::eo/a"))
        }
    }

    @Test(
        "a role's session has the role's rights, and what everybody has; not its opener's",
        arguments: TestEngine.allCases)
    func rights(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            try await house.role("maker", trusting: #"{"AWS":"arn:aws:iam::martlet:user/ada"}"#)
            try await house.policies.storeInline(
                "in", document: grant("s3:GetObject", "arn:aws:s3:::eo/*"), of: .role("maker"), by: "admin")
            try await house.policies.storeInline(
                "own", document: grant("s3:*", "arn:aws:s3:::ada/*"), of: .account("ada"), by: "admin")
            try await house.policies.store(name: "list", document: grant("s3:ListBucket", "*"), by: "admin")
            try await house.policies.attach("list", to: .role("maker"), by: "admin")
            try await house.policies.store(name: "open", document: grant("stac:Search", "*"), by: "admin")
            try await house.policies.attach("open", to: .everyone, by: "admin")
            let session = try await house.assume("maker", as: house.principal("ada"))
            #expect(try await house.may(session, "s3:GetObject", "arn:aws:s3:::eo/a"))
            #expect(try await house.may(session, "s3:ListBucket", "arn:aws:s3:::eo"))
            #expect(try await house.may(session, "stac:Search", "x"))
            #expect(try await !house.may(session, "s3:PutObject", "arn:aws:s3:::eo/a"))
            #expect(try await !house.may(session, "s3:GetObject", "arn:aws:s3:::ada/a"))
            // A denial for all who are known counts for roles too.
            try await house.policies.store(name: "no", document: grant("s3:*", "*", "Deny"), by: "admin")
            try await house.policies.attach("no", to: .authenticated, by: "admin")
            #expect(try await !house.may(session, "s3:GetObject", "arn:aws:s3:::eo/a"))
        }
    }

    @Test("only whom the trust policy names gets in, administrators too; each denial is in the journal")
    func trust() async throws {
        try await withHouse { house in
            try await house.role("maker", trusting: #"{"AWS":"arn:aws:iam::martlet:user/ada"}"#)
            let admin = try await house.principal("admin")
            for role in ["maker", "none"] {
                await #expect(throws: AccessDenied.self) { _ = try await house.assume(role, as: admin) }
                let events = try await house.journal.events(of: "arn:martlet:iam:::role/\(role)", limit: 10)
                #expect(events.map(\.kind) == [.denied] && events.first?.actor == "admin")
            }
            let ada = try await house.principal("ada")
            _ = try await house.assume("maker", as: ada)
            let events = try await house.journal.events(of: "maker", limit: 1)
            #expect(events.first?.kind == .temporaryKeyIssued && events.first?.actor == "ada")
            try await house.policies.storeInline(
                "no", document: grant("sts:AssumeRole", "arn:aws:iam::martlet:role/*", "Deny"), of: .account("ada"),
                by: "admin")
            await #expect(throws: AccessDenied.self) { _ = try await house.assume("maker", as: ada) }
        }
    }

    @Test("trust in everybody here asks for a right of one's own; trust in a group does not")
    func root() async throws {
        try await withHouse { house in
            let ada = try await house.principal("ada")
            try await house.role("open", trusting: #"{"AWS":"arn:aws:iam::martlet:root"}"#)
            await #expect(throws: AccessDenied.self) { _ = try await house.assume("open", as: ada) }
            try await house.policies.storeInline(
                "may", document: grant("sts:AssumeRole", "arn:martlet:iam:::role/open"), of: .account("ada"),
                by: "admin")
            _ = try await house.assume("open", as: ada)
            try await house.role("crew", trusting: #"{"Martlet":"group:science"}"#)
            await #expect(throws: AccessDenied.self) { _ = try await house.assume("crew", as: ada) }
            try await house.identity.createGroup(name: "science", by: "admin")
            try await house.identity.addMember(account: "ada", to: "science", by: "admin")
            let session = try await house.assume("crew", as: house.principal("ada"))
            // From a role into another, for an hour at most.
            try await house.role("next", trusting: #"{"AWS":"arn:aws:iam::martlet:role/crew"}"#)
            try await house.identity.changeRole("next", seconds: 43_200, by: "admin")
            let chained = try await house.assume("next", as: session)
            #expect(chained.session?.account == ada.accountID)
            await #expect(throws: IdentityError.self) {
                _ = try await house.assume("next", as: session, seconds: 3601)
            }
        }
    }

    @Test("a session policy takes away and never gives", arguments: TestEngine.allCases)
    func sessionPolicy(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            try await house.role("maker", trusting: #"{"AWS":"*"}"#)
            try await house.policies.storeInline(
                "in", document: grant("s3:*Object", "arn:aws:s3:::eo/*"), of: .role("maker"), by: "admin")
            let ada = try await house.principal("ada")
            let narrow = try await house.assume("maker", as: ada, policy: grant("s3:Get*", "*"))
            #expect(try await house.may(narrow, "s3:GetObject", "arn:aws:s3:::eo/a"))
            #expect(try await !house.may(narrow, "s3:PutObject", "arn:aws:s3:::eo/a"))
            #expect(try await !house.may(narrow, "s3:GetObject", "arn:aws:s3:::other/a"))
            for policy in ["", "{}", grant("s3:" + String(repeating: "x", count: 2048), "*")] {
                await #expect(throws: PolicyStoreError.self) {
                    _ = try await house.assume("maker", as: ada, policy: policy)
                }
            }
            // An administrator's session is limited as well, also in assuming roles.
            let admin = try await house.principal("admin")
            let key = try await house.sessions.open(
                for: admin, name: "narrow", policy: grant("s3:GetObject", "*"), seconds: 900, context)
            let limited = try await house.principal(key)
            #expect(try await house.may(limited, "s3:GetObject", "arn:aws:s3:::eo/a"))
            #expect(try await !house.may(limited, "iam:CreateUser", "arn:martlet:iam:::account/x"))
            await #expect(throws: AccessDenied.self) { _ = try await house.assume("maker", as: limited) }
            // Who may not, may not hand on.
            await #expect(throws: AccessDenied.self) {
                _ = try await house.sessions.open(
                    for: ada, name: "narrow", policy: grant("s3:GetObject", "*"), seconds: 900, context)
            }
        }
    }

    @Test("a session of an account needs no right, but can be denied; it lasts as long as it may")
    func accountSession() async throws {
        try await withHouse { house in
            let ada = try await house.principal("ada")
            #expect(try await house.principal(house.sessions.open(for: ada, seconds: nil, context)).name == "ada")
            // Not even an administrator's makes credentials that outlive it.
            let admin = try await house.principal("admin")
            let lent = try await house.principal(house.sessions.open(for: admin, seconds: 900, context))
            #expect(try await house.may(lent, "s3:DeleteBucket", "arn:aws:s3:::eo"))
            #expect(try await house.may(lent, "iam:ListUsers", "arn:martlet:iam:::account/*"))
            for action in ["iam:CreateAccessKey", "iam:CreateUser", "iam:PutUserPolicy", "iam:AddUserToGroup"] {
                #expect(try await !house.may(lent, action, "arn:martlet:iam:::account/admin"))
            }
            for seconds: Int64 in [0, 899, 129_601, -1] {
                await #expect(throws: IdentityError.self) {
                    _ = try await house.sessions.open(for: ada, seconds: seconds, context)
                }
            }
            try await house.policies.storeInline(
                "no", document: grant("sts:GetSessionToken", "*", "Deny"), of: .account("ada"), by: "admin")
            await #expect(throws: AccessDenied.self) {
                _ = try await house.sessions.open(for: ada, seconds: nil, context)
            }
        }
    }

    @Test("a token of this node opens the roles that trust it, and its claims are known to their policies")
    func webIdentity() async throws {
        try await withHouse { house in
            let token = try await house.tokens.issue(to: house.principal("ada"), client: "test")
            func open(_ role: String) async throws -> Principal {
                let wish = RoleSessions.Wish(role: role, name: "job", seconds: nil, policy: nil)
                return try await house.principal(
                    house.sessions.assume(wish, token: token, context).0.credentials)
            }
            let issuer = #"{"Federated":"https://node.example"}"#
            try await house.role(
                "ada", trusting: issuer, #","Condition":{"StringEquals":{"node.example:preferred_username":"ada"}}"#)
            try await house.role(
                "bob", trusting: issuer, #","Condition":{"StringEquals":{"jwt:preferred_username":"bob"}}"#)
            try await house.role("keys", trusting: #"{"AWS":"*"}"#)
            try await house.policies.storeInline(
                "home", document: grant("s3:*", "arn:aws:s3:::home/${jwt:preferred_username}/*"), of: .role("ada"),
                by: "admin")
            let session = try await open("ada")
            #expect(try await house.may(session, "s3:GetObject", "arn:aws:s3:::home/ada/x"))
            #expect(try await !house.may(session, "s3:GetObject", "arn:aws:s3:::home/bob/x"))
            for role in ["bob", "keys", "none"] {
                await #expect(throws: AccessDenied.self) { _ = try await open(role) }
                let events = try await house.journal.events(of: "arn:martlet:iam:::role/\(role)", limit: 10)
                #expect(events.map(\.kind) == [.denied])
            }
        }
    }

    @Test("inline policies live with their holder; who takes the name gets nothing", arguments: TestEngine.allCases)
    func inline(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let policies = house.policies
            for name in ["a", "b", "c"] {
                try await policies.storeInline(name, document: grant("s3:*", "*"), of: .account("ada"), by: "admin")
            }
            try await policies.storeInline("b", document: grant("s3:Get*", "*"), of: .account("ada"), by: "admin")
            #expect(try await policies.inlineNames(of: .account("ada"), after: "a", limit: 1) == ["b"])
            #expect(try await policies.inline("b", of: .account("ada")).contains("s3:Get*"))
            try await policies.deleteInline("b", of: .account("ada"), by: "admin")
            await #expect(throws: PolicyStoreError.self) { _ = try await policies.inline("b", of: .account("ada")) }
            for (subject, document) in [(Attachment.account("nobody"), grant("s3:*", "*")), (.account("ada"), "{}")] {
                await #expect(throws: PolicyStoreError.self) {
                    try await policies.storeInline("d", document: document, of: subject, by: "admin")
                }
            }
            #expect(try await house.may(house.principal("ada"), "s3:PutObject", "x"))
            try await policies.forget(.account("ada"), by: "admin")
            #expect(try await !policies.hasPolicies(.account("ada")))
            #expect(try await !house.may(house.principal("ada"), "s3:PutObject", "x"))
            let kinds = try await house.journal.events(of: "user:ada", limit: 20).map(\.kind)
            #expect(kinds.count { $0 == .inlinePolicyDeleted } == 3 && kinds.count { $0 == .inlinePolicyStored } == 4)
        }
    }
}
