import Synchronization

/// The metadata store: SQL with snapshots and durable transactions over SQLite or PostgreSQL.
///
/// Closures run on the driver's own threads, which they may keep busy but should not: there are `readers` threads for
/// reads; SQLite has one for all writes, PostgreSQL `writers`. Only `find` may run its closure on the caller's thread.
/// A closure must not call `read`, `find` or `write` and wait.
package final class Database: Sendable {
    package let engine: Engine
    private let reads = JobQueue<Reader>()
    private let writes = JobQueue<Transaction>()
    private let threads = Threads()
    private let tids = SQLiteTIDs()
    /// Nil on PostgreSQL, where every read waits for a socket, and which looks after its log by itself.
    private let finders: SQLiteFinders?
    private let log: SQLiteLog?
    let location: DatabaseLocation

    /// Opens the database and brings its schema up to date.
    ///
    /// - Parameters:
    ///   - readers: connections that read, at least 1.
    ///   - writers: connections that write on PostgreSQL, at least 1; SQLite has one.
    ///   - migrations: the schemas of all modules, in the order they are to be applied.
    /// - Throws: `DatabaseError`: `.unavailable` if the engine cannot be reached, or whatever a migration failed with.
    package static func open(
        _ location: DatabaseLocation, readers: Int = 4, writers: Int = 8, migrations: [Migration]
    ) async throws -> Database {
        let database = Database(location)
        do {
            try database.start(location, readers: max(1, readers), writers: max(1, writers))
            try await database.migrate(migrations)
        } catch {
            await database.close()
            throw error
        }
        return database
    }

    private init(_ location: DatabaseLocation) {
        self.location = location
        switch location {
        case .sqlite(let path):
            engine = .sqlite
            finders = SQLiteFinders(path: path, tids: tids)
            log = SQLiteLog(path: path)
        case .postgres:
            engine = .postgres
            finders = nil
            log = nil
        }
    }

    deinit {
        reads.close()
        writes.close()
        log?.jobs.close()
    }

    // The threads hold the queues, not the database, so that one that was let go of without `close` ends them too.
    private func start(_ location: DatabaseLocation, readers: Int, writers: Int) throws {
        let (reads, writes, tids, log) = (reads, writes, tids, log)
        switch location {
        case .sqlite(let path):
            try threads.start("db-write") { SQLiteWriter(path: path, tids: tids, log: log).work(writes) }
            if let log { try threads.start("db-log") { log.work() } }
            for number in 1...readers {
                try threads.start("db-read-\(number)") { SQLiteReader(path: path, tids: tids).work(reads) }
            }
        case .postgres(let url):
            for number in 1...writers {
                try threads.start("db-write-\(number)") { PostgresWorker(url: url).work(writes) }
            }
            for number in 1...readers {
                try threads.start("db-read-\(number)") { PostgresWorker(url: url).work(reads) }
            }
        }
    }

    /// Runs `body` on one consistent snapshot. It may be run a second time if the connection was lost.
    package func read<T: Sendable>(_ body: @escaping @Sendable (Reader) throws -> T) async throws -> T {
        try await submit(body, to: reads)
    }

    /// Like `read`, for statements that find a few rows by their key.
    ///
    /// On SQLite it runs where the caller is: what is found takes some 10 µs, and waking another thread and being woken
    /// by it takes several times that. A page that has to come from the disk keeps the caller's thread waiting.
    package func find<T: Sendable>(_ body: @escaping @Sendable (Reader) throws -> T) async throws -> T {
        guard let finders else { return try await read(body) }
        return try finders.perform(body)
    }

    /// Runs `body` in a transaction and returns once that is committed durably. If `body` throws, nothing of it
    /// remains. It may be run more than once; see `Transaction`.
    ///
    /// Throws what `body` threw, or `DatabaseError`. With `.commitUnknown` the transaction may or may not have
    /// happened; any other error says it did not.
    package func write<T: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> T) async throws -> T {
        try await submit(
            { transaction in
                let value = try body(transaction)
                try transaction.end()
                return value
            }, to: writes)
    }

    /// Empties SQLite's log into the file, so that no older page is left in it: the last step of destroying a key. On
    /// PostgreSQL, which keeps and empties its log by itself, nothing is done.
    ///
    /// - Returns: whether the log is empty now; false where a reader held on to it for ten seconds.
    package func checkpoint() async throws -> Bool {
        guard let log else { return true }
        return try await submit({ try SQLiteLog.empty($0) }, to: log.jobs)
    }

    /// Finishes what was asked for, refuses what comes later (`.closed`), and returns when all connections are closed.
    package func close() async {
        reads.close()
        writes.close()
        finders?.close()
        log?.jobs.close()
        await threads.join()
    }

    private func submit<Context, T: Sendable>(
        _ body: @escaping @Sendable (Context) throws -> T, to queue: JobQueue<Context>
    ) async throws -> T {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<T, any Error>) in
                let job = Job<Context>(
                    perform: { context in
                        let value = try body(context)
                        return { continuation.resume(returning: value) }
                    },
                    fail: { continuation.resume(throwing: $0) },
                    cancellation: cancellation)
                if let refusal = queue.push(job) { job.fail(DatabaseError.refused(refusal)) }
            }
        } onCancel: {
            cancellation.cancel()
        }
    }
}

extension DatabaseError {
    static let cancelledWhileWaiting = DatabaseError(.cancelled, "the task was cancelled before its turn came")

    static func refused<Context>(_ refusal: JobQueue<Context>.Refusal) -> DatabaseError {
        switch refusal {
        case .closed: DatabaseError(.closed, "the database is closed")
        case .full:
            DatabaseError(
                .unavailable, "\(JobQueue<Context>.limit) transactions are waiting already; try again later")
        }
    }
}
