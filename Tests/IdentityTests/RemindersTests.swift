import Database
import Identity
import Journal
import TestSupport
import Testing
import Vault
import Wire

/// Letters about what is coming or waits: each once, to whom it concerns.
@Suite struct RemindersTests {
    private static let lead: Int64 = 14 * 86_400

    private func withPeople(
        _ engine: TestEngine, _ body: (Identity, People, Journal) async throws -> Void
    ) async throws {
        try await withFolder { folder in
            try await engine.withDatabase(Journal.migrations + Identity.migrations) { database in
                let journal = Journal(database: database, node: "test")
                let master = try MasterKey.open(path: folder + "/master.key", creates: true)
                let identity = Identity(journal: journal, master: master, passwordCost: 16)
                for name in ["ada", "boss"] {
                    try await identity.createAccount(
                        name: name, kind: .person, email: "\(name)@example.org", password: "a long pass phrase",
                        by: "test")
                }
                let people = People(
                    identity: identity, address: "https://node.example.org", registration: .approval, sendsMail: true)
                try await body(identity, people, journal)
            }
        }
    }

    /// The letters that a round has written, and that the next one writes no more.
    private func letters(_ identity: Identity, _ people: People) async throws -> [String] {
        for _ in 0..<2 { #expect(try await people.remind(lead: Self.lead, by: "test") == false) }
        let due = try await identity.dueMail(limit: 100)
        for mail in due { try await identity.mailWasSent(mail, by: "test") }
        return due.map { "\($0.to): \($0.subject)" }.sorted()
    }

    @Test("an end that comes is told once, another end again", arguments: TestEngine.allCases)
    func ends(engine: TestEngine) async throws {
        try await withPeople(engine) { identity, people, _ in
            let now = Timestamp.now
            try await identity.setEnd(now.adding(seconds: 30 * 86_400), of: "ada", by: "test")
            #expect(try await letters(identity, people).isEmpty)
            for days in [10, 5] as [Int64] {
                let end = now.adding(seconds: days * 86_400)
                try await identity.setEnd(end, of: "ada", by: "test")
                #expect(try await letters(identity, people) == ["ada@example.org: Your account ends on \(end.day)"])
            }
            try await identity.setEnd(nil, of: "ada", by: "test")
            #expect(try await letters(identity, people).isEmpty)
        }
    }

    @Test("a signature that ends is told of, and again after it was renewed", arguments: TestEngine.allCases)
    func signatures(engine: TestEngine) async throws {
        try await withPeople(engine) { identity, people, journal in
            _ = try await identity.publishUsePolicy("Be kind.", renewDays: 365, by: "ada")
            #expect(try await letters(identity, people).isEmpty)
            for _ in 0..<2 {
                let old = Timestamp.now.adding(seconds: -360 * 86_400).microseconds
                try await journal.write { transaction, _ in
                    try transaction.run("UPDATE use_signatures SET signed = ?", .init(old))
                }
                let subject = "Sign the acceptable-use policy again"
                #expect(try await letters(identity, people) == ["ada@example.org: \(subject)"])
                try await identity.sign(policy: 1, as: "ada")
            }
        }
    }

    @Test("who has invited somebody hears that the invitation ends", arguments: TestEngine.allCases)
    func invitations(engine: TestEngine) async throws {
        try await withPeople(engine) { identity, people, journal in
            _ = try await people.invite(email: "new@example.org", groups: [], by: "ada")
            #expect(try await letters(identity, people) == ["new@example.org: You are invited"])
            let soon = Timestamp.now.adding(seconds: 86_400)
            try await journal.write { transaction, _ in
                try transaction.run("UPDATE tickets SET expires = ?", .init(soon.microseconds))
            }
            #expect(try await letters(identity, people) == ["ada@example.org: An invitation ends on \(soon.day)"])
        }
    }

    @Test("managers hear of requests, and of later ones together after an hour", arguments: TestEngine.allCases)
    func requests(engine: TestEngine) async throws {
        try await withPeople(engine) { identity, people, journal in
            try await identity.createGroup(name: "optics", by: "test")
            try await identity.setDetails(isOpen: true, ofGroup: "optics", by: "test")
            try await identity.addManager("boss", to: "optics", by: "test")
            try await identity.requestJoin("optics", note: "", as: "ada")
            #expect(try await letters(identity, people) == ["boss@example.org: Somebody asks to join optics"])
            try await identity.createAccount(name: "eve", kind: .person, password: nil, by: "test")
            try await identity.requestJoin("optics", note: "", as: "eve")
            #expect(try await letters(identity, people).isEmpty)
            let before = Timestamp.now.adding(seconds: -3700).microseconds
            try await journal.write { transaction, _ in
                try transaction.run("UPDATE join_requests SET told = ? WHERE told IS NOT NULL", .init(before))
            }
            #expect(try await letters(identity, people) == ["boss@example.org: 2 people ask to join optics"])
            let page = try await journal.audit(AuditQuery(), before: nil, limit: 100)
            #expect(page.records.filter { $0.kind == "reminder.posted" }.count == 2)
        }
    }
}
