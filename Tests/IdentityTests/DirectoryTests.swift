import Database
import Identity
import Journal
import TestSupport
import Testing
import Vault
import Wire

@Suite struct DirectoryTests {
    private func withIdentity(_ engine: TestEngine, _ body: (Identity, Database) async throws -> Void) async throws {
        try await withFolder { folder in
            try await engine.withDatabase(Journal.migrations + Identity.migrations) { database in
                let master = try MasterKey.open(path: folder + "/master.key", creates: true)
                let identity = Identity(
                    journal: Journal(database: database, node: "test"), master: master, passwordCost: 16)
                try await body(identity, database)
            }
        }
    }

    private func fill(_ identity: Identity) async throws {
        for (name, kind, shown, email) in [
            ("ada", PrincipalKind.person, "Ada  Lovelace", "ada@example.org"), ("Bob", .person, "", ""),
            ("émile".replacing("é", with: "e"), .person, "ÉMILE  Zola", "Emile@example.org"),
            ("redmine", .service, "Tickets", ""), ("node7", .computer, "", ""),
        ] {
            try await identity.createAccount(
                name: name, kind: kind, displayName: shown, email: email, password: nil, by: "test")
        }
        for group in ["science", "all", "empty"] { try await identity.createGroup(name: group, by: "test") }
        try await identity.addMember(account: "ada", to: "science", by: "test")
        try await identity.addMember(account: "redmine", to: "science", by: "test")
        try await identity.addMember(account: "Bob", to: "all", by: "test")
        try await identity.addMember(group: "science", to: "all", by: "test")
    }

    @Test("conditions find what they say, through nested groups too", arguments: TestEngine.allCases)
    func conditions(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity, _ in
            try await fill(identity)
            let ada = try await identity.account("ada")
            for (branch, condition, expected) in [
                (.people, .everything, ["ada", "Bob", "emile"]), (.services, .everything, ["redmine", "node7"]),
                (.people, .name("bob"), ["Bob"]), (.people, .name("redmine"), []),
                (.people, .namePrefix("e"), ["emile"]),
                (.people, .commonName("ada lovelace"), ["ada"]), (.people, .commonName("bob"), ["Bob"]),
                (.people, .commonName("émile zola"), ["emile"]), (.people, .commonNamePrefix("ém"), ["emile"]),
                (.people, .email("emile@example.org"), ["emile"]), (.people, .emailPrefix("a"), ["ada"]),
                (.people, .email(""), []), (.people, .uuid(ada.uuid), ["ada"]), (.people, .number(ada.number), ["ada"]),
                (.people, .inGroup("all"), ["ada", "Bob"]), (.services, .inGroup("all"), ["redmine"]),
                (.people, .inGroup("none"), []),
                (.people, .any([.name("ada"), .email("emile@example.org")]), ["ada", "emile"]),
                (.people, .all([.inGroup("all"), .namePrefix("b")]), ["Bob"]), (.people, .any([]), []),
                (.people, .withMemberNamed("ada"), []),
            ] as [(DirectoryBranch, DirectoryCondition, [String])] {
                let page = try await identity.directoryAccounts(
                    branch, condition, after: 0, limit: 100, withGroups: false)
                #expect(page.entries.map(\.account.name) == expected, "\(condition)")
                #expect(page.isLast)
            }
            for (condition, expected) in [
                (.everything, ["science", "all", "empty"]), (.withMember("ada", .people), ["science", "all"]),
                (.withMember("ada", .services), []), (.withMember("redmine", .services), ["science", "all"]),
                (.withMemberNamed("Bob"), ["all"]), (.withMemberNamed("bob"), []), (.email("x"), []),
                (.name("science"), ["science"]),
            ] as [(DirectoryCondition, [String])] {
                let page = try await identity.directoryGroups(condition, after: 0, limit: 100, withMembers: false)
                #expect(page.entries.map(\.group.name) == expected, "\(condition)")
            }
        }
    }

    @Test("pages tell groups of accounts and members of groups, each once", arguments: TestEngine.allCases)
    func pages(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity, _ in
            try await fill(identity)
            var found: [String: [String]] = [:]
            var (after, isLast) = (Int64(0), false)
            while !isLast {
                let page = try await identity.directoryAccounts(
                    .people, .everything, after: after, limit: 1, withGroups: true)
                for entry in page.entries { found[entry.account.name] = entry.groups }
                after = page.entries.last?.account.id ?? after
                isLast = page.isLast
            }
            #expect(found == ["ada": ["all", "science"], "Bob": ["all"], "emile": []])
            let groups = try await identity.directoryGroups(.everything, after: 0, limit: 10, withMembers: true)
            let members = groups.entries.map { $0.members.map { "\($0.branch.rawValue)/\($0.name)" } }
            #expect(
                members == [
                    ["people/ada", "services/redmine"], ["people/Bob", "people/ada", "services/redmine"], [],
                ])
        }
    }

    @Test("numbers and UUIDs are given once, and never again", arguments: TestEngine.allCases)
    func numbers(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity, _ in
            try await fill(identity)
            let last = try await identity.group("empty")
            let numbers =
                try await identity.accounts().map(\.number) + identity.groups().map(\.number)
            #expect(numbers.sorted() == (0..<8).map { 200_000 + $0 })
            try await identity.deleteGroup("empty", by: "test")
            try await identity.createGroup(name: "empty", by: "test")
            let again = try await identity.group("empty")
            #expect(again.number == 200_008)
            #expect(again.uuid != last.uuid)
        }
    }

    @Test("a group has changed when its members have, and so has the group around it", arguments: TestEngine.allCases)
    func changes(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity, _ in
            try await fill(identity)
            func changed() async throws -> [String: Timestamp] {
                Dictionary(uniqueKeysWithValues: try await identity.groups().map { ($0.name, $0.changed) })
            }
            let before = try await changed()
            try await identity.removeMember(account: "ada", from: "science", by: "test")
            let after = try await changed()
            #expect(before["empty"] == after["empty"])
            for name in ["science", "all"] {
                #expect(try #require(before[name]) < #require(after[name]), "\(name)")
            }
            try await identity.deleteAccount("redmine", by: "test")
            #expect(try await #require(changed()["all"]) > #require(after["all"]))
        }
    }

    @Test("an address belongs to one account, whatever its case, and has to be one")
    func addresses() async throws {
        try await withIdentity(.sqlite) { identity, _ in
            try await fill(identity)
            let taken = await #expect(throws: IdentityError.self) {
                try await identity.setDetails(email: "ADA@example.org", of: "Bob", by: "test")
            }
            #expect(taken?.code == .exists)
            try await identity.setDetails(displayName: "Ada King", email: "ADA@example.org", of: "ada", by: "test")
            #expect(try await identity.account("ada").email == "ADA@example.org")
            for wrong in ["ada", "@x", "a@b@c", "a b@c", "ä@c", "a@", "<a@b>"] {
                let refused = await #expect(throws: IdentityError.self, "\(wrong)") {
                    try await identity.setDetails(email: wrong, of: "Bob", by: "test")
                }
                #expect(refused?.code == .invalidName)
            }
        }
    }

    @Test("what a search asks for is found by an index")
    func indexes() async throws {
        try await withIdentity(.sqlite) { identity, database in
            for condition in [
                "lower(a.name) = 'x'", "a.common_name = 'x'", "(lower(a.email) = 'x' AND a.email <> '')",
                "a.uuid = 'x'", "a.number = 7", "(lower(a.name) = 'x' OR (lower(a.email) = 'x' AND a.email <> ''))",
                "(lower(a.name) >= 'x' AND lower(a.name) < 'y')",
            ] {
                let plan = try await database.read { reader in
                    try reader.rows(
                        "EXPLAIN QUERY PLAN SELECT a.id FROM accounts a WHERE a.kind = 'person' AND \(condition) AND a.id > 0 ORDER BY a.id LIMIT 10"
                    ) { $0.text(3) }
                }
                #expect(plan.contains { $0.contains("USING INDEX") }, "\(condition): \(plan)")
                #expect(
                    !plan.contains { $0.hasPrefix("SCAN") || $0.contains("USING INTEGER") }, "\(condition): \(plan)")
            }
        }
    }

    @Test("a login that lasts ends with its password, its app password and its account", arguments: TestEngine.allCases)
    func standing(engine: TestEngine) async throws {
        try await withIdentity(engine) { identity, _ in
            try await identity.createAccount(name: "ada", kind: .person, password: "correct horse", by: "test")
            let made = try await identity.createAppPassword(account: "ada", by: "test")
            func login(_ password: String) async throws -> StandingLogin {
                try await identity.standingLogin(name: "ada", password: password, address: "127.0.0.1")
            }
            func ended(_ login: StandingLogin) async -> IdentityError.Code? {
                do {
                    _ = try await identity.principal(of: login)
                    return nil
                } catch { return (error as? IdentityError)?.code }
            }
            let (app, own) = (try await login(made.password), try await login("correct horse"))
            #expect(app.method == .appPassword && own.method == .password)
            #expect(await ended(app) == nil)
            #expect(await ended(own) == nil)
            try await identity.setPassword("another horse", of: "ada", by: "test")
            #expect(await ended(own) == .expired)
            #expect(await ended(app) == nil)
            try await identity.deleteAppPassword(made.id, by: "test")
            #expect(await ended(app) == .expired)
            let new = try await login("another horse")
            try await identity.setDisabled(true, of: "ada", by: "test")
            #expect(await ended(new) == .disabled)
        }
    }
}
