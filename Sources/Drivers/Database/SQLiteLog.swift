import Synchronization

/// What was committed last and stands in SQLite's log (WAL) alone. A thread of its own copies it into the file, so that
/// the one that writes does not stop for it.
///
/// While others write there is always something new in the log, and it would never begin anew: once it is long, the
/// thread that writes copies the little that is left.
final class SQLiteLog: Sendable {
    /// In frames, of 4 KiB each: 8 MiB, and 24 MiB.
    private static let copiedLength = 2_000
    private static let lengthMax = 6_000

    /// What is asked of the thread.
    let jobs = JobQueue<SQLiteConnection>()
    private let path: String
    private let isAsked = Atomic(false)

    init(path: String) { self.path = path }

    /// Does what is asked for, until the queue is closed.
    func work() {
        var opened: SQLiteConnection?
        while let job = jobs.take(most: 1).first {
            do {
                let connection = try opened ?? SQLiteConnection(path: path, role: .writer)
                opened = connection
                try job.perform(connection)()
            } catch {
                job.fail(error)
            }
        }
    }

    /// Looks after each commit how long the log has become.
    func committed(_ connection: SQLiteConnection) {
        if connection.logLength >= Self.lengthMax {
            Self.copy(connection)
        } else if connection.logLength >= Self.copiedLength, !isAsked.exchange(true, ordering: .relaxed) {
            let job = Job<SQLiteConnection>(
                perform: { [self] connection in
                    Self.copy(connection)
                    isAsked.store(false, ordering: .relaxed)
                    return {}
                },
                fail: { [self] _ in isAsked.store(false, ordering: .relaxed) }, cancellation: Cancellation())
            if let refusal = jobs.push(job) { job.fail(DatabaseError.refused(refusal)) }
        }
    }

    /// Where that fails nothing is lost, and it is tried again after the next commit.
    private static func copy(_ connection: SQLiteConnection) {
        _ = try? connection.text("PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Empties it: the last step of destroying a key, so that no older page is left anywhere.
    ///
    /// - Returns: whether it is empty now; false where a reader held on to it for ten seconds.
    static func empty(_ connection: SQLiteConnection) throws -> Bool {
        // The first column says whether it had to give up.
        try connection.text("PRAGMA wal_checkpoint(TRUNCATE)") == "0"
    }
}
