import Database
import Glibc
import TestSupport
import Testing

/// The horizon, once it is above `tid`; tests beside this one may hold the cluster's back for a moment.
private func horizonReached(by database: Database, above tid: Int64) async throws -> Int64 {
    var horizon = Int64.min
    _ = try await eventually {
        horizon = try await database.read { try $0.horizon() }
        return horizon > tid
    }
    return horizon
}

@Suite struct TIDTests {
    @Test("locks come before the TID and before changes", arguments: TestEngine.allCases)
    func lockRule(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await database.write { transaction in
                try transaction.lock("a")
                _ = try transaction.scalar("SELECT count(*) FROM item")
                try transaction.lock("b")
                try transaction.lock("a")
                try #expect(transaction.tid == transaction.tid)
            }
            let late: [@Sendable (Transaction) throws -> Void] = [
                { _ = try $0.tid },
                { try $0.run("INSERT INTO item (id) VALUES (1)") },
                { _ = try $0.execute("DELETE FROM item") },
                { _ = try $0.scalar("INSERT INTO item (id) VALUES (2) RETURNING id") },
            ]
            for act in late {
                let code = await code {
                    try await database.write { transaction in
                        try act(transaction)
                        try transaction.lock("a")
                    }
                }
                #expect(code == .misuse)
            }
        }
    }

    @Test("a lock serialises read, change, write, in TID order", arguments: TestEngine.allCases)
    func counter(engine: TestEngine) async throws {
        try await engine.withTables { database in
            try await database.write { try $0.run("INSERT INTO item (id, size) VALUES (1, 0)") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await database.write { transaction in
                            try transaction.lock("counter")
                            let size = try transaction.scalar("SELECT size FROM item WHERE id = 1") ?? 0
                            try transaction.run("UPDATE item SET size = ? WHERE id = 1", .integer(size + 1))
                            try transaction.run(
                                "INSERT INTO event VALUES (?, ?)", .integer(try transaction.tid), .init("\(size)"))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let order = try await database.read { try $0.rows("SELECT what FROM event ORDER BY tid") { $0.text(0) } }
            #expect(order == (0..<100).map { "\($0)" })
        }
    }

    @Test("TIDs go on rising after the database is opened again", arguments: TestEngine.allCases)
    func reopen(engine: TestEngine) async throws {
        try await engine.withLocation { location in
            var last: Int64 = 0
            for _ in 0..<3 {
                let database = try await Database.open(location, readers: 1, writers: 2, migrations: [TestEngine.table])
                for _ in 0..<5 {
                    let tid = try await database.write { transaction in
                        try transaction.run("INSERT INTO event VALUES (?, 'x')", .integer(try transaction.tid))
                        return try transaction.tid
                    }
                    #expect(tid > last)
                    last = tid
                }
                try await #expect(database.read { try $0.scalar("SELECT max(tid) FROM event") } == last)
                try await #expect(horizonReached(by: database, above: last) > last)
                await database.close()
            }
        }
    }

    @Test("a transaction that failed leaves a gap, and what a lost process had reserved is not given out again")
    func gaps() async throws {
        try await TestEngine.sqlite.withLocation { location in
            let first = try await Database.open(location, readers: 1, migrations: [TestEngine.table])
            _ = try? await first.write { transaction in
                _ = try transaction.tid
                throw Stop()
            }
            // The stretch that began with the failure was rolled back with it: it has to be reserved anew.
            let before = try await first.write { try $0.tid }
            // Two processes at one file, as when a node was started twice: neither gives out the other's.
            let second = try await Database.open(location, readers: 1, migrations: [TestEngine.table])
            var given = [before]
            for _ in 0..<5000 {
                given.append(try await first.write { try $0.tid })
            }
            for _ in 0..<10 {
                given.append(try await second.write { try $0.tid })
                given.append(try await first.write { try $0.tid })
            }
            #expect(Set(given).count == given.count)
            await first.close()
            await second.close()
        }
    }

    @Test("a dump restored into another PostgreSQL cluster goes on above every TID it holds")
    func otherCluster() async throws {
        try await TestEngine.postgres.withLocation { location in
            let first = try await Database.open(location, readers: 1, writers: 1, migrations: [TestEngine.table])
            let before = try await first.write { try $0.tid }
            // As if it came from a cluster that had counted far beyond this one.
            try await first.write { transaction in
                try transaction.run("UPDATE database_state SET value = ? WHERE name = 'tid_ceiling'", 7_000_000_000_000)
                try transaction.run("UPDATE database_state SET value = 1 WHERE name = 'cluster'")
            }
            await first.close()
            let second = try await Database.open(location, readers: 1, writers: 3, migrations: [TestEngine.table])
            let after = try await second.write { try $0.tid }
            #expect(before < 7_000_000_000_000 && after > 7_000_000_000_000)
            try await #expect(horizonReached(by: second, above: after) > after)
            let ceiling = "SELECT value FROM database_state WHERE name = 'tid_ceiling'"
            let raised = try await second.read { try $0.scalar(ceiling) } ?? 0
            #expect(raised >= after)
            await second.close()
            // The offset moves once, not at each start.
            let third = try await Database.open(location, readers: 1, writers: 1, migrations: [TestEngine.table])
            let next = try await third.write { try $0.tid }
            #expect(next - after < 100_000)
            await third.close()
        }
    }

    @Test("a follower below the horizon skips no late commit; one without it would")
    func horizon() async throws {
        try await TestEngine.postgres.withTables { database in
            let (hasTID, mayCommit) = (Gate(), Gate())
            let insert = "INSERT INTO event VALUES (?, ?)"
            async let late = database.write { transaction in
                let tid = try transaction.tid
                hasTID.open()
                mayCommit.wait()
                try transaction.run(insert, .integer(tid), "A")
                return tid
            }
            try await hasTID.waitAsync()
            let early = try await database.write { transaction in
                try transaction.run(insert, .integer(try transaction.tid), "B")
                return try transaction.tid
            }
            // Naive: all that is visible above the cursor.
            let naive = "SELECT tid, what FROM event WHERE tid > ? ORDER BY tid"
            let first = try await database.read { try $0.rows(naive, 0) { ($0.int(0), $0.text(1)) } }
            #expect(first.map(\.1) == ["B"])
            let below = "SELECT what FROM event WHERE tid < ? ORDER BY tid"
            let follow: @Sendable (Reader) throws -> [String] = { reader in
                try reader.rows(below, .integer(reader.horizon())) { $0.text(0) }
            }
            try await #expect(database.read(follow).isEmpty)
            try await #expect(database.read { try $0.horizon() } <= early)

            mayCommit.open()
            let lateTID = try await late
            #expect(lateTID < early)
            let cursor = first.last?.0 ?? 0
            let missed = try await database.read { try $0.rows(naive, .integer(cursor)) { $0.text(1) } }
            #expect(missed.isEmpty)
            // Tests beside this one may hold the cluster's horizon back for a moment.
            var seen: [String] = []
            let areBoth = try await eventually {
                seen = try await database.read(follow)
                return seen.count == 2
            }
            #expect(areBoth && seen == ["A", "B"])
        }
    }

    @Test("the horizon follows the last commit", arguments: TestEngine.allCases)
    func horizonRises(engine: TestEngine) async throws {
        try await engine.withTables { database in
            var last: Int64 = 0
            for _ in 0..<5 {
                let tid = try await database.write { try $0.tid }
                let horizon = try await horizonReached(by: database, above: tid)
                #expect(horizon > tid && horizon >= last)
                last = horizon
            }
        }
    }
}
