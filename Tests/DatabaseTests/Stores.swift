import Database
import Glibc
import Synchronization
import TestSupport
import Testing

/// What a test needs to run on either engine: a fresh, empty place for each test.
enum Store: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres

    var testDescription: String { rawValue }

    static let table = Migration(
        module: "test", number: 1,
        [
            """
            CREATE TABLE item (
                id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER CHECK (size >= 0), weight REAL, body BLOB)
            """,
            "CREATE TABLE part (id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES item (id))",
            "CREATE TABLE event (tid INTEGER NOT NULL, what TEXT NOT NULL)",
        ])

    /// Runs `body` with a location whose files are removed afterwards.
    func withLocation<T>(_ body: (DatabaseLocation) async throws -> T) async throws -> T {
        switch self {
        case .postgres:
            return try await body(.postgres(url: PostgresServer.shared().createDatabase()))
        case .sqlite:
            let path = "/tmp/martlet-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).db"
            defer { for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) } }
            return try await body(.sqlite(path: path))
        }
    }

    func withDatabase<T>(
        _ migrations: [Migration] = [Store.table], writers: Int = 4, _ body: (Database) async throws -> T
    ) async throws -> T {
        try await withLocation { location in
            let database = try await Database.open(location, readers: 2, writers: writers, migrations: migrations)
            do {
                let result = try await body(database)
                await database.close()
                return result
            } catch {
                await database.close()
                throw error
            }
        }
    }
}

/// The error code `body` throws, or nil.
func code(_ body: () async throws -> Void) async -> DatabaseError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? DatabaseError)?.code
    }
}

/// A gate between threads that block: closures of the driver may.
final class Gate: Sendable {
    private let isOpen = Atomic(false)
    func open() { isOpen.store(true, ordering: .releasing) }
    /// Waits at most ten seconds, so that a broken test ends.
    func wait() {
        for _ in 0..<10_000 where !isOpen.load(ordering: .acquiring) { usleep(1000) }
    }
    func waitAsync() async throws {
        for _ in 0..<10_000 where !isOpen.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(1)) }
    }
}

struct Stop: Error, Equatable {}

/// Counts the runs of a closure.
final class Attempts: Sendable {
    private let count = Atomic(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
