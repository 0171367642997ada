import Ciphers
import Database
package import Journal
package import Wire

extension EventKind {
    package static let pathLocked = EventKind("path.locked")
    package static let pathUnlocked = EventKind("path.unlocked")
}

/// A write lock (RFC 4918 §6 and §7): whoever holds it keeps others from changing what lies at a path, through whatever
/// face. A path has no `/` at its end; the collection's own is empty.
package struct WriteLock: Sendable {
    /// A URI that nobody can guess: `urn:uuid:…`.
    package var token: String
    package var path: String
    /// Whether it is for all that is below too (`Depth: infinity`).
    package var isDeep: Bool
    /// Whether others may hold shared locks beside it.
    package var isShared: Bool
    /// The account whose requests may use it.
    package var account: String
    /// What the client says of its user: XML, as it came.
    package var owner: String
    package var expires: Timestamp

    /// Whether it covers a path that is this one or below it.
    package func covers(_ path: String) -> Bool {
        path == self.path || isDeep && (self.path.isEmpty || path.hasPrefix(self.path + "/"))
    }
}

extension Limits {
    /// Write locks in one collection.
    static let writeLocksMax: Int64 = 10_000
    /// The longest that a write lock lasts without being refreshed: a day.
    package static let writeLockSecondsMax: Int64 = 86_400
    package static let writeLockOwnerBytesMax = 4096
}

extension Objects {
    /// Locks a path. There need be nothing at it.
    ///
    /// - Parameters:
    ///   - held: tokens that the request names, which count where the path's folder is locked.
    ///   - owner: XML; at most ``Limits/writeLockOwnerBytesMax`` bytes.
    ///   - seconds: until it ends by itself, at most ``Limits/writeLockSecondsMax``.
    /// - Throws: ``ObjectsError`` `.writeLocked` where another lock is in the way, `.tooLarge` for an owner that is.
    package func lock(
        collection name: String, path: String, isDeep: Bool, isShared: Bool, owner: String, seconds: Int64,
        by account: String
    ) async throws -> WriteLock {
        guard owner.utf8.count <= Limits.writeLockOwnerBytesMax else {
            throw ObjectsError(.tooLarge, "the owner of a lock has at most \(Limits.writeLockOwnerBytesMax) bytes")
        }
        let collection = try await collection(name).id
        let lock = WriteLock(
            token: "urn:uuid:" + randomUUID(), path: path, isDeep: isDeep, isShared: isShared, account: account,
            owner: owner,
            expires: Self.lockEnd(seconds))
        try await journal.write { transaction, events in
            // No write goes on meanwhile, so whatever commits later has seen the lock.
            try transaction.lock(Self.treeLockName(collection))
            try Self.removeExpiredLocks(of: collection, in: transaction)
            let count = try transaction.scalar(
                "SELECT count(*) FROM write_locks WHERE collection = ?", .init(collection))
            guard (count ?? 0) < Limits.writeLocksMax else {
                throw ObjectsError(.tooManyObjects, "a collection has at most \(Limits.writeLocksMax) write locks")
            }
            var others = try Self.locks(on: path, of: collection, in: transaction)
            if isDeep { others += try Self.locks(below: path, of: collection, in: transaction) }
            if let other = others.first(where: { !$0.isShared || !isShared }) {
                throw Self.writeLocked(other)
            }
            try transaction.run(
                """
                INSERT INTO write_locks (token, collection, path, is_deep, is_shared, account, owner, expires)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                .init(lock.token), .init(collection), .init(path), .init(isDeep), .init(isShared), .init(account),
                .init(owner), .init(lock.expires.microseconds))
            try Self.noteLocks(of: collection, in: transaction)
            events.record(.pathLocked, by: account, on: "\(name)/\(path)", collection: collection) {
                $0.member("shared", isShared)
                $0.member("deep", isDeep)
            }
        }
        return lock
    }

    /// Lets a lock begin anew.
    ///
    /// - Parameter tokens: of which one is the lock's, on this path or above it.
    /// - Throws: ``ObjectsError`` `.preconditionFailed` where none is.
    package func refreshLock(
        collection name: String, path: String, tokens: Set<String>, seconds: Int64, by account: String
    ) async throws -> WriteLock {
        let collection = try await collection(name).id
        let expires = Self.lockEnd(seconds)
        return try await journal.write { transaction, _ in
            try transaction.lock(Self.treeLockName(collection))
            let found = try Self.locks(on: path, of: collection, in: transaction)
            guard var lock = found.first(where: { tokens.contains($0.token) && $0.account == account }) else {
                throw ObjectsError(.preconditionFailed, "none of the named tokens is of a lock of yours on this path")
            }
            lock.expires = expires
            try transaction.run(
                "UPDATE write_locks SET expires = ? WHERE token = ?", .init(expires.microseconds), .init(lock.token))
            try Self.noteLocks(of: collection, in: transaction)
            return lock
        }
    }

    /// Takes a lock away.
    ///
    /// - Parameter breaks: whether the caller may end locks of others.
    /// - Throws: ``ObjectsError`` `.preconditionFailed` where there is no such lock on the path, `.writeLocked` where
    ///   it is somebody else's.
    package func unlock(
        collection name: String, path: String, token: String, by account: String, breaks: Bool = false
    ) async throws {
        let collection = try await collection(name).id
        try await journal.write { transaction, events in
            try transaction.lock(Self.treeLockName(collection))
            let found = try Self.locks(on: path, of: collection, in: transaction)
            guard let lock = found.first(where: { $0.token == token }) else {
                throw ObjectsError(.preconditionFailed, "there is no lock with that token on this path")
            }
            guard lock.account == account || breaks else { throw Self.writeLocked(lock) }
            try transaction.run("DELETE FROM write_locks WHERE token = ?", .init(token))
            try Self.noteLocks(of: collection, in: transaction)
            events.record(.pathUnlocked, by: account, on: "\(name)/\(lock.path)", collection: collection)
        }
    }

    /// The locks that cover a path.
    package func locks(collection name: String, path: String) async throws -> [WriteLock] {
        let collection = try await collection(name).id
        return try await journal.find { reader in
            guard try CollectionState(of: collection, reading: reader).hasWriteLocks else { return [] }
            return try Self.locks(on: path, of: collection, in: reader)
        }
    }

    /// The locks that cover a path or something below it.
    package func locks(collection name: String, inOrBelow path: String) async throws -> [WriteLock] {
        let collection = try await collection(name).id
        return try await journal.find { reader in
            guard try CollectionState(of: collection, reading: reader).hasWriteLocks else { return [] }
            return try Self.locks(on: path, of: collection, in: reader)
                + Self.locks(below: path, of: collection, in: reader)
        }
    }

    // MARK: Within a transaction

    private static func locks(on path: String, of collection: Int64, in reader: Reader) throws -> [WriteLock] {
        var paths = [path]
        while let last = paths.last, !last.isEmpty { paths.append(parent(of: last)) }
        let marks = Array(repeating: "?", count: paths.count).joined(separator: ", ")
        return try reader.rows(
            "SELECT \(lockColumns) FROM write_locks WHERE collection = ? AND expires > ? AND path IN (\(marks))",
            [.init(collection), .init(Timestamp.now.microseconds)] + paths.map { SQLValue($0) }, map: writeLock
        ).filter { $0.covers(path) }
    }

    static func locks(below path: String, of collection: Int64, in reader: Reader) throws -> [WriteLock] {
        let prefix = path.isEmpty ? "" : path + "/"
        return try reader.rows(
            """
            SELECT \(lockColumns) FROM write_locks
            WHERE collection = ? AND expires > ? AND path > ? AND path < ? ORDER BY path
            """,
            .init(collection), .init(Timestamp.now.microseconds), .init(prefix), .init(ListPlace.end(of: prefix)),
            map: writeLock)
    }

    /// Checks that no lock that the caller does not hold forbids to write or remove the object of a key.
    ///
    /// - Parameter isMember: whether there is an object, so that its folder stays as it is.
    /// - Throws: ``ObjectsError`` `.writeLocked`.
    static func checkWritable(
        _ key: String, of collection: Int64, _ state: CollectionState, isMember: Bool, by account: String,
        holding tokens: Set<String>, in reader: Reader
    ) throws {
        guard state.hasWriteLocks else { return }
        let path = key.hasSuffix("/") ? String(key.dropLast()) : key
        try checkHeld(locks(on: path, of: collection, in: reader), by: account, tokens)
        if !isMember, !path.isEmpty {
            // A folder's own lock is for the list of what is in it too (§7.4).
            let folder = parent(of: path)
            try checkHeld(
                locks(on: folder, of: collection, in: reader).filter { $0.path == folder }, by: account, tokens)
        }
    }

    /// Checks the same for all that is at a path and below it.
    static func checkTreeWritable(
        _ path: String, of collection: Int64, _ state: CollectionState, by account: String,
        holding tokens: Set<String>, in reader: Reader
    ) throws {
        guard state.hasWriteLocks else { return }
        try checkWritable(path, of: collection, state, isMember: false, by: account, holding: tokens, in: reader)
        let below = try locks(below: path, of: collection, in: reader)
        for locks in Dictionary(grouping: below, by: \.path).values { try checkHeld(locks, by: account, tokens) }
    }

    /// One of several shared locks is enough: an exclusive one is alone.
    private static func checkHeld(_ locks: [WriteLock], by account: String, _ tokens: Set<String>) throws {
        guard let first = locks.first,
            !locks.contains(where: { tokens.contains($0.token) && $0.account == account })
        else { return }
        throw writeLocked(first)
    }

    /// Ends the locks on what is not there any more (§9.6.1).
    static func removeLocks(
        inOrBelow path: String, of collection: Int64, _ state: CollectionState, in transaction: Transaction
    ) throws {
        guard state.hasWriteLocks else { return }
        let prefix = path.isEmpty ? "" : path + "/"
        try transaction.run(
            "DELETE FROM write_locks WHERE collection = ? AND (path = ? OR (path > ? AND path < ?))",
            .init(collection), .init(path), .init(prefix), .init(ListPlace.end(of: prefix)))
        try noteLocks(of: collection, in: transaction)
    }

    private static func removeExpiredLocks(of collection: Int64, in transaction: Transaction) throws {
        try transaction.run(
            "DELETE FROM write_locks WHERE collection = ? AND expires <= ?", .init(collection),
            .init(Timestamp.now.microseconds))
    }

    /// Keeps beside the collection how long writes have to look for locks.
    private static func noteLocks(of collection: Int64, in transaction: Transaction) throws {
        try transaction.run(
            """
            UPDATE collections SET write_locked_until = (SELECT max(expires) FROM write_locks WHERE collection = ?)
            WHERE id = ?
            """,
            .init(collection), .init(collection))
    }

    /// The folder that something lies in; the collection's own path for what is at its top.
    static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }

    private static func writeLocked(_ lock: WriteLock) -> ObjectsError {
        var error = ObjectsError(
            .writeLocked,
            "'\(lock.path.prefix(200))' is locked by \(lock.account) until \(lock.expires.rfc3339)")
        error.lockRoot = lock.path
        return error
    }

    private static func lockEnd(_ seconds: Int64) -> Timestamp {
        Timestamp.now.adding(seconds: min(max(seconds, 1), Limits.writeLockSecondsMax))
    }

    private static var lockColumns: String { "token, path, is_deep, is_shared, account, owner, expires" }

    private static func writeLock(_ row: borrowing Row) -> WriteLock {
        WriteLock(
            token: row.text(0), path: row.text(1), isDeep: row.bool(2), isShared: row.bool(3), account: row.text(4),
            owner: row.text(5), expires: Timestamp(microseconds: row.int(6)))
    }
}
