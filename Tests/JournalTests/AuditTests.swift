import Database
import Journal
import TestSupport
import Testing
import Wire

@Suite(.serialized)
struct AuditTests {
    private static let kind = EventKind("test.happened")

    private func withJournal(_ engine: TestEngine, _ body: (Journal) async throws -> Void) async throws {
        try await engine.withDatabase(Journal.migrations) { try await body(Journal(database: $0, node: "a")) }
    }

    private static func write(_ journal: Journal, _ subject: String, collection: Int64? = nil) async throws {
        try await journal.write { _, events in
            events.record(kind, by: "ada", on: subject, collection: collection) { $0.member("client", "192.0.2.7") }
        }
    }

    /// The next batch, once no transaction of another test can slip in before it.
    private static func nextBatch(
        _ journal: Journal, of count: Int64
    ) async throws -> (batch: AuditBatch, lines: [UInt8]) {
        var found: (batch: AuditBatch, lines: [UInt8])?
        let isWhole = try await eventually {
            found = try await journal.nextAuditBatch()
            return found?.batch.count == count
        }
        #expect(isWhole)
        return try #require(found)
    }

    @Test("pages tell each record once, events and accesses together", arguments: TestEngine.allCases)
    func pages(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            for number in 0..<5 {
                try await Self.write(journal, "s\(number)")
                try await Self.write(journal, "data\(number)", collection: 1)
                for place in ["a", "b"] {
                    journal.note(
                        AccessRecord(
                            principal: "bob", action: "s3:GetObject", resource: "\(place)\(number)",
                            address: "192.0.2.8",
                            reason: "allowed"))
                }
                try await journal.flushAccesses()
            }
            func all(_ query: AuditQuery) async throws -> [String] {
                var (out, cursor): ([String], AuditCursor?) = ([], nil)
                repeat {
                    let page = try await journal.audit(query, before: cursor, limit: 2)
                    #expect(page.records.count <= 2)
                    out += page.records.map(\.subject)
                    cursor = page.next.flatMap { AuditCursor($0.text) }
                } while cursor != nil
                return out
            }
            var query = AuditQuery()
            #expect(try await all(query) == ["s4", "s3", "s2", "s1", "s0"])
            query.includesData = true
            #expect(try await all(query).count == 10)
            query.includesAccesses = true
            let everything = try await all(query)
            #expect(everything.count == 20 && Set(everything).count == 20)
            query.text = "S3:GETOBJECT"
            #expect(try await all(query).count == 10)
            query.text = nil
            query.address = "192.0.2.7"
            query.includesData = false
            #expect(try await all(query) == ["s4", "s3", "s2", "s1", "s0"])
            query.subject = "s3"
            #expect(try await all(query) == ["s3"])
            query = AuditQuery()
            query.kind = "test.*"
            query.actor = "ada"
            #expect(try await all(query).count == 5)
            query.actor = "bob"
            #expect(try await all(query).isEmpty)
            for wrong in ["", "1", "1.2.3", "a.b.c.d", "1.2.3.4.5", "99999999999999999999.1.1.1"] {
                #expect(AuditCursor(wrong) == nil)
            }
        }
    }

    @Test("batches follow each other without gaps, and say again what they said", arguments: TestEngine.allCases)
    func batches(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            #expect(try await journal.nextAuditBatch() == nil)
            try await Self.write(journal, "one")
            try await Self.write(journal, "data", collection: 1)
            try await Self.write(journal, "two")
            var (first, lines) = try await Self.nextBatch(journal, of: 2)
            #expect(first.number == 1 && first.count == 2)
            #expect(String(decoding: lines, as: UTF8.self).split(separator: "\n").count == 2)
            first.digest = "d"
            try await journal.keep(first)
            #expect(try await journal.lines(of: first) == lines)
            // What the auditor causes itself is no reason for a batch, and is part of the next.
            try await journal.write { _, events in events.record(Self.kind, by: Journal.auditor, on: "self") }
            #expect(try await journal.nextAuditBatch() == nil)
            try await Self.write(journal, "three")
            let (second, _) = try await Self.nextBatch(journal, of: 2)
            #expect(second.number == 2 && second.count == 2 && second.first > first.last)
            #expect(try await journal.auditBatches(after: 0).map(\.digest) == ["d"])
            #expect(try await journal.auditBatches(after: 1).isEmpty)
        }
    }

    @Test("old events go once they are sealed and seen, and none before", arguments: TestEngine.allCases)
    func retention(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            try await Self.write(journal, "old")
            try await Self.write(journal, "data", collection: 1)
            #expect(try await journal.pruneAudit(olderThan: -1) == 0, "not sealed")
            let (batch, _) = try await Self.nextBatch(journal, of: 1)
            try await journal.keep(batch)
            #expect(try await journal.pruneAudit(olderThan: -1) == 0, "nobody has seen it")
            _ = try await journal.lease("somebody")
            try await Self.write(journal, "new")
            let all = try await journal.events(after: .start, limit: 10)
            let last = try #require(all.last)
            _ = try await journal.advance("somebody", to: JournalPosition(tid: last.tid, sequence: last.sequence))
            #expect(try await journal.pruneAudit(olderThan: 3600) == 0, "not old")
            #expect(try await journal.pruneAudit(olderThan: -1) == 1)
            #expect(try await journal.events(after: .start, limit: 10).map(\.subject) == ["data", "new"])
        }
    }

    @Test("a batch goes whole: large ones, and those of transactions about data", arguments: TestEngine.allCases)
    func wholeBatches(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            // One transaction that is more than a batch, many small ones, and one that also tells of data.
            try await journal.write { _, events in
                for number in 0..<2_500 { events.record(Self.kind, by: "ada", on: "large \(number)") }
            }
            for number in 0..<1_100 { try await Self.write(journal, "small \(number)") }
            try await journal.write { _, events in
                events.record(Self.kind, by: "ada", on: "mixed")
                events.record(Self.kind, by: "ada", on: "mixed", collection: 1)
            }
            var batches: [(batch: AuditBatch, lines: [UInt8])] = []
            for count in [2_000, 1_601] as [Int64] {
                let next = try await Self.nextBatch(journal, of: count)
                try await journal.keep(next.batch)
                batches.append(next)
            }
            _ = try await journal.lease("somebody")
            try await Self.write(journal, "young")
            _ = try await journal.advance("somebody", to: JournalPosition(tid: .max, sequence: 0))
            for (index, (batch, lines)) in batches.enumerated() {
                #expect(try await journal.lines(of: batch) == lines)
                #expect(try await journal.pruneAudit(olderThan: -1) == Int(batch.count))
                #expect(try await journal.lines(of: batch).isEmpty)
                if index == 0 { #expect(try await journal.lines(of: batches[1].batch) == batches[1].lines) }
            }
            #expect(try await journal.pruneAudit(olderThan: -1) == 0, "not sealed")
            #expect(try await journal.events(after: .start, limit: 10).map(\.subject) == ["mixed", "young"])
            var query = AuditQuery()
            query.text = "large"
            #expect(try await journal.audit(query, before: nil, limit: 5).records.isEmpty)
        }
    }

    @Test("sealed events are found by words, addresses and kinds, younger ones too", arguments: TestEngine.allCases)
    func words(_ engine: TestEngine) async throws {
        try await withJournal(engine) { journal in
            func write(_ kind: String, _ actor: String, _ subject: String, _ note: String, from client: String)
                async throws
            {
                try await journal.write { _, events in
                    events.record(EventKind(kind), by: actor, on: subject) {
                        $0.member("note", note)
                        $0.member("client", client)
                    }
                    events.record(EventKind(kind), by: actor, on: subject, collection: 1) { $0.member("note", note) }
                }
            }
            func all() async throws -> [String: [String]] {
                var out: [String: [String]] = [:]
                func found(_ name: String, _ change: (inout AuditQuery) -> Void) async throws {
                    var query = AuditQuery()
                    change(&query)
                    var (subjects, cursor): ([String], AuditCursor?) = ([], nil)
                    repeat {
                        let page = try await journal.audit(query, before: cursor, limit: 2)
                        subjects += page.records.map(\.subject)
                        cursor = page.next
                    } while cursor != nil
                    out[name] = subjects
                }
                try await found("text") { $0.text = "Größe" }
                try await found("place") { $0.text = "EO-Data/2026" }
                try await found("middle") { $0.text = "ata/2026" }
                try await found("address") { $0.address = "192.0.2.7" }
                try await found("shorter") { $0.address = "192.0.2" }
                try await found("kinds") { $0.kind = "login.*" }
                try await found("together") {
                    $0.text = "größe"; $0.actor = "ada"; $0.kind = "login.failed"
                }
                try await found("nobody") {
                    $0.text = "größe"; $0.actor = "bob"
                }
                try await found("quotes") { $0.text = "\" OR * '):& | \\" }
                return out
            }
            for round in 0..<6 {
                try await write("login.failed", "ada", "a\(round)", "die größe \"war\nfalsch", from: "192.0.2.7")
                try await write("policy.stored", "bob", "b\(round)", "eo-data/2026/x", from: "192.0.2.70")
            }
            let scanned = try await all()
            #expect(scanned["text"] == (0..<6).reversed().map { "a\($0)" })
            #expect(scanned["place"] == (0..<6).reversed().map { "b\($0)" } && scanned["middle"] == [])
            #expect(scanned["address"] == scanned["text"] && scanned["shorter"] == [] && scanned["nobody"] == [])
            #expect(scanned["kinds"] == scanned["text"] && scanned["together"] == scanned["text"])
            var sealed = try await Self.nextBatch(journal, of: 12).batch
            sealed.digest = "0"
            try await journal.keep(sealed)
            #expect(try await all() == scanned)
            try await write("login.failed", "ada", "a6", "größe", from: "192.0.2.7")
            let younger = try await all()
            #expect(younger["text"] == ["a6"] + (scanned["text"] ?? []) && younger["kinds"] == younger["address"])
        }
    }
}
