import Database
import Journal
import TestSupport
import Testing

/// Gathers what a verification finds.
private actor Findings {
    var all: [Finding] = []

    func add(_ finding: Finding) { all.append(finding) }
}

@Suite struct VerificationTests {
    private func findings(in journal: Journal) async throws -> [String] {
        let findings = Findings()
        _ = try await journal.verify { await findings.add($0) }
        return await findings.all.map { "\($0.subject): \($0.problem)" }
    }

    @Test(
        "a gap in the journal is found, and a follower that has seen more than there is", arguments: TestEngine.allCases
    )
    func gaps(_ engine: TestEngine) async throws {
        try await engine.withDatabase(Journal.migrations) { database in
            let journal = Journal(database: database, node: "a")
            for _ in 0..<3 {
                try await journal.write { _, events in
                    for _ in 0..<3 { events.record(EventKind("test.happened"), by: "ada", on: "thing") }
                }
            }
            let tids = try await database.read { reader in
                try reader.rows("SELECT tid FROM events ORDER BY tid, sequence") { $0.int(0) }
            }
            let middle = tids[4]
            _ = try await journal.lease("tracer")
            #expect(try await findings(in: journal) == [])
            #expect(try await journal.missing(of: [middle, middle + 1_000_000]) == [middle + 1_000_000])

            try await database.write { transaction in
                try transaction.run("DELETE FROM events WHERE tid = ? AND sequence = 1", .init(middle))
            }
            #expect(
                try await findings(in: journal) == ["transaction \(middle): its event 1 is missing: the next is 2"])
            try await database.write { [tids] transaction in
                try transaction.run("DELETE FROM events WHERE tid = ?", .init(middle))
                try transaction.run("UPDATE events SET detail = '{' WHERE tid = ? AND sequence = 0", .init(tids[0]))
                try transaction.run("UPDATE followers SET tid = ?", .init(tids[8] + 1))
            }
            #expect(
                try await findings(in: journal) == [
                    "event \(tids[0])/0: its particulars are no JSON object",
                    "follower tracer: it has seen transaction \(tids[8] + 1), but the journal ends with \(tids[8])",
                ])
        }
    }
}
