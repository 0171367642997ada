/// The one thread that writes. It takes all transactions that wait and commits them as one group, each of several in a
/// savepoint of its own, so that many callers share one sync of the log; none is answered before it.
final class SQLiteWriter {
    /// Bound how long the first of a group waits for the last: in transactions, and in time. Callers that were all
    /// answered at once would all come back at once, and the other cores would rest until they are here again.
    static let groupLimit = 256
    private static let groupDuration = Duration.milliseconds(10)

    private struct Done {
        let job: Job<Transaction>
        let answer: @Sendable () -> Void
    }

    private let path: String
    private let tids: SQLiteTIDs
    private let log: SQLiteLog?
    private var session: SQLiteSession?

    init(path: String, tids: SQLiteTIDs, log: SQLiteLog?) {
        self.path = path
        self.tids = tids
        self.log = log
    }

    func work(_ queue: JobQueue<Transaction>) {
        while true {
            var waiting = queue.take(most: Self.groupLimit)[...]
            if waiting.isEmpty { return }
            while !waiting.isEmpty { waiting = commit(waiting) }
        }
    }

    /// Commits those that come first.
    ///
    /// - Returns: the others, for which the time was too short.
    private func commit(_ waiting: ArraySlice<Job<Transaction>>) -> ArraySlice<Job<Transaction>> {
        do {
            let session = try opened()
            try session.connection.execute("BEGIN IMMEDIATE")
            return commit(waiting, session)
        } catch {
            for job in waiting { job.fail(error) }
            return []
        }
    }

    private func opened() throws -> SQLiteSession {
        if let session { return session }
        let fresh = SQLiteSession(try SQLiteConnection(path: path, role: .writer), tids)
        try fresh.createState()
        session = fresh
        return fresh
    }

    /// Runs and commits a group in the transaction that is open.
    ///
    /// - Returns: those that are not part of it.
    private func commit(
        _ waiting: ArraySlice<Job<Transaction>>, _ session: SQLiteSession
    ) -> ArraySlice<Job<Transaction>> {
        var done: [Done] = []
        var rest = waiting
        let end = ContinuousClock.now + Self.groupDuration
        while let job = rest.first, done.isEmpty || ContinuousClock.now < end {
            rest.removeFirst()
            if job.cancellation.isCancelled {
                job.fail(DatabaseError.cancelledWhileWaiting)
                continue
            }
            do {
                done.append(Done(job: job, answer: try perform(job, session, isAlone: waiting.count == 1)))
            } catch {
                job.fail(error)
                // A full disk and the like make SQLite drop the transaction with all its savepoints. The neighbours
                // have not been answered, so they are run again, each alone, where they cannot harm each other.
                if session.connection.isIdle {
                    session.forgetTID()
                    commitEach(done.map(\.job) + rest)
                    return []
                }
            }
        }
        do {
            try session.storeTID()
            try session.connection.execute("COMMIT")
            session.committedTID()
            for one in done { one.answer() }
            log?.committed(session.connection)
        } catch {
            session.forgetTID()
            if !session.connection.isIdle { try? session.connection.execute("ROLLBACK") }
            if done.count > 1, case .constraint = (error as? DatabaseError)?.code {
                // One of them left a deferred constraint broken.
                commitEach(done.map(\.job))
            } else {
                for one in done { one.job.fail(error) }
            }
        }
        return rest
    }

    private func commitEach(_ jobs: [Job<Transaction>]) {
        for job in jobs { _ = commit([job]) }
    }

    /// - Parameter isAlone: nobody else is in the group, so the transaction can be rolled back as a whole.
    private func perform(
        _ job: Job<Transaction>, _ session: SQLiteSession, isAlone: Bool
    ) throws -> @Sendable () -> Void {
        let connection = session.connection
        if !isAlone { try connection.execute("SAVEPOINT one") }
        do {
            session.begin()
            let answer = try job.perform(Transaction(session))
            if let failure = session.failure { throw failure }
            if !isAlone { try connection.execute("RELEASE one") }
            return answer
        } catch {
            if !connection.isIdle {
                do {
                    guard !isAlone else { throw error }
                    try connection.execute("ROLLBACK TO one")
                    try connection.execute("RELEASE one")
                } catch {
                    // Then all goes: nothing of a failed closure may be committed with the others.
                    try? connection.execute("ROLLBACK")
                }
            }
            throw error
        }
    }
}
