import Database
import Journal
import TestSupport
import Testing
import Wire

@Suite struct JournalTests {
    private func withJournal(_ engine: TestEngine, node: String = "a", _ body: (Journal) async throws -> Void)
        async throws
    {
        try await engine.withDatabase(Journal.migrations) { try await body(Journal(database: $0, node: node)) }
    }

    @Test("events come out in the order of their transactions, each with its TID", arguments: TestEngine.allCases)
    func order(engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            for number in 0..<20 {
                try await journal.write { _, events in
                    events.record(EventKind("test.happened"), by: "ada", on: "thing/\(number)") {
                        $0.member("n", number)
                    }
                    events.record(EventKind("test.more"), by: "ada", on: "thing/\(number)")
                }
            }
            var events: [Event] = []
            // On PostgreSQL an event is told once no transaction of the whole server, other suites' too, is older.
            let areAll = try await eventually {
                events = try await journal.events(after: .start, limit: 100)
                return events.count == 40
            }
            #expect(areAll)
            #expect(events.map(\.subject) == (0..<20).flatMap { ["thing/\($0)", "thing/\($0)"] })
            #expect(events.map(\.sequence) == (0..<20).flatMap { _ in [0, 1] })
            #expect(zip(events, events.dropFirst()).allSatisfy { ($0.tid, $0.sequence) < ($1.tid, $1.sequence) })
            let middle = try #require(events.dropFirst(10).first)
            let rest = try await journal.events(
                after: JournalPosition(tid: middle.tid, sequence: middle.sequence), limit: 100)
            #expect(rest.count == 29)
            #expect(try await journal.events(of: "thing/7", limit: 10).count == 2)
        }
    }

    @Test("a transaction that throws leaves no event", arguments: TestEngine.allCases)
    func rollback(engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            await #expect(throws: Refused.self) { try await record(journal, thenThrow: Refused()) }
            let events = try await journal.events(after: .start, limit: 10)
            #expect(events.isEmpty)
        }
    }

    private struct Refused: Error {}

    private func record(_ journal: Journal, thenThrow error: Refused) async throws {
        try await journal.write { _, events in
            events.record(EventKind("test.happened"), by: "ada", on: "thing")
            throw error
        }
    }

    @Test("a duty belongs to one node until its lease ends or is given back", arguments: TestEngine.allCases)
    func leases(engine: TestEngine) async throws {
        try await engine.withDatabase(Journal.migrations) { database in
            let first = Journal(database: database, node: "first")
            let second = Journal(database: database, node: "second")
            #expect(try await first.lease("tracer")?.position == .start)
            #expect(try await second.lease("tracer") == nil)
            #expect(try await first.advance("tracer", to: JournalPosition(tid: 7, sequence: 1)))
            try await first.release("tracer")
            #expect(try await second.lease("tracer")?.position == JournalPosition(tid: 7, sequence: 1))
            // The one that lost the duty cannot move the cursor any more.
            #expect(try await first.advance("tracer", to: JournalPosition(tid: 9, sequence: 0)) == false)
            #expect(try await first.lease("other", seconds: -1) != nil)
            #expect(try await second.lease("other") != nil, "a lease that has ended can be taken over")
        }
    }

    @Test("whoever waits is woken by the next commit, and by none that was seen before", .timeLimit(.minutes(10)))
    func waking() async throws {
        try await withJournal(.sqlite) { journal in
            let generation = journal.generation
            try await journal.write { _, events in events.record(EventKind("test.happened"), by: "ada", on: "thing") }
            // It would wait an hour for a commit between looking and waiting that it missed.
            try await journal.waitForCommit(after: generation, secondsMax: 3600)
            try await journal.waitForCommit(after: journal.generation, secondsMax: 0.05)
        }
    }

    @Test("accesses are written in batches, equal ones counted", arguments: TestEngine.allCases)
    func accesses(engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            let record = AccessRecord(
                principal: "ada", action: "s3:GetObject", resource: "r", address: "127.0.0.1",
                reason: "because")
            for _ in 0..<500 { journal.note(record) }
            try await journal.flushAccesses()
            let counts = try await journal.read { reader in
                try reader.rows("SELECT count, principal FROM access_records") { ($0.int(0), $0.text(1)) }
            }
            #expect(counts.count == 1)
            #expect(counts.first?.0 == 500)
            try await journal.pruneAccesses(olderThan: -10)
            #expect(try await journal.read { try $0.scalar("SELECT count(*) FROM access_records") } == 0)
        }
    }
}
