import Database
package import Journal
import Synchronization
import Wire

extension EventKind {
    package static let quotaSet = EventKind("quota.set")
    package static let quotaRemoved = EventKind("quota.removed")
}

/// What a quota is for.
package enum QuotaScope: Sendable, Hashable {
    case space(String)
    case collection(String)

    package var name: String {
        switch self {
        case .space(let name), .collection(let name): name
        }
    }

    /// As the table of quotas has it.
    fileprivate var kind: Int64 {
        switch self {
        case .space: 0
        case .collection: 1
        }
    }
}

/// How much a space or a collection may hold, and holds. Every version counts that clients can still name; delete
/// markers, parts of unfinished uploads and the node's own objects do not.
package struct Quota: Sendable, Hashable {
    package var scope: QuotaScope
    /// Nil for no limit.
    package var bytesMax: Int64?
    package var objectsMax: Int64?
    package var bytes: Int64
    package var objects: Int64

    /// What is left; never less than nothing.
    package var bytesLeft: Int64? { bytesMax.map { max(0, $0 - bytes) } }
    package var objectsLeft: Int64? { objectsMax.map { max(0, $0 - objects) } }
}

// A counter exists only where a quota is set. It is made by counting once, and from then on kept by the transactions
// that make and remove versions. Each of them learns from the row of the collection, which it reads anyway, whether
// there is one, and holds that row until it commits: whoever sets a quota waits for those that have found none.
extension Objects {
    /// Sets the quota of a space or a collection. What is there already stays, also beyond it.
    ///
    /// The first time it counts, while writers wait: about a second for a million versions.
    ///
    /// - Parameters: bytesMax, objectsMax: nil for no limit.
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.invalidState` for a quota without a limit or below zero.
    package func setQuota(
        _ scope: QuotaScope, bytesMax: Int64?, objectsMax: Int64?, by actor: String
    ) async throws -> Quota {
        guard bytesMax != nil || objectsMax != nil, (bytesMax ?? 0) >= 0, (objectsMax ?? 0) >= 0 else {
            throw ObjectsError(.invalidState, "a quota limits bytes, objects or both, to numbers of at least 0")
        }
        let quota = try await journal.write { transaction, events in
            let (owner, members) = try Self.hold(scope, in: transaction)
            var quota = try Self.quota(scope, owner: owner, in: transaction)
            if quota == nil {
                var counted = Quota(scope: scope, bytes: 0, objects: 0)
                for member in members {
                    let (bytes, objects) = try Self.count(member, in: transaction)
                    counted.bytes += bytes
                    counted.objects += objects
                }
                quota = counted
            }
            guard var quota else { throw ObjectsError.noSuchCollection(scope.name) }
            quota.bytesMax = bytesMax
            quota.objectsMax = objectsMax
            try transaction.run(
                """
                INSERT INTO quotas (kind, owner, bytes_max, objects_max, bytes, objects) VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (kind, owner) DO UPDATE
                SET bytes_max = excluded.bytes_max, objects_max = excluded.objects_max
                """,
                .init(scope.kind), .init(owner), .init(bytesMax), .init(objectsMax), .init(quota.bytes),
                .init(quota.objects))
            try Self.mark(scope, owner: owner, in: transaction)
            events.record(.quotaSet, by: actor, on: scope.name, collection: scope.kind == 1 ? owner : nil) {
                if let bytesMax { $0.member("bytes", bytesMax) }
                if let objectsMax { $0.member("objects", objectsMax) }
            }
            return quota
        }
        collectionCache.clear()
        return quota
    }

    /// Takes a quota away. One that is not there is no error, and no event.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func removeQuota(_ scope: QuotaScope, by actor: String) async throws {
        try await journal.write { transaction, events in
            let (owner, _) = try Self.hold(scope, in: transaction)
            let count = try transaction.execute(
                "DELETE FROM quotas WHERE kind = ? AND owner = ?", .init(scope.kind), .init(owner))
            guard count > 0 else { return }
            try Self.mark(scope, owner: owner, in: transaction)
            events.record(.quotaRemoved, by: actor, on: scope.name, collection: scope.kind == 1 ? owner : nil)
        }
        collectionCache.clear()
    }

    /// A quota with its counters; nil where none is set.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func quota(_ scope: QuotaScope) async throws -> Quota? {
        try await journal.read { reader in
            guard let owner = try Self.owner(scope, in: reader) else { throw ObjectsError.noSuchCollection(scope.name) }
            return try Self.quota(scope, owner: owner, in: reader)
        }
    }

    /// The quota of the space in which new collections are; nil where none is set.
    package func quotaOfSpace() async throws -> Quota? {
        let scope = QuotaScope.space(Keyring.mainSpace)
        return try await journal.find { reader in
            // The space comes with its first collection.
            try Self.owner(scope, in: reader).flatMap { try Self.quota(scope, owner: $0, in: reader) }
        }
    }

    /// The quota that leaves a collection the least room, its own or its space's; nil where neither is set, which
    /// costs no query.
    package func quota(of collection: Collection) async throws -> Quota? {
        guard collection.hasQuota else { return nil }
        return try await journal.find { try Self.quotas(of: collection, in: $0) }.min {
            ($0.bytesLeft ?? .max) < ($1.bytesLeft ?? .max)
        }
    }

    /// Quotas of spaces, then those of collections in the order of their names, after the collection `name`.
    package func quotas(after name: String = "", limit: Int = 1000) async throws -> [Quota] {
        try await journal.read { reader in
            let spaces =
                name.isEmpty
                ? try reader.rows(
                    """
                    SELECT s.name, bytes_max, objects_max, bytes, objects FROM quotas q JOIN spaces s ON s.id = q.owner
                    WHERE q.kind = 0 ORDER BY s.name LIMIT ?
                    """, .init(limit)
                ) { Self.quota(.space($0.text(0)), $0, from: 1) } : []
            return try spaces
                + reader.rows(
                    """
                    SELECT c.name, bytes_max, objects_max, bytes, objects FROM quotas q JOIN collections c ON c.id = q.owner
                    WHERE q.kind = 1 AND c.name > ? ORDER BY c.name LIMIT ?
                    """, .init(name), .init(limit)
                ) { Self.quota(.collection($0.text(0)), $0, from: 1) }
        }
    }

    // MARK: Rows

    private static func owner(_ scope: QuotaScope, in reader: Reader) throws -> Int64? {
        switch scope {
        case .space(let name): try reader.scalar("SELECT id FROM spaces WHERE name = ?", .init(name))
        case .collection(let name): try reader.scalar("SELECT id FROM collections WHERE name = ?", .init(name))
        }
    }

    /// Keeps everybody else from changing what counts. Returns the owner, and the collections that belong to it.
    private static func hold(
        _ scope: QuotaScope, in transaction: Transaction
    ) throws -> (owner: Int64, members: [Int64]) {
        switch scope {
        case .space(let name):
            try transaction.lock("space \(name)")
            guard let owner = try owner(scope, in: transaction) else {
                throw ObjectsError(.noSuchCollection, "there is no space '\(name.prefix(80))'")
            }
            let members = try transaction.rows(
                holding: .exclusively, "SELECT id FROM collections WHERE space = ? ORDER BY id", .init(owner)
            ) { $0.int(0) }
            return (owner, members)
        case .collection(let name):
            try transaction.lock("collection \(name)")
            let found = try transaction.rows(
                holding: .exclusively, "SELECT id FROM collections WHERE name = ?", .init(name)
            ) { $0.int(0) }
            guard let owner = found.first else { throw ObjectsError.noSuchCollection(name) }
            return (owner, [owner])
        }
    }

    /// Writes into the rows of collections whether any quota is to be kept there.
    private static func mark(_ scope: QuotaScope, owner: Int64, in transaction: Transaction) throws {
        try transaction.run(
            """
            UPDATE collections SET quota = CASE WHEN
                EXISTS (SELECT 1 FROM quotas WHERE kind = 1 AND owner = collections.id)
                OR EXISTS (SELECT 1 FROM quotas WHERE kind = 0 AND owner = collections.space) THEN 1 ELSE 0 END
            WHERE \(scope.kind == 1 ? "id" : "space") = ?
            """,
            .init(owner))
    }

    private static func count(_ collection: Int64, in reader: Reader) throws -> (bytes: Int64, objects: Int64) {
        var bytes: Int64 = 0
        var objects: Int64 = 0
        // The current versions and the others are in indexes of their own.
        for condition in ["current = 1", "current IS NULL AND removed IS NULL"] {
            try reader.query(
                """
                SELECT CAST(COALESCE(SUM(size), 0) AS INTEGER), COUNT(*) FROM versions
                WHERE collection = ? AND \(condition) AND kind = 0 AND (key < ? OR key >= ?)
                """,
                .init(collection), .init(systemPrefix), .init(behindSystemPrefix)
            ) { row in
                bytes += row.int(0)
                objects += row.int(1)
            }
        }
        return (bytes, objects)
    }

    private static func quota(_ scope: QuotaScope, owner: Int64, in reader: Reader) throws -> Quota? {
        try reader.first(
            "SELECT bytes_max, objects_max, bytes, objects FROM quotas WHERE kind = ? AND owner = ?",
            .init(scope.kind), .init(owner)
        ) { quota(scope, $0, from: 0) }
    }

    fileprivate static func quota(_ scope: QuotaScope, _ row: borrowing Row, from column: Int) -> Quota {
        Quota(
            scope: scope, bytesMax: row.intOrNil(column), objectsMax: row.intOrNil(column + 1),
            bytes: row.int(column + 2), objects: row.int(column + 3))
    }

    private static func quotas(of collection: Collection, in reader: Reader) throws -> [Quota] {
        try reader.rows(
            """
            SELECT q.kind, s.name, q.bytes_max, q.objects_max, q.bytes, q.objects FROM collections c
            JOIN spaces s ON s.id = c.space
            JOIN quotas q ON (q.kind = 1 AND q.owner = c.id) OR (q.kind = 0 AND q.owner = c.space) WHERE c.id = ?
            """,
            .init(collection.id)
        ) { quota($0.int(0) == 1 ? .collection(collection.name) : .space($0.text(1)), $0, from: 2) }
    }

    // MARK: Ahead of a body

    /// Refuses early what the transaction would refuse anyway, so that no bytes are stored for nothing: by its length
    /// where that was announced, otherwise as soon as it is too long. Costs nothing where no quota is set.
    ///
    /// - Throws: ``ObjectsError`` `.quotaExceeded`.
    func limited(
        _ expectations: BodyExpectations, key: String, in collection: Collection
    ) async throws -> BodyExpectations {
        guard collection.hasQuota, !key.hasPrefix(Self.systemPrefix) else { return expectations }
        let (quotas, latest) = try await journal.find { reader in
            (
                try Self.quotas(of: collection, in: reader),
                try Self.latest(collection: collection.id, key: key, in: reader)
            )
        }
        // What it would replace makes room.
        let isReplaced =
            collection.versioning == .off || (collection.versioning == .suspended && latest?.isNull == true)
        let freed = latest.flatMap { isReplaced && !$0.isDeleteMarker ? $0 : nil }
        var expectations = expectations
        for quota in quotas {
            if freed == nil, quota.objectsLeft == 0 { throw ObjectsError.quotaExceeded(quota) }
            guard let left = quota.bytesLeft else { continue }
            let room = left + (freed?.size ?? 0)
            if let length = expectations.length, length > room { throw ObjectsError.quotaExceeded(quota) }
            if room < expectations.room?.bytes ?? .max { expectations.room = (room, quota) }
        }
        return expectations
    }
}

/// What a transaction changes of how much a collection holds. The counters are changed at the transaction's end.
final class Usage: Sendable {
    private let collection: Int64
    private let change = Mutex<(bytes: Int64, objects: Int64)>((0, 0))

    init(of collection: Int64, in transaction: Transaction) {
        self.collection = collection
        transaction.atEnd { [self] transaction in try settle(in: transaction) }
    }

    /// - Parameter sign: 1 for a version that was made, -1 for one that was removed.
    func count(_ version: ObjectVersion, _ sign: Int64) {
        guard !version.isDeleteMarker, !version.key.hasPrefix(Objects.systemPrefix) else { return }
        change.withLock {
            $0.bytes += sign * version.size
            $0.objects += sign
        }
    }

    /// - Throws: ``ObjectsError`` `.quotaExceeded` where something grows beyond its limit.
    private func settle(in transaction: Transaction) throws {
        let (bytes, objects) = change.withLock { $0 }
        guard bytes != 0 || objects != 0 else { return }
        // The collection's first, then its space's: two transactions never wait for each other.
        for (kind, owner) in [(1, "?"), (0, "(SELECT space FROM collections WHERE id = ?)")] {
            let quota = try transaction.first(
                """
                UPDATE quotas SET bytes = bytes + ?, objects = objects + ? WHERE kind = \(kind) AND owner = \(owner)
                RETURNING bytes_max, objects_max, bytes, objects
                """,
                .init(bytes), .init(objects), .init(collection)
            ) { Objects.quota(kind == 1 ? .collection("") : .space(""), $0, from: 0) }
            guard let quota else { continue }
            let hasTooManyBytes = bytes > 0 && quota.bytes > quota.bytesMax ?? .max
            let hasTooManyObjects = objects > 0 && quota.objects > quota.objectsMax ?? .max
            if hasTooManyBytes || hasTooManyObjects { throw ObjectsError.quotaExceeded(quota) }
        }
    }
}

extension ObjectsError {
    static func quotaExceeded(_ quota: Quota) -> ObjectsError {
        let what =
            switch quota.scope {
            case .space: "space"
            case .collection: "collection"
            }
        let limits = [quota.bytesMax.map { "\($0) bytes" }, quota.objectsMax.map { "\($0) objects" }].compactMap { $0 }
        return ObjectsError(
            .quotaExceeded,
            "the quota of the \(what) is \(limits.joined(separator: " and ")), and this would not fit")
    }
}
