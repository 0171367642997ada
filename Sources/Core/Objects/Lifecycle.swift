import BucketConfiguration
import Database
import Journal
package import Wire

/// How far the rules of one collection have been carried out for one day.
package struct LifecycleWalk: Sendable {
    package var collection: Collection
    var rules: LifecycleConfiguration
    var day: Int64
    var place: Place

    package var isDone: Bool { place.stage == .done }

    enum Stage: Int64, Sendable {
        case current, noncurrent, uploads, done
    }

    /// What has been looked at: in a stage, of the keys below one of its prefixes, up to this version or upload.
    struct Place: Sendable {
        var stage = Stage.current
        var range = 0
        var key = ""
        var number = Int64.max
        var upload: [UInt8]?

        /// The beginning of what comes when everything below a prefix was looked at.
        mutating func skipRange(of count: Int) {
            let isLast = range + 1 >= count
            let next = isLast ? Stage(rawValue: stage.rawValue + 1) ?? .done : stage
            self = Place(stage: next, range: isLast ? 0 : range + 1)
        }
    }

    /// Below what the rules have something to do in this stage.
    var prefixes: [String] {
        switch place.stage {
        case .current: rules.prefixes { $0.expiration != nil || !$0.transitions.isEmpty }
        case .noncurrent: rules.prefixes { $0.noncurrentExpiration != nil || !$0.noncurrentTransitions.isEmpty }
        case .uploads: rules.prefixes { $0.abortUploadsDays != nil }
        case .done: []
        }
    }
}

extension Objects {
    /// Versions looked at in one step, and changed in one transaction.
    private static let lifecycleBatch = 500
    /// An upload may have 10,000 parts.
    private static let uploadBatch = 20
    /// The actor of what lifecycle rules do.
    package static let lifecycleActor = "system:lifecycle"

    static let lifecycleSchema = [
        "CREATE INDEX collection_settings_by_name ON collection_settings (name, collection)",
        // A row goes when the rules change, so that everything is looked at anew.
        """
        CREATE TABLE lifecycle_walks (
            collection INTEGER PRIMARY KEY REFERENCES collections (id) ON DELETE CASCADE, day INTEGER NOT NULL,
            stage INTEGER NOT NULL, range INTEGER NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, upload BLOB)
        """,
    ]

    /// Held by who begins a walk through a collection, and by who changes its rules.
    static func lifecycleLock(_ collection: String) -> String { "lifecycle \(collection)" }

    /// The next collection whose rules have not been carried out for this day: a walk through it, from where it was
    /// left. Only collections with rules are looked at.
    ///
    /// - Parameter id: after the collection with this id.
    package func nextLifecycleWalk(after id: Int64, now: Timestamp) async throws -> LifecycleWalk? {
        let day = now.seconds / lifecycleDaySeconds
        let collection = try await journal.find { reader in
            try reader.first(
                """
                SELECT \(Self.collectionColumns) FROM collections WHERE id = (
                    SELECT s.collection FROM collection_settings s
                    LEFT JOIN lifecycle_walks w ON w.collection = s.collection
                    WHERE s.name = ? AND s.collection > ? AND (w.day IS NULL OR w.day < ? OR w.stage < ?)
                    ORDER BY s.collection LIMIT 1)
                """,
                .init(SettingName.lifecycle.rawValue), .init(id), .init(day),
                .init(LifecycleWalk.Stage.done.rawValue), map: Self.collection)
        }
        guard let collection else { return nil }
        return try await journal.database.write { [lifecycleDaySeconds] transaction in
            try transaction.lock(Self.lifecycleLock(collection.name))
            let document = try transaction.first(
                "SELECT document FROM collection_settings WHERE collection = ? AND name = ?", .init(collection.id),
                .init(SettingName.lifecycle.rawValue)
            ) { $0.text(0) }
            guard let document else { return nil }
            var rules = try LifecycleConfiguration(parsing: Array(document.utf8))
            rules.daySeconds = lifecycleDaySeconds
            let left = try transaction.first(
                "SELECT day, stage, range, key, number, upload FROM lifecycle_walks WHERE collection = ?",
                .init(collection.id)
            ) { row in
                LifecycleWalk(
                    collection: collection, rules: rules, day: row.int(0),
                    place: LifecycleWalk.Place(
                        stage: LifecycleWalk.Stage(rawValue: row.int(1)) ?? .done, range: Int(row.int(2)),
                        key: row.text(3), number: row.int(4), upload: row.blobOrNil(5)))
            }
            // One that was left is ended as the day's that it was begun on.
            if let left, !left.isDone { return left }
            try transaction.run("DELETE FROM lifecycle_walks WHERE collection = ?", .init(collection.id))
            let begun = LifecycleWalk(collection: collection, rules: rules, day: day, place: LifecycleWalk.Place())
            try transaction.run(
                """
                INSERT INTO lifecycle_walks (collection, day, stage, range, key, number, upload)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                .init(collection.id), .init(day), .init(begun.place.stage.rawValue), .init(begun.place.range),
                .init(begun.place.key), .init(begun.place.number), .init(begun.place.upload))
            return begun
        }
    }

    /// Looks at the next few hundred versions or uploads, and carries out what is due for them.
    ///
    /// - Returns: how many were changed; nil where the rules were changed meanwhile, which ends the walk.
    package func advance(_ walk: inout LifecycleWalk, now: Timestamp) async throws -> Int? {
        let before = walk
        let due: [LifecycleDue]
        if let prefix = walk.prefixes.dropFirst(walk.place.range).first {
            due = try await journal.read { reader in
                switch before.place.stage {
                case .current: try Self.dueCurrent(before, prefix, now, in: reader)
                case .noncurrent: try Self.dueNoncurrent(before, prefix, now, in: reader)
                case .uploads, .done: try Self.dueUploads(before, prefix, now, in: reader)
                }
            }
            let limit = walk.place.stage == .uploads ? Self.uploadBatch : Self.lifecycleBatch
            if due.count < limit {
                walk.place.skipRange(of: before.prefixes.count)
            } else if let last = due.last {
                walk.place.key = last.key
                walk.place.number = last.number
                walk.place.upload = last.upload
            }
        } else {
            due = []
            walk.place.skipRange(of: 0)
        }
        let changed = try await expire(due.filter { $0.action != nil }, of: before, now)
        return try await store(walk) ? changed : nil
    }

    private func store(_ walk: LifecycleWalk) async throws -> Bool {
        try await journal.database.write { transaction in
            try transaction.execute(
                """
                UPDATE lifecycle_walks SET stage = ?, range = ?, key = ?, number = ?, upload = ?
                WHERE collection = ? AND day = ?
                """,
                .init(walk.place.stage.rawValue), .init(walk.place.range), .init(walk.place.key),
                .init(walk.place.number), .init(walk.place.upload), .init(walk.collection.id), .init(walk.day)) == 1
        }
    }
}

/// Something that was looked at, and what is due for it.
struct LifecycleDue: Sendable {
    var key: String
    var number = Int64.max
    var upload: [UInt8]?
    var action: LifecycleAction?
}

// What is due, as one snapshot shows it. Whatever is done looks again, under the key's lock.
extension Objects {
    private static func dueCurrent(
        _ walk: LifecycleWalk, _ prefix: String, _ now: Timestamp, in reader: Reader
    ) throws -> [LifecycleDue] {
        try reader.rows(
            """
            SELECT \(columns) FROM versions
            WHERE collection = ? AND current = 1 AND key >= ? AND key > ? AND key < ? ORDER BY key LIMIT ?
            """,
            .init(walk.collection.id), .init(prefix), .init(walk.place.key), .init(ListPlace.end(of: prefix)),
            .init(lifecycleBatch), map: version
        ).map { version in
            LifecycleDue(
                key: version.key, number: version.number, action: try due(current: version, walk.rules, now, in: reader)
            )
        }
    }

    private static func due(
        current version: ObjectVersion, _ rules: LifecycleConfiguration, _ now: Timestamp, in reader: Reader
    ) throws -> LifecycleAction? {
        // What the node keeps for itself goes by other rules.
        guard !version.key.hasPrefix(systemPrefix) else { return nil }
        guard version.isDeleteMarker else { return rules.due(current: LifecycleObject(version), now: now) }
        guard let rule = rules.removesDeleteMarker(key: version.key, created: version.created, now: now) else {
            return nil
        }
        let hidden = try reader.scalar(
            "SELECT 1 FROM versions WHERE collection = ? AND key = ? AND current IS NULL AND removed IS NULL LIMIT 1",
            .init(version.collection), .init(version.key))
        return hidden == nil ? .expire(rule: rule) : nil
    }

    private static func dueNoncurrent(
        _ walk: LifecycleWalk, _ prefix: String, _ now: Timestamp, in reader: Reader
    ) throws -> [LifecycleDue] {
        try reader.rows(
            """
            SELECT \(columns), superseded FROM versions
            WHERE collection = ? AND current IS NULL AND removed IS NULL AND key >= ? AND key >= ? AND key < ?
            AND (key <> ? OR number < ?) ORDER BY key, number DESC LIMIT ?
            """,
            .init(walk.collection.id), .init(prefix), .init(walk.place.key), .init(ListPlace.end(of: prefix)),
            .init(walk.place.key), .init(walk.place.number), .init(lifecycleBatch)
        ) { row in (try version(row), Timestamp(microseconds: row.int(columnCount))) }.map { version, since in
            LifecycleDue(
                key: version.key, number: version.number,
                action: try due(noncurrent: version, since: since, walk.rules, now, in: reader))
        }
    }

    private static func due(
        noncurrent version: ObjectVersion, since: Timestamp, _ rules: LifecycleConfiguration, _ now: Timestamp,
        in reader: Reader
    ) throws -> LifecycleAction? {
        guard !version.key.hasPrefix(systemPrefix) else { return nil }
        let object = LifecycleObject(version)
        // Newer ones are counted only where something could be due.
        guard rules.due(noncurrent: object, since: since, newerVersions: .max, now: now) != nil else { return nil }
        let newer = try reader.scalar(
            """
            SELECT count(*) FROM (SELECT 1 FROM versions WHERE collection = ? AND key = ? AND current IS NULL
            AND removed IS NULL AND number > ? LIMIT ?) AS newer
            """,
            .init(version.collection), .init(version.key), .init(version.number),
            .init(LifecycleConfiguration.newerVersionsMax))
        let action = rules.due(noncurrent: object, since: since, newerVersions: newer ?? 0, now: now)
        if case .expire = action, (try? checkUnlocked(version, bypasses: false)) == nil { return nil }
        return action
    }

    private static func dueUploads(
        _ walk: LifecycleWalk, _ prefix: String, _ now: Timestamp, in reader: Reader
    ) throws -> [LifecycleDue] {
        try reader.rows(
            """
            SELECT id, key, created FROM uploads
            WHERE collection = ? AND key >= ? AND key >= ? AND key < ? AND (key > ? OR id > ?) ORDER BY key, id LIMIT ?
            """,
            .init(walk.collection.id), .init(prefix), .init(walk.place.key), .init(ListPlace.end(of: prefix)),
            .init(walk.place.key), .init(walk.place.upload ?? []), .init(uploadBatch)
        ) { row in
            let key = row.text(1)
            let rule = walk.rules.abortsUpload(key: key, initiated: Timestamp(microseconds: row.int(2)), now: now)
            return LifecycleDue(key: key, upload: row.blob(0), action: rule.map { .expire(rule: $0) })
        }
    }

    /// Carries out expirations, those that are still due, in one transaction.
    ///
    /// - Returns: how many.
    private func expire(_ due: [LifecycleDue], of walk: LifecycleWalk, _ now: Timestamp) async throws -> Int {
        guard !due.isEmpty else { return 0 }
        return try await journal.write { transaction, events in
            // In the order in which every transaction takes them.
            for name in Set(due.compactMap { $0.upload.map { VersionID(stored: $0).text } }).sorted() {
                try transaction.lock("upload \(name)")
            }
            if walk.place.stage != .uploads {
                try transaction.lock(Self.treeLockName(walk.collection.id), isShared: true)
                for key in Set(due.map(\.key)).sorted() {
                    try transaction.lock(Self.lockName(walk.collection.id, key))
                }
            }
            var count = 0
            for due in due {
                let isDone =
                    switch walk.place.stage {
                    case .current: try Self.expireCurrent(due, of: walk, now, in: transaction, &events)
                    case .noncurrent: try Self.expireNoncurrent(due, of: walk, now, in: transaction, &events)
                    case .uploads, .done: try Self.abort(due, of: walk, in: transaction, &events)
                    }
                if isDone { count += 1 }
            }
            return count
        }
    }

    private static func expireCurrent(
        _ due: LifecycleDue, of walk: LifecycleWalk, _ now: Timestamp, in transaction: Transaction,
        _ events: inout EventRecorder
    ) throws -> Bool {
        guard let found = try latest(collection: walk.collection.id, key: due.key, in: transaction),
            found.number == due.number,
            case .expire(let rule) = try Self.due(current: found, walk.rules, now, in: transaction)
        else { return false }
        var deletion = Deletion()
        let state = try CollectionState(of: walk.collection.id, in: transaction)
        if found.isDeleteMarker {
            try remove(found, state, in: transaction)
            deletion.removed = (found.name, true)
        } else {
            // What somebody holds a write lock on is looked at again the next time.
            do {
                try checkWritable(
                    due.key, of: walk.collection.id, state, isMember: false, by: lifecycleActor, holding: [],
                    in: transaction)
            } catch is ObjectsError {
                return false
            }
            deletion = try delete(due.key, walk.collection.id, state, { _ in }, in: transaction)
        }
        record(deletion, of: due.key, in: walk.collection, by: lifecycleActor, rule: rule, &events)
        return true
    }

    private static func expireNoncurrent(
        _ due: LifecycleDue, of walk: LifecycleWalk, _ now: Timestamp, in transaction: Transaction,
        _ events: inout EventRecorder
    ) throws -> Bool {
        let row = try transaction.first(
            "SELECT \(columns), superseded FROM versions WHERE number = ? AND current IS NULL AND removed IS NULL",
            .init(due.number)
        ) { row in (version: try version(row), since: Timestamp(microseconds: row.int(columnCount))) }
        guard let row,
            case .expire(let rule) = try Self.due(
                noncurrent: row.version, since: row.since, walk.rules, now, in: transaction)
        else { return false }
        try remove(row.version, CollectionState(of: walk.collection.id, in: transaction), in: transaction)
        let deletion = Deletion(removed: (row.version.name, row.version.isDeleteMarker))
        record(deletion, of: due.key, in: walk.collection, by: lifecycleActor, rule: rule, &events)
        return true
    }

    private static func abort(
        _ due: LifecycleDue, of walk: LifecycleWalk, in transaction: Transaction, _ events: inout EventRecorder
    ) throws -> Bool {
        guard let id = due.upload.map(VersionID.init(stored:)), case .expire(let rule) = due.action,
            try upload(id, collection: walk.collection.id, key: due.key, in: transaction) != nil
        else { return false }
        try discard(upload: id, in: transaction)
        events.record(
            .uploadAborted, by: lifecycleActor, on: "\(walk.collection.name)/\(due.key)",
            collection: walk.collection.id
        ) {
            $0.member("upload", id.text)
            $0.member("rule", rule)
        }
        return true
    }
}

extension LifecycleObject {
    init(_ version: ObjectVersion) {
        self.init(
            key: version.key, tags: version.tags.map { TagSet.Tag(key: $0.name, value: $0.value) }, size: version.size,
            created: version.created)
    }
}
