import Database
import IAMPolicy
import Identity
import Journal
import Policy
import TestSupport
import Testing
import Vault
import Wire

@Suite struct GateTests {
    private struct House {
        var identity: Identity
        var policies: Policies
        var gate: Gate
        var journal: Journal

        func principal(_ name: String) async throws -> Principal {
            try await identity.login(name: name, password: "correct horse", address: "::1")
        }
    }

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
                try await body(
                    House(
                        identity: identity, policies: policies, gate: Gate(policies: policies, journal: journal),
                        journal: journal))
            }
        }
    }

    private let context = RequestContext(address: "192.0.2.7", isSecure: true)
    private let readEO = """
        {"Version": "2012-10-17", "Statement": [{"Sid": "ReadEO", "Effect": "Allow", "Action": "s3:Get*",
        "Resource": "arn:aws:s3:::eo/*"}]}
        """

    @Test("nothing is allowed that no policy allows; administrators may do everything", arguments: TestEngine.allCases)
    func defaults(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let admin = try await house.principal("admin")
            let ada = try await house.principal("ada")
            #expect(try await house.gate.decide(admin, "s3:DeleteBucket", on: "arn:aws:s3:::eo", context).isAllowed)
            let denied = try await house.gate.decide(ada, "s3:GetObject", on: "arn:aws:s3:::eo/a", context)
            #expect(!denied.isAllowed)
            #expect(
                try await !house.gate.decide(.anonymous, "s3:GetObject", on: "arn:aws:s3:::eo/a", context).isAllowed)
        }
    }

    @Test(
        "a policy applies to whom it is attached, and no longer when it is detached",
        arguments: ["user:ada", "group:science", "authenticated", "everyone"])
    func attachments(subject: String) async throws {
        try await withHouse { house in
            try await house.identity.createGroup(name: "science", by: "admin")
            try await house.identity.addMember(account: "ada", to: "science", by: "admin")
            let ada = try await house.principal("ada")
            let attachment = try #require(Attachment(subject))
            try await house.policies.store(name: "read-eo", document: readEO, by: "admin")
            try await house.policies.attach("read-eo", to: attachment, by: "admin")
            let decision = try await house.gate.decide(ada, "s3:GetObject", on: "arn:aws:s3:::eo/a", context)
            #expect(decision.isAllowed)
            #expect(decision.description.contains("ReadEO") && decision.description.contains("read-eo"))
            #expect(try await !house.gate.decide(ada, "s3:PutObject", on: "arn:aws:s3:::eo/a", context).isAllowed)
            let anonymous = try await house.gate.decide(.anonymous, "s3:GetObject", on: "arn:aws:s3:::eo/a", context)
            #expect(anonymous.isAllowed == (subject == "everyone"))
            try await house.policies.detach("read-eo", from: attachment, by: "admin")
            #expect(try await !house.gate.decide(ada, "s3:GetObject", on: "arn:aws:s3:::eo/a", context).isAllowed)
        }
    }

    @Test(
        "a denial is in the journal with its reason; an allowed read is an access record",
        arguments: TestEngine.allCases)
    func records(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let ada = try await house.principal("ada")
            let resource = ResourceName.object("eo", "a")
            let refused = await #expect(throws: AccessDenied.self) {
                try await house.gate.require(ada, "s3:GetObject", on: resource, context)
            }
            #expect(refused?.description.contains("no statement allows it") == true)
            let events = try await house.journal.events(of: resource, limit: 10)
            #expect(events.count == 1)
            #expect(events.first?.kind == .denied && events.first?.actor == "ada")
            #expect(events.first?.detail.contains("192.0.2.7") == true)
            try await house.gate.require(try await house.principal("admin"), "s3:GetObject", on: resource, context)
            try await house.journal.flushAccesses()
            let allowed = try await house.journal.read { reader in
                try reader.scalar("SELECT count FROM access_records WHERE principal = 'admin'")
            }
            #expect(allowed == 1)
        }
    }

    @Test("an explicit deny wins; variables stand for who asks")
    func deny() async throws {
        try await withHouse { house in
            try await house.policies.store(
                name: "home",
                document: #"""
                    {"Version": "2012-10-17", "Statement": [
                      {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"},
                      {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*",
                       "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}
                    """#, by: "admin")
            try await house.policies.attach("home", to: .authenticated, by: "admin")
            let ada = try await house.principal("ada")
            #expect(try await house.gate.decide(ada, "s3:PutObject", on: "arn:aws:s3:::home/ada/x", context).isAllowed)
            #expect(try await !house.gate.decide(ada, "s3:PutObject", on: "arn:aws:s3:::home/bob/x", context).isAllowed)
            #expect(
                try await !house.gate.decide(ada, "s3:DeleteObject", on: "arn:aws:s3:::home/ada/x", context).isAllowed)
            let inside = RequestContext(address: "10.1.2.3", isSecure: true)
            #expect(
                try await house.gate.decide(ada, "s3:DeleteObject", on: "arn:aws:s3:::home/ada/x", inside).isAllowed)
        }
    }

    @Test("a policy can ask how strongly, by what and how long ago somebody logged in")
    func strength() async throws {
        try await withHouse { house in
            try await house.policies.store(
                name: "careful",
                document: #"""
                    {"Version": "2012-10-17", "Statement": [
                      {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
                      {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*", "Condition": {
                        "Bool": {"aws:MultiFactorAuthPresent": "true"},
                        "NumericLessThan": {"aws:MultiFactorAuthAge": "600"}}},
                      {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*",
                       "Condition": {"ForAnyValue:StringEquals": {"martlet:AuthenticationFactors": "fed"}}}]}
                    """#, by: "admin")
            try await house.policies.attach("careful", to: .account("ada"), by: "admin")
            func allows(_ action: String, _ factors: [AuthenticationFactor]?, secondsAgo: Int64 = 0) async throws
                -> Bool
            {
                var ada = try await house.principal("ada")
                ada.authentication = factors.map {
                    Authentication(factors: $0, time: Timestamp.now.adding(seconds: -secondsAgo))
                }
                return try await house.gate.decide(ada, action, on: "arn:aws:s3:::eo/a", context).isAllowed
            }
            #expect(try await allows("s3:GetObject", nil))
            #expect(try await allows("s3:GetObject", [.pwd]))
            #expect(try await !allows("s3:GetObject", [.fed]))
            #expect(try await !allows("s3:DeleteObject", nil))
            #expect(try await !allows("s3:DeleteObject", [.pwd]))
            #expect(try await allows("s3:DeleteObject", [.pwd, .otp, .mfa]))
            #expect(try await !allows("s3:DeleteObject", [.pwd, .otp, .mfa], secondsAgo: 700))
        }
    }

    @Test("documents that are none, and attachments to nobody, are refused")
    func refusals() async throws {
        try await withHouse { house in
            for document in ["", "{}", #"{"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}"#] {
                await #expect(throws: PolicyStoreError.self) {
                    try await house.policies.store(name: "p", document: document, by: "admin")
                }
            }
            await #expect(throws: PolicyStoreError.self) {
                try await house.policies.store(name: "administrator", document: readEO, by: "admin")
            }
            try await house.policies.store(name: "read-eo", document: readEO, by: "admin")
            await #expect(throws: PolicyStoreError.self) {
                try await house.policies.attach("read-eo", to: .account("nobody"), by: "admin")
            }
            #expect(Attachment("user:") == nil && Attachment("ada") == nil)
        }
    }

    @Test("a boundary takes away what other policies give", arguments: TestEngine.allCases)
    func boundaries(engine: TestEngine) async throws {
        try await withHouse(engine) { house in
            let (ada, admin) = (try await house.principal("ada"), try await house.principal("admin"))
            func decide(_ principal: Principal, _ action: String, _ resource: String) async throws -> Decision {
                try await house.gate.decide(principal, action, on: resource, context)
            }
            let (object, item) = ("arn:aws:s3:::eo/a", ResourceName.item("eo", "scene"))
            try await house.policies.store(
                name: "all",
                document:
                    #"{"Statement": [{"Effect": "Allow", "Action": ["s3:*", "stac:*", "iam:*"], "Resource": "*"}]}"#,
                by: "admin")
            try await house.policies.attach("all", to: .account("ada"), by: "admin")
            try await house.policies.store(name: "read-eo", document: readEO, by: "admin")
            #expect(try await decide(ada, "s3:PutObject", object).isAllowed)

            try await house.policies.setBoundary("read-eo", of: .account("ada"), by: "admin")
            #expect(try await decide(ada, "s3:GetObject", object).isAllowed)
            let refused = try await decide(ada, "s3:PutObject", object)
            #expect(refused.description == #"Denied because the boundary "read-eo of user:ada" does not allow it."#)
            let simulation = try await house.gate.simulate(ada, "s3:PutObject", on: object, context)
            #expect(simulation.decision == refused && simulation.deciding?.from == ["user:ada"])
            #expect(simulation.nearMisses.map(\.missing) == [.action])
            let inUse = await #expect(throws: PolicyStoreError.self) {
                try await house.policies.delete(name: "read-eo", by: "admin")
            }
            #expect(inUse?.code == .conflict && inUse?.message.contains("user:ada") == true)
            try await house.policies.removeBoundary(of: .account("ada"), by: "admin")
            #expect(try await decide(ada, "s3:PutObject", object).isAllowed)

            // That of a space binds everybody, for what is in it.
            try await house.policies.setBoundary("read-eo", of: .space("main"), by: "admin")
            #expect(try await !decide(admin, "s3:PutObject", object).isAllowed)
            #expect(try await !decide(ada, "stac:GetItem", item).isAllowed)
            #expect(try await decide(admin, "iam:CreateUser", ResourceName.account("bob")).isAllowed)
            #expect(try await decide(admin, "s3:GetObject", object).isAllowed)
            try await house.policies.removeBoundary(of: .space("main"), by: "admin")
            #expect(try await decide(admin, "s3:PutObject", object).isAllowed)

            // An administrator who is bound can still undo it.
            try await house.policies.setBoundary("read-eo", of: .account("admin"), by: "admin")
            #expect(try await !decide(admin, "s3:PutObject", object).isAllowed)
            #expect(
                try await decide(admin, "iam:DeleteUserPermissionsBoundary", ResourceName.account("admin")).isAllowed)
            for missing in [Bounded.account("nobody"), .role("nobody"), .space("other")] {
                let refusal = await #expect(throws: PolicyStoreError.self) {
                    try await house.policies.setBoundary("read-eo", of: missing, by: "admin")
                }
                #expect(refusal?.code == .notFound)
            }
            // Who is gone leaves no boundary to whoever takes the name.
            try await house.policies.setBoundary("read-eo", of: .account("ada"), by: "admin")
            try await house.policies.forget(.account("ada"), by: "admin")
            #expect(try await house.policies.boundary(of: .account("ada")) == nil)
            #expect(try await house.policies.boundaries().map(\.subject) == [.account("admin")])
        }
    }

    /// What a catalogue would say.
    private struct Shelf: ProductSource {
        func properties(ofObject key: String, in collection: String) async throws -> [String: [String]] {
            key.hasPrefix("clear/")
                ? ["eo:cloud_cover": ["3"]] : key.hasPrefix("dull/") ? ["eo:cloud_cover": ["80"]] : [:]
        }
        func properties(ofItem id: String, in collection: String) async throws -> [String: [String]] {
            try await properties(ofObject: id + "/", in: collection)
        }
    }

    @Test("a policy asks for the properties of the product that an object belongs to")
    func products() async throws {
        try await withHouse { house in
            let gate = Gate(policies: house.policies, journal: house.journal, products: Shelf())
            try await house.policies.store(
                name: "clear",
                document: """
                    {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "stac:*"], "Resource": "*",
                    "Condition": {"NumericLessThan": {"martlet:Product/eo:cloud_cover": "20"}}}]}
                    """, by: "admin")
            try await house.policies.attach("clear", to: .account("ada"), by: "admin")
            let ada = try await house.principal("ada")
            for (key, isAllowed) in [("clear/B1.tif", true), ("dull/B1.tif", false), ("none/B1.tif", false)] {
                let decision = try await gate.decide(
                    ada, "s3:GetObject", on: ResourceName.object("eo", key), context)
                #expect(decision.isAllowed == isAllowed, "\(key)")
            }
            #expect(try await gate.decide(ada, "stac:GetItem", on: ResourceName.item("eo", "clear"), context).isAllowed)
            #expect(try await !gate.decide(ada, "stac:GetItem", on: ResourceName.item("eo", "dull"), context).isAllowed)
            let missed = try await gate.simulate(ada, "s3:GetObject", on: ResourceName.object("eo", "dull/a"), context)
            #expect(
                missed.nearMisses.map(\.missing)
                    == [.condition(key: "martlet:product/eo:cloud_cover", isAbsent: false)])
            let test = try await gate.itemTest(ada, "stac:Search", in: "eo", context)
            #expect(!test.isAlways && !test.isNever && test.holds { $0 == "eo:cloud_cover" ? ["3"] : [] })
            let admin = try await house.principal("admin")
            #expect(try await gate.itemTest(admin, "stac:Search", in: "eo", context).isAlways)
        }
    }
}
