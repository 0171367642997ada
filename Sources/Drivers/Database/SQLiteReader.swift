/// A thread that reads, on a connection of its own, each closure in one snapshot.
final class SQLiteReader {
    private let path: String
    private var session: SQLiteSession?

    init(path: String) {
        self.path = path
    }

    func work(_ queue: JobQueue<Reader>) {
        while let job = queue.take(most: 1).first {
            if job.cancellation.isCancelled {
                job.fail(DatabaseError.cancelledWhileWaiting)
                continue
            }
            do {
                try perform(job)()
            } catch {
                job.fail(error)
            }
        }
    }

    private func perform(_ job: Job<Reader>) throws -> @Sendable () -> Void {
        let session = try self.session ?? SQLiteSession(SQLiteConnection(path: path, role: .reader))
        self.session = session
        let connection = session.connection
        // Deferred: the snapshot is taken by the first statement and costs the writer nothing.
        try connection.execute("BEGIN")
        defer { if !connection.isIdle { try? connection.execute("COMMIT") } }
        session.begin()
        let answer = try job.perform(Reader(session))
        if let failure = session.failure { throw failure }
        return answer
    }
}
