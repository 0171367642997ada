package import Database
import Glibc
import Synchronization
import Testing

/// Both engines, for tests with `arguments: TestEngine.allCases`.
package enum TestEngine: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case sqlite, postgres

    package var testDescription: String { rawValue }

    /// Runs `body` with a place for a database, and removes its files afterwards.
    package func withLocation<T>(_ body: (DatabaseLocation) async throws -> T) async throws -> T {
        switch self {
        case .postgres:
            await Turnstile.postgres.enter()
            defer { Turnstile.postgres.leave() }
            return try await body(.postgres(url: PostgresServer.shared().createDatabase()))
        case .sqlite:
            let path = "/tmp/martlet-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).db"
            defer { for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) } }
            return try await body(.sqlite(path: path))
        }
    }

    /// Runs `body` with a fresh database, and removes it afterwards.
    package func withDatabase<T>(
        _ migrations: [Migration], writers: Int = 4, _ body: (Database) async throws -> T
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

/// Lets a number of tests in at once; the others wait, first come, first served.
private final class Turnstile: Sendable {
    /// A test's database takes up to a dozen of the server's 600 connections.
    static let postgres = Turnstile(places: 40)

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(places: Int) { state = Mutex(State(free: places)) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let isIn = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isIn { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard !state.waiting.isEmpty else {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

/// A folder in /tmp that is removed when `body` has ended.
package func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
    let path = "/tmp/martlet-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    mkdir(path, 0o700)
    defer { remove(folder: path) }
    return try await body(path)
}

private func remove(folder: String) {
    guard let directory = opendir(folder) else { return }
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard name != ".", name != ".." else { continue }
        let path = folder + "/" + name
        var status = stat()
        if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { remove(folder: path) } else { unlink(path) }
    }
    closedir(directory)
    rmdir(folder)
}
