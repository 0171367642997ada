extension Database {
    /// Empties SQLite's log into the file, so that no older page is left in it: the last step of destroying a key. On
    /// PostgreSQL, which keeps and empties its log by itself, nothing is done.
    ///
    /// - Returns: whether the log is empty now; false where a reader held on to it for ten seconds.
    package func checkpoint() async throws -> Bool {
        guard case .sqlite(let path) = location else { return true }
        let thread = Threads()
        return try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Bool, any Error>) in
            do {
                try thread.start("db-checkpoint") {
                    continuation.resume(
                        with: Result {
                            // The first column says whether it had to give up.
                            try SQLiteConnection(path: path, role: .writer).text("PRAGMA wal_checkpoint(TRUNCATE)")
                                == "0"
                        })
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
