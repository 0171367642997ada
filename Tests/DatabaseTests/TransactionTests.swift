import Database
import Glibc
import TestSupport
import Testing

@Suite struct TransactionTests {
    @Test("what was committed is found from any task, and nothing after the end", arguments: TestEngine.allCases)
    func find(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        try await database.write {
                            try $0.run("INSERT INTO item (id, name) VALUES (?, ?)", .init(number), .init("n\(number)"))
                        }
                        let name = try await database.find {
                            try $0.first("SELECT name FROM item WHERE id = ?", .init(number)) { $0.text(0) }
                        }
                        #expect(name == "n\(number)")
                    }
                }
                try await group.waitForAll()
            }
            #expect(await code { try await database.find { try $0.query("nonsense") { _ in } } } == .misuse)
            await database.close()
            #expect(await code { _ = try await database.find { try $0.scalar("SELECT 1") } } == .closed)
        }
    }

    @Test("a read keeps its snapshot while others commit", arguments: TestEngine.allCases)
    func snapshot(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await database.write { try $0.run("INSERT INTO item (id) VALUES (1)") }
            let (looked, written) = (Gate(), Gate())
            async let counts = database.read { reader in
                let before = try reader.scalar("SELECT count(*) FROM item")
                looked.open()
                written.wait()
                return [before, try reader.scalar("SELECT count(*) FROM item")]
            }
            try await looked.waitAsync()
            try await database.write { try $0.run("INSERT INTO item (id) VALUES (2)") }
            written.open()
            try await #expect(counts == [1, 1])
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM item") } == 2)
        }
    }

    @Test("two hundred concurrent writes all arrive, each with a TID of its own", arguments: TestEngine.allCases)
    func group(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let answered = try await withThrowingTaskGroup(of: Int64.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        try await database.write { transaction in
                            let tid = try transaction.tid
                            try transaction.run("INSERT INTO event VALUES (?, ?)", .integer(tid), .init("\(number)"))
                            return tid
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(answered).count == 200)
            let stored = try await database.read { try $0.rows("SELECT tid FROM event ORDER BY tid") { $0.int(0) } }
            #expect(stored == answered.sorted())
            let next = try await database.write { try $0.tid }
            #expect(next > stored.last ?? .max)
        }
    }

    @Test("a closure that fails leaves nothing and hurts no neighbour", arguments: TestEngine.allCases)
    func neighbours(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for id in 0..<120 {
                    group.addTask {
                        let outcome: Void? = try? await database.write { transaction in
                            try transaction.execute("INSERT INTO item (id, size) VALUES (?, 1)", .init(id))
                            if id % 3 == 1 { throw Stop() }
                            // A constraint, and one whose error the closure swallows.
                            if id % 6 == 2 { try transaction.run("INSERT INTO item (id, size) VALUES (-1, -1)") }
                            if id % 6 == 5 {
                                _ = try? transaction.execute("INSERT INTO part VALUES (?, 1000000)", .init(id))
                            }
                        }
                        return outcome != nil
                    }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(outcomes == 40)
            let ids = try await database.read { try $0.rows("SELECT id FROM item ORDER BY id") { $0.int(0) } }
            #expect(ids == stride(from: 0, to: 120, by: 3).map { Int64($0) })
        }
    }

    @Test("the caller gets the error its closure threw", arguments: TestEngine.allCases)
    func ownError(engine: TestEngine) async throws {
        try await engine.withTables { database in
            await #expect(throws: Stop.self) { try await database.write { _ in throw Stop() } }
            await #expect(throws: Stop.self) { try await database.read { _ in throw Stop() } }
            // An error of a row's closure does not spoil the transaction.
            let count = try await database.write { transaction in
                try transaction.run("INSERT INTO item (id) VALUES (1)")
                #expect(throws: Stop.self) { try transaction.query("SELECT id FROM item") { _ in throw Stop() } }
                return try transaction.scalar("SELECT count(*) FROM item")
            }
            #expect(count == 1)
        }
    }

    @Test(
        "broken rules of the schema are told apart", arguments: TestEngine.allCases,
        [
            ("INSERT INTO item (id, name) VALUES (2, 'a')", DatabaseError.Constraint.unique),
            ("INSERT INTO item (id) VALUES (1)", .unique), ("INSERT INTO item (id, size) VALUES (3, -1)", .check),
            ("INSERT INTO part VALUES (1, 99)", .foreignKey), ("INSERT INTO part VALUES (1, NULL)", .notNull),
            ("DELETE FROM item WHERE id = 1", .foreignKey),
        ])
    func constraints(engine: TestEngine, example: (sql: String, kind: DatabaseError.Constraint)) async throws {
        try await engine.withTables { database in
            try await database.write {
                try $0.run("INSERT INTO item (id, name) VALUES (1, 'a')")
                try $0.run("INSERT INTO part VALUES (7, 1)")
            }
            let code = await code { try await database.write { try $0.run(example.sql) } }
            #expect(code == .constraint(example.kind))
        }
    }

    @Test("errors name the statement and no value", arguments: TestEngine.allCases)
    func discretion(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let sql = "INSERT INTO item (id, name) VALUES (?, ?)"
            let error = await #expect(throws: DatabaseError.self) {
                try await database.write { transaction in
                    try transaction.run(sql, 1, "s3cret")
                    try transaction.run(sql, 2, "s3cret")
                }
            }
            #expect(error?.sql == sql)
            #expect(error.map { "\($0)".contains("s3cret") } == false)
        }
    }

    @Test(
        "wrong statements are misuse", arguments: TestEngine.allCases,
        ["SELEC 1", "SELECT nothing FROM item", "SELECT ?", "SELECT 1; SELECT 2", "SELECT * FROM nowhere"])
    func misuse(engine: TestEngine, sql: String) async throws {
        try await engine.withTables { database in
            #expect(await code { try await database.read { _ = try $0.scalar(sql) } } == .misuse)
            #expect(await code { try await database.write { try $0.run(sql) } } == .misuse)
            try await #expect(database.read { try $0.scalar("SELECT 1") } == 1)
        }
    }

    @Test("a read cannot change anything", arguments: TestEngine.allCases)
    func readOnly(engine: TestEngine) async throws {
        try await engine.withTables { database in
            let code = await code {
                try await database.read { try $0.query("INSERT INTO item (id) VALUES (1) RETURNING id") { _ in } }
            }
            #expect(code == .misuse)
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM item") } == 0)
        }
    }

    @Test("statements may nest, even the same one", arguments: TestEngine.allCases)
    func nesting(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await database.write { transaction in
                for id in 1...3 { try transaction.run("INSERT INTO item (id) VALUES (?)", .init(id)) }
            }
            let pairs = try await database.read { reader in
                var pairs = 0
                let sql = "SELECT id FROM item WHERE id > ?"
                try reader.query(sql, 0) { outer in try reader.query(sql, .integer(outer.int(0))) { _ in pairs += 1 } }
                return pairs
            }
            #expect(pairs == 3)
        }
    }

    @Test("more statements than the cache holds, and more type combinations", arguments: TestEngine.allCases)
    func caches(engine: TestEngine) async throws {
        try await engine.withTables(writers: 1) { database in
            for round in 0..<2 {
                try await database.write { transaction in
                    for number in 0..<400 {
                        try #expect(transaction.scalar("SELECT \(number)") == Int64(number))
                    }
                    for mask in 0..<16 {
                        let values = (0..<4).map { mask >> $0 & 1 == 1 ? SQLValue.integer(1) : .null }
                        let id = SQLValue.init(100 + 16 * round + mask)
                        let sql = "INSERT INTO item (id, size, weight, name, body) VALUES (?, ?, ?, ?, NULL)"
                        try transaction.run(sql, [id] + values.prefix(1) + [.null, .null])
                    }
                    try transaction.run("DELETE FROM item")
                }
            }
        }
    }

    @Test("a thousand statements in one transaction arrive in order", arguments: TestEngine.allCases)
    func pipeline(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await database.write { transaction in
                let body = [UInt8](repeating: 7, count: 10_000)
                for id in 1...1000 {
                    try transaction.run("INSERT INTO item (id, body) VALUES (?, ?)", .init(id), .blob(body))
                }
                try #expect(transaction.scalar("SELECT count(*) FROM item") == 1000)
            }
            let code = await code {
                try await database.write { transaction in
                    for id in [2000, 2001, 5, 2002] {
                        try transaction.run("INSERT INTO item (id) VALUES (?)", .init(id))
                    }
                }
            }
            #expect(code == .constraint(.unique))
            try await #expect(database.read { try $0.scalar("SELECT max(id) FROM item") } == 1000)
        }
    }
}
