import CSQLite
import Glibc

/// One connection to the file, used by one thread at a time.
final class SQLiteConnection {
    enum Role { case reader, writer }

    let handle: OpaquePointer
    /// The frames that SQLite's log had after the last commit of this connection, which writes.
    private(set) var logLength = 0
    private var cache = StatementCache<SQLiteStatement>(capacity: 256)

    /// Nobody asks how much memory SQLite has, and counting it takes a lock of the whole process for every piece. It
    /// has no effect once a connection was opened.
    private static let withoutStatistics: Void = { _ = csqlite_disable_memory_statistics() }()

    /// Opens the file, creating it (for its owner only) if it does not exist.
    init(path: String, role: Role) throws {
        try Self.create(path)
        Self.withoutStatistics
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard let opened, code == SQLITE_OK else {
            defer { sqlite3_close_v2(opened) }
            throw DatabaseError.sqlite(code, opened)
        }
        handle = opened
        sqlite3_busy_timeout(handle, 10_000)
        try configure(role)
    }

    deinit {
        // Statements are finalized after this, with the cache; close_v2 waits for them.
        sqlite3_close_v2(handle)
    }

    /// SQLite would create the file with mode 0644; -wal and -shm take their mode from it. O_EXCL, because closing a
    /// descriptor of an existing file would drop the locks other connections of this process hold on it.
    private static func create(_ path: String) throws {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 {
            Glibc.close(descriptor)
        } else if errno != EEXIST {
            let reason = String(cString: strerror(errno))
            throw DatabaseError(.unavailable, "cannot create the database file \(path): \(reason)")
        }
    }

    private func configure(_ role: Role) throws {
        // A transaction writes each page that it touches to the log, so small pages make small transactions cheap: with
        // 8 KiB a PUT costs a fifth more. Only a new, empty file takes the size.
        try execute("PRAGMA page_size = 4096")
        let mode = try text("PRAGMA journal_mode = WAL")
        guard mode == "wal" else {
            throw DatabaseError(.unavailable, "SQLite keeps journal mode \(mode) where WAL is needed (a network disk?)")
        }
        // FULL: the log is synced at every commit, so an answered commit survives a power cut.
        try execute("PRAGMA synchronous = FULL")
        try execute("PRAGMA foreign_keys = ON")
        // Statement journals would otherwise be files outside of the data folder, one for about every write.
        try execute("PRAGMA temp_store = MEMORY")
        // No memory mapping: an I/O error would arrive as a signal that ends the node instead of as an error.
        try execute("PRAGMA mmap_size = 0")
        switch role {
        case .writer:
            // Most rows that are written fit into it, with the copies of their values. Where it has no effect, that
            // only costs time.
            _ = csqlite_set_lookaside(handle, 2048, 256)
            // What is deleted is overwritten: a key that was destroyed must not be found in the file. Debian's default.
            try execute("PRAGMA secure_delete = ON")
            try execute("PRAGMA cache_size = -40960")
            // A log that a long read made grow is cut back.
            try execute("PRAGMA journal_size_limit = 67108864")
            // In place of the one that copies the log into the file; see `SQLiteLog`.
            sqlite3_wal_hook(
                handle,
                { context, _, _, frames in
                    if let context {
                        Unmanaged<SQLiteConnection>.fromOpaque(context).takeUnretainedValue().logLength = Int(frames)
                    }
                    return SQLITE_OK
                }, Unmanaged.passUnretained(self).toOpaque())
        case .reader:
            try execute("PRAGMA cache_size = -16384")
            try execute("PRAGMA query_only = ON")
        }
    }

    /// The cached statement for `sql`; one of its own if the cached one is in the middle of its rows.
    func statement(_ sql: String) throws -> SQLiteStatement {
        let cached = cache.find(sql)
        if let cached, !cached.isBusy { return cached }
        let fresh = try SQLiteStatement(handle, sql)
        // An evicted statement that is in use lives until its query lets go of it.
        if cached == nil { _ = cache.insert(sql, fresh) }
        return fresh
    }

    /// Runs a statement that has no values and no rows of interest.
    func execute(_ sql: String) throws { try execute(statement(sql)) }

    private func execute(_ statement: SQLiteStatement) throws {
        defer { statement.reset() }
        while try statement.step() {}
    }

    // Around every read: kept at hand, since to look them up takes as long as to run them.
    private var beginning: SQLiteStatement?
    private var committing: SQLiteStatement?

    /// Begins a transaction, whose snapshot the first statement takes.
    func begin() throws {
        let statement = try beginning ?? SQLiteStatement(handle, "BEGIN")
        beginning = statement
        try execute(statement)
    }

    func commit() throws {
        let statement = try committing ?? SQLiteStatement(handle, "COMMIT")
        committing = statement
        try execute(statement)
    }

    /// Whether no transaction is open: after some errors SQLite rolls back on its own.
    var isIdle: Bool { sqlite3_get_autocommit(handle) != 0 }

    func text(_ sql: String) throws -> String {
        let statement = try SQLiteStatement(handle, sql)
        return try statement.step() ? Row(.sqlite(statement.pointer)).text(0) : ""
    }
}
