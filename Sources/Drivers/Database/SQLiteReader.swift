import Synchronization

/// A connection that reads, each closure in one snapshot. Used by one thread at a time.
final class SQLiteReader {
    private let path: String
    private let tids: SQLiteTIDs
    private var session: SQLiteSession?

    init(path: String, tids: SQLiteTIDs) {
        self.path = path
        self.tids = tids
    }

    /// What a reading thread does until the queue is closed.
    func work(_ queue: JobQueue<Reader>) {
        while let job = queue.take(most: 1).first {
            if job.cancellation.isCancelled {
                job.fail(DatabaseError.cancelledWhileWaiting)
                continue
            }
            do {
                try perform(job.perform)()
            } catch {
                job.fail(error)
            }
        }
    }

    func perform<T>(_ body: (Reader) throws -> T) throws -> T {
        let session = try self.session ?? SQLiteSession(SQLiteConnection(path: path, role: .reader), tids)
        self.session = session
        let connection = session.connection
        // Deferred: the snapshot is taken by the first statement and costs the writer nothing.
        try connection.begin()
        defer { if !connection.isIdle { try? connection.commit() } }
        session.begin()
        let answer = try body(Reader(session))
        if let failure = session.failure { throw failure }
        return answer
    }
}

/// Connections for reads on the threads of those who ask: as many as have ever read at once.
final class SQLiteFinders: Sendable {
    /// Moves between threads, but no two hold it at once.
    private struct Idle: @unchecked Sendable {
        var readers: [SQLiteReader] = []
        var isClosed = false
    }

    private let path: String
    private let tids: SQLiteTIDs
    private let idle = Mutex(Idle())

    init(path: String, tids: SQLiteTIDs) {
        self.path = path
        self.tids = tids
    }

    /// - Throws: `DatabaseError` `.closed` after `close`, or what `body` throws.
    func perform<T>(_ body: (Reader) throws -> T) throws -> T {
        let reader = try take()
        defer { giveBack(reader) }
        return try reader.value.perform(body)
    }

    /// Carries a reader across the lock.
    private struct Held: @unchecked Sendable {
        let value: SQLiteReader
    }

    private func take() throws -> Held {
        try idle.withLock { idle in
            if idle.isClosed { throw DatabaseError.refused(JobQueue<Reader>.Refusal.closed) }
            return Held(value: idle.readers.popLast() ?? SQLiteReader(path: path, tids: tids))
        }
    }

    private func giveBack(_ reader: Held) {
        idle.withLock { if !$0.isClosed { $0.readers.append(reader.value) } }
    }

    /// Closes the idle connections now, and the others when they come back.
    func close() {
        idle.withLock { $0 = Idle(isClosed: true) }
    }
}
