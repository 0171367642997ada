import Database
import TestSupport
import Testing

/// A row of the test table.
private struct Item: Sendable, Equatable {
    var id: Int64
    var name: String?
    var size: Int64?
    var weight: Double?
    var body: [UInt8]?

    init(id: Int64, name: String?, size: Int64?, weight: Double?, body: [UInt8]?) {
        (self.id, self.name, self.size, self.weight, self.body) = (id, name, size, weight, body)
    }

    init(_ row: borrowing Row) {
        self.init(
            id: row.int(0), name: row.textOrNil(1), size: row.intOrNil(2), weight: row.doubleOrNil(3),
            body: row.blobOrNil(4))
    }
}

@Suite struct ValueTests {
    @Test("values of all types come back as they were bound", arguments: TestEngine.allCases)
    func roundTrip(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let text = "Ærø 日本 🌍 'quoted' ? \u{301}"
            let blob: [UInt8] = [0, 1, 0, 255, 0]
            try await database.write { transaction in
                let sql = "INSERT INTO item (id, name, size, weight, body) VALUES (?, ?, ?, ?, ?)"
                try transaction.execute(sql, 1, .init(text), .integer(.max), .real(-1.5e300), .blob(blob))
                try transaction.execute(sql, .integer(.min), "", 0, 0.1, .blob([]))
                try transaction.execute(sql, 3, nil, nil, nil, nil)
                try transaction.execute(
                    sql, 4, .init(nil as String?), .init(nil as Int?), .init(2 as Double?), .init(blob))
            }
            let sql = "SELECT id, name, size, weight, body FROM item ORDER BY id"
            let rows = try await database.read { try $0.rows(sql) { Item($0) } }
            let expected = [
                Item(id: .min, name: "", size: 0, weight: 0.1, body: []),
                Item(id: 1, name: text, size: .max, weight: -1.5e300, body: blob),
                Item(id: 3, name: nil, size: nil, weight: nil, body: nil),
                Item(id: 4, name: nil, size: nil, weight: 2, body: blob),
            ]
            #expect(rows == expected)
            #expect(rows.map { Array(($0.name ?? "").utf8) } == expected.map { Array(($0.name ?? "").utf8) })
        }
    }

    @Test("plain accessors read NULL and missing columns as nothing", arguments: TestEngine.allCases)
    func missing(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let plain = try await database.read { reader in
                try reader.first("SELECT NULL, 'né', 1") { row in
                    "\(row.int(0)) \(row.double(0)) [\(row.text(0))] \(row.blob(0)) \(row.isNull(0)) "
                        + "\(row.isNull(3)) \(row.isNull(-1)) \(row.int(99)) "
                        + "\(row.withBytes(1) { $0.count }) \(row.bool(2))"
                }
            }
            #expect(plain == "0 0.0 [] [] true true true 0 3 true")
        }
    }

    @Test("sums, counts, averages and casts read as numbers", arguments: TestEngine.allCases)
    func aggregates(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await database.write { transaction in
                for id in 1...4 {
                    try transaction.run(
                        "INSERT INTO item (id, size) VALUES (?, ?)", .init(id), .integer(3_000_000_000 * Int64(id)))
                }
            }
            try await database.read { reader in
                try #expect(reader.scalar("SELECT count(*) FROM item") == 4)
                try #expect(reader.scalar("SELECT sum(size) FROM item") == 30_000_000_000)
                try #expect(reader.scalar("SELECT CAST(sum(size) AS INTEGER) FROM item") == 30_000_000_000)
                try #expect(reader.scalar("SELECT sum(-size) FROM item") == -30_000_000_000)
                try #expect(reader.scalar("SELECT max(size) FROM item WHERE id > ?", 9) == nil)
                let average = try reader.first("SELECT avg(size) FROM item") { $0.double(0) }
                #expect(average == 7_500_000_000)
                try #expect(reader.scalar("SELECT EXISTS (SELECT 1 FROM item WHERE id = ?)", 2) == 1)
                let quoted = try reader.first("SELECT 'a?''?', \"id\" FROM item -- ?\n WHERE id = ?", 2) { $0.text(0) }
                #expect(quoted == "a?'?")
            }
        }
    }

    @Test("text sorts by its UTF-8 bytes", arguments: TestEngine.allCases)
    func order(engine: TestEngine) async throws {
        let names = [
            "a", "B", "b", "A", "é", "z", "_", "-", "a/b", "a-b", "a b", "Ω", "ab", "", "~", "10", "9", "🌍", "ﬀ",
        ]
        try await engine.withTables { database in
            try await database.write { transaction in
                for (id, name) in names.enumerated() {
                    try transaction.run("INSERT INTO item (id, name) VALUES (?, ?)", .init(id), .init(name))
                }
            }
            let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            try await database.read { reader in
                let all = try reader.rows("SELECT name FROM item ORDER BY name") { $0.text(0) }
                #expect(all == sorted)
                let after = try reader.rows("SELECT name FROM item WHERE name > ? ORDER BY name", "a") { $0.text(0) }
                #expect(after == Array(sorted.drop { $0 != "a" }.dropFirst()))
            }
        }
    }

    @Test("upserts, RETURNING and common table expressions work", arguments: TestEngine.allCases)
    func dialect(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let upsert = """
                INSERT INTO item (id, name, size) VALUES (?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET size = item.size + excluded.size RETURNING size
                """
            try await database.write { transaction in
                try #expect(transaction.scalar(upsert, 1, "a", 5) == 5)
                try #expect(transaction.scalar(upsert, 1, "a", 6) == 11)
                try #expect(transaction.execute("UPDATE item SET weight = 1.0 WHERE id = ?", 1) == 1)
                try #expect(transaction.execute("DELETE FROM item WHERE id = ?", 77) == 0)
                let sum = """
                    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                    SELECT sum(i) FROM n
                    """
                try #expect(transaction.scalar(sum) == 5050)
            }
        }
    }

    @Test("values one engine could not store are refused by both", arguments: TestEngine.allCases)
    func refusedValues(engine: TestEngine) async throws {
        try await engine.withTables { database in
            for (column, value) in [("name", SQLValue.text("a\0b")), ("weight", .real(.nan))] {
                let code = await code {
                    try await database.write {
                        try $0.run("INSERT INTO item (id, \(column)) VALUES (1, ?)", value)
                    }
                }
                #expect(code == .misuse)
            }
        }
    }

    @Test("a large blob comes back whole", arguments: TestEngine.allCases)
    func largeBlob(engine: TestEngine) async throws {
        let blob = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await engine.withTables { database in
            try await database.write { try $0.run("INSERT INTO item (id, body) VALUES (1, ?)", .blob(blob)) }
            let stored = try await database.read { try $0.first("SELECT body FROM item") { $0.blob(0) } }
            #expect(stored == blob)
        }
    }
}
