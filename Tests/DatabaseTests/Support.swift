import Database
import Glibc
import Synchronization
import TestSupport
import Testing

extension TestEngine {
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

    /// Runs `body` with a fresh database that has the tables above.
    func withTables<T>(writers: Int = 4, _ body: (Database) async throws -> T) async throws -> T {
        try await withDatabase([Self.table], writers: writers, body)
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
    /// Waits at most two minutes, so that a broken test ends.
    func wait() {
        for _ in 0..<120_000 where !isOpen.load(ordering: .acquiring) { usleep(1000) }
    }
    func waitAsync() async throws {
        _ = try await eventually { isOpen.load(ordering: .acquiring) }
    }
}

struct Stop: Error, Equatable {}

/// Counts the runs of a closure.
final class Attempts: Sendable {
    private let count = Atomic(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
