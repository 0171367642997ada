import Database
import Glibc
import TestSupport
import Testing

@Suite struct LifecycleTests {
    @Test("migrations are applied once, by whichever of several nodes comes first", arguments: TestEngine.allCases)
    func migrations(engine: TestEngine) async throws {
        try await engine.withLocation { location in
            let steps = [
                TestEngine.table,
                Migration(module: "test", number: 2, ["INSERT INTO event VALUES (1, 'seed')"]),
                Migration(
                    module: "other", number: 1, ["INSERT INTO event VALUES (2, 'sqlite')"],
                    postgres: ["INSERT INTO event VALUES (2, 'postgres')"]),
            ]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        let node = try await Database.open(location, readers: 1, writers: 1, migrations: steps)
                        await node.close()
                    }
                }
                try await group.waitForAll()
            }
            let database = try await Database.open(location, readers: 1, writers: 1, migrations: steps)
            let rows = try await database.read { try $0.rows("SELECT what FROM event ORDER BY tid") { $0.text(0) } }
            #expect(rows == ["seed", engine.rawValue])
            #expect(database.engine == (engine == .sqlite ? .sqlite : .postgres))
            await database.close()
        }
    }

    @Test("a migration that fails leaves nothing of itself", arguments: TestEngine.allCases)
    func failingMigration(engine: TestEngine) async throws {
        try await engine.withLocation { location in
            let wrong = Migration(module: "test", number: 2, ["CREATE TABLE half (id INTEGER)", "CREATE TABL other"])
            let failure = await code {
                _ = try await Database.open(location, migrations: [TestEngine.table, wrong])
            }
            #expect(failure == .misuse)
            let right = Migration(module: "test", number: 2, ["CREATE TABLE half (id INTEGER)"])
            let database = try await Database.open(location, migrations: [TestEngine.table, right])
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM half") } == 0)
            await database.close()
            #expect(await code { _ = try await Database.open(location, migrations: [right, right]) } == .misuse)
        }
    }

    @Test("a closed database finishes what it took and refuses the rest", arguments: TestEngine.allCases)
    func close(engine: TestEngine) async throws {
        try await engine.withTables { database in
            await database.close()
            #expect(await code { try await database.read { _ in } } == .closed)
            #expect(await code { try await database.write { _ in } } == .closed)
            await database.close()
        }
    }

    @Test("SQLite's log is copied into the file while more is written, and is empty when that is asked for")
    func log() async throws {
        try await TestEngine.sqlite.withLocation { location in
            guard case .sqlite(let path) = location else { return }
            func size(_ path: String) -> Int {
                var status = stat()
                return stat(path, &status) == 0 ? Int(status.st_size) : 0
            }
            let database = try await Database.open(location, migrations: [TestEngine.table])
            let body = [UInt8](repeating: 7, count: 512 << 10)
            for number in 0..<120 {
                try await database.write {
                    try $0.run("INSERT INTO item (id, body) VALUES (?, ?)", .init(number), .init(body))
                }
            }
            // 60 MiB were written.
            #expect(size(path) > 20 << 20)
            #expect(size(path + "-wal") < 40 << 20)
            try await #expect(database.checkpoint())
            #expect(size(path + "-wal") == 0)
            try await #expect(database.read { try $0.scalar("SELECT sum(length(body)) FROM item") } == 60 << 20)
            await database.close()
        }
    }

    @Test("a task cancelled while it waits is told so, and its closure does not run", arguments: TestEngine.allCases)
    func cancellation(engine: TestEngine) async throws {
        try await engine.withTables(writers: 1) { database in
            let (busy, release) = (Gate(), Gate())
            async let blocker: Void = database.write { _ in
                busy.open()
                release.wait()
            }
            try await busy.waitAsync()
            let task = Task { try await database.write { try $0.run("INSERT INTO item (id) VALUES (1)") } }
            task.cancel()
            release.open()
            try await blocker
            #expect(await code { try await task.value } == .cancelled)
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM item") } == 0)
        }
    }

    @Test("a full SQLite file is reported to the one that filled it, and the rest goes on")
    func full() async throws {
        try await TestEngine.sqlite.withTables { database in
            try await database.write { transaction in
                let pages = try transaction.scalar("PRAGMA page_count") ?? 0
                try transaction.query("PRAGMA max_page_count = \(pages + 40)") { _ in }
            }
            let large = [UInt8](repeating: 1, count: 1_000_000)
            let insert = "INSERT INTO item (id, body) VALUES (?, ?)"
            let codes = await withTaskGroup(of: (Int, DatabaseError.Code?).self) { group in
                for id in 0..<30 {
                    group.addTask {
                        let body = id % 10 == 5 ? large : [1, 2, 3]
                        return (
                            id,
                            await code {
                                try await database.write { transaction in
                                    try transaction.run(insert, .init(id), .blob(body))
                                    try transaction.run("INSERT INTO event VALUES (?, 'x')", .integer(transaction.tid))
                                }
                            }
                        )
                    }
                }
                return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
            #expect(codes == [5: .full, 15: .full, 25: .full])
            let tids = try await database.read { try $0.rows("SELECT tid FROM event") { $0.int(0) } }
            #expect(tids.count == 27 && Set(tids).count == 27)
        }
    }

    @Test("a SQLite file belongs to its owner alone, and a file that is none is refused")
    func files() async throws {
        try await TestEngine.sqlite.withLocation { location in
            guard case .sqlite(let path) = location else { return }
            let database = try await Database.open(location, migrations: [])
            for suffix in ["", "-wal", "-shm"] {
                var status = stat()
                #expect(stat(path + suffix, &status) == 0)
                #expect(status.st_mode & 0o777 == 0o600)
            }
            await database.close()
            // Without the log nothing is left to recover the header from.
            let file = fopen(path, "w")
            fputs("this is not a database, but long enough to look at: 0123456789 0123456789 0123456789", file)
            fclose(file)
            #expect(await code { _ = try await Database.open(location, migrations: []) } == .corrupt)
        }
        let nowhere = DatabaseLocation.sqlite(path: "/nonexistent/a.db")
        #expect(await code { _ = try await Database.open(nowhere, migrations: []) } == .unavailable)
    }

    @Test("a PostgreSQL that is not there is unavailable, and its URL stays secret")
    func unreachable() async throws {
        for url in ["postgres://u:hush@/x?host=/nonexistent", "postgres://u:hush%zz@h/x", "postgres://u:hush@h:port/x"]
        {
            let error = await #expect(throws: DatabaseError.self) {
                _ = try await Database.open(.postgres(url: url), migrations: [])
            }
            #expect(error?.code == .unavailable || error?.code == .misuse)
            #expect(error.map { "\($0)".contains("hush") } == false)
        }
    }

    @Test("after the server ended all connections, reads and writes work again")
    func killed() async throws {
        try await TestEngine.postgres.withTables { database in
            for _ in 0..<3 {
                try await database.write { try $0.run("INSERT INTO event VALUES (1, 'x')") }
                _ = try await database.read { try $0.scalar("SELECT 1") }
                let kill = """
                    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()
                    """
                let killed = try await database.read { try $0.scalar(kill) } ?? 0
                #expect(killed > 0)
                try await #expect(database.read { try $0.scalar("SELECT 1") } == 1)
                try await #expect(database.read { try $0.scalar("SELECT 2") } == 2)
                try await database.write { try $0.run("INSERT INTO event VALUES (1, 'y')") }
            }
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM event") } == 6)
        }
    }

    @Test("a write whose connection is lost before its commit runs again on a new one")
    func lostInside() async throws {
        try await TestEngine.postgres.withTables { database in
            let attempts = Attempts()
            try await database.write { transaction in
                try transaction.execute("INSERT INTO event VALUES (1, 'once')")
                if attempts.next() == 1 {
                    _ = try? transaction.scalar("SELECT pg_terminate_backend(pg_backend_pid())")
                }
            }
            #expect(attempts.next() == 3)
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM event") } == 1)
        }
    }

    @Test("a connection lost in a deferred statement of a commit leaves its fate unknown")
    func lostInCommit() async throws {
        try await TestEngine.postgres.withTables { database in
            let code = await code {
                try await database.write { try $0.run("SELECT pg_terminate_backend(pg_backend_pid())") }
            }
            #expect(code == .commitUnknown)
            try await database.write { try $0.run("INSERT INTO event VALUES (1, 'after')") }
        }
    }

    @Test("deadlocked transactions are run again until both are through")
    func deadlock() async throws {
        try await TestEngine.postgres.withTables { database in
            let (first, second) = (Gate(), Gate())
            async let one: Void = database.write { transaction in
                try transaction.lock("a")
                _ = try transaction.scalar("SELECT 1")
                first.open()
                second.wait()
                try transaction.lock("b")
                try transaction.run("INSERT INTO event VALUES (1, 'one')")
            }
            async let two: Void = database.write { transaction in
                try transaction.lock("b")
                _ = try transaction.scalar("SELECT 1")
                second.open()
                first.wait()
                try transaction.lock("a")
                try transaction.run("INSERT INTO event VALUES (2, 'two')")
            }
            _ = try await (one, two)
            try await #expect(database.read { try $0.scalar("SELECT count(*) FROM event") } == 2)
        }
    }
}
