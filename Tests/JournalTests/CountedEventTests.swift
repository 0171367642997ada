import Database
import Journal
import TestSupport
import Testing
import Wire

@Suite struct CountedEventTests {
    private func withJournal(_ engine: TestEngine, _ body: (Journal) async throws -> Void) async throws {
        try await engine.withDatabase(Journal.migrations) { try await body(Journal(database: $0, node: "test")) }
    }

    private static func refusal(_ number: Int, of actor: String = "ada", from address: String = "192.0.2.1")
        -> CountedEvent
    {
        .refusal(
            of: actor, on: "arn:aws:s3:::eo/\(number)", action: "s3:GetObject", reason: "no", address: address)
    }

    private func told(_ journal: Journal) async throws -> [(subject: String, actor: String, count: Int64)] {
        try await journal.read { reader in
            try reader.rows("SELECT subject, actor, detail FROM events ORDER BY tid, sequence LIMIT 10000") { row in
                let detail = try JSONValue(parsing: row.text(2))
                return (row.text(0), row.text(1), detail["count"]?.integer ?? 1)
            }
        }
    }

    @Test(
        "the first is told before the call returns, the others when their time is over", arguments: TestEngine.allCases)
    func counted(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            for _ in 0..<5 { try await journal.tell(Self.refusal(1)) }
            try await journal.tell(Self.refusal(1, of: "eve"))
            #expect(try await told(journal).map(\.actor) == ["ada", "eve"])
            try await journal.flushCounted()
            #expect(try await told(journal).count == 2)
            try await journal.flushCounted(isEnding: true)
            let all = try await told(journal)
            #expect(all.map(\.count) == [1, 1, 4] && all.last?.actor == "ada")
            // A new minute begins.
            try await journal.tell(Self.refusal(1))
            #expect(try await told(journal).count == 4)
        }
    }

    @Test("what is only noted is told with the next batch")
    func noted() async throws {
        try await withJournal(.sqlite) { journal in
            for _ in 0..<3 { journal.note(.use(ofKey: "log key", for: "sign checkpoint")) }
            #expect(try await told(journal).isEmpty)
            try await journal.flushCounted()
            #expect(try await told(journal).map(\.count) == [3])
            journal.note(.use(ofKey: "log key", for: "sign checkpoint"))
            try await journal.flushCounted()
            #expect(try await told(journal).count == 1)
        }
    }

    @Test("what could not be written is told once it can be")
    func putBack() async throws {
        try await TestEngine.sqlite.withDatabase(Journal.migrations) { database in
            let journal = Journal(database: database, node: "test")
            try await database.write { try $0.execute("ALTER TABLE events RENAME TO away") }
            await #expect(throws: (any Error).self) { try await journal.tell(Self.refusal(1)) }
            journal.note(Self.refusal(2))
            await #expect(throws: (any Error).self) { try await journal.flushCounted(isEnding: true) }
            journal.note(Self.refusal(2))
            try await database.write { try $0.execute("ALTER TABLE away RENAME TO events") }
            try await journal.flushCounted()
            let all = try await told(journal).sorted { $0.subject < $1.subject }
            #expect(all.map(\.count) == [1, 2])
        }
    }

    @Test("who is refused many things is told of by their class, and then at all", arguments: TestEngine.allCases)
    func folded(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            for number in 0..<500 { journal.note(Self.refusal(number)) }
            try await journal.flushCounted()
            try await journal.flushCounted(isEnding: true)
            let all = try await told(journal)
            #expect(all.count < 60 && all.reduce(0) { $0 + $1.count } == 500)
            #expect(all.contains { $0.subject == "arn:aws:s3:::eo/*" && $0.count > 400 })
        }
    }

    @Test("any number of callers takes bounded room")
    func bounded() async throws {
        try await withJournal(.sqlite) { journal in
            for number in 0..<6_000 { journal.note(Self.refusal(1, from: "2001:db8::\(number)")) }
            try await journal.flushCounted(isEnding: true)
            let counts = try await journal.read { reader in
                try reader.rows("SELECT count(*) FROM events WHERE actor = ?", .init("*")) { $0.int(0) }
                    + [try reader.scalar("SELECT count(*) FROM events") ?? 0]
            }
            #expect(counts == [1, 5_001])
        }
    }
}
