import Database
package import Journal
import Wire

extension EventKind {
    package static let collectionCreated = EventKind("collection.created")
    package static let collectionDeleted = EventKind("collection.deleted")
}

extension Objects {
    /// Checks a name: 3 to 63 lower-case letters, digits, dots and hyphens, as S3 asks of buckets.
    package static func checkCollectionName(_ name: String) throws {
        let utf8 = Array(name.utf8)
        func isAlphanumeric(_ c: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(c) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c)
        }
        let isFine =
            (3...63).contains(utf8.count)
            && utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
            && utf8.first.map(isAlphanumeric) == true && utf8.last.map(isAlphanumeric) == true && !name.contains("..")
            && !(name.split(separator: ".").count == 4 && name.split(separator: ".").allSatisfy { UInt8($0) != nil })
        guard isFine else {
            throw ObjectsError(
                .invalidName,
                "'\(name.prefix(80))' is no collection name: 3 to 63 lower-case letters, digits, '.' or '-', beginning and ending with a letter or digit"
            )
        }
    }

    /// Makes a collection.
    ///
    /// - Parameters:
    ///   - hasObjectLock: whether its objects can be locked, and so its versions are kept.
    ///   - settings: what it has from the beginning.
    /// - Throws: ``ObjectsError`` `.invalidName`, `.collectionExists`.
    @discardableResult
    package func createCollection(
        _ name: String, owner: String, hasObjectLock: Bool = false, settings: [SettingName: String] = [:]
    ) async throws -> Collection {
        try Self.checkCollectionName(name)
        return try await createCollection(
            name, owner: owner, isSystem: false, hasObjectLock: hasObjectLock, settings: settings)
    }

    /// - Parameter isSystem: whether it is one of the node's own, whose names no client can give and none finds.
    func createCollection(
        _ name: String, owner: String, isSystem: Bool, hasObjectLock: Bool = false,
        settings: [SettingName: String] = [:]
    ) async throws -> Collection {
        let now = Timestamp.now
        let versioning = hasObjectLock ? Versioning.enabled : .off
        return try await journal.write { [keyring] transaction, events in
            try transaction.lock("collection \(name)")
            try transaction.lock("space \(Keyring.mainSpace)")
            let taken = try transaction.scalar("SELECT 1 FROM collections WHERE name = ?", .init(name))
            guard taken == nil else { throw ObjectsError(.collectionExists, "there is a collection '\(name)' already") }
            let space = try keyring.space(Keyring.mainSpace, in: transaction)
            let id = try transaction.tid
            try transaction.run(
                """
                INSERT INTO collections (id, space, name, owner, created, versioning, object_lock, quota)
                VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT COUNT(*) FROM quotas WHERE kind = 0 AND owner = ?))
                """,
                .init(id), .init(space.id), .init(name), .init(owner), .init(now.microseconds),
                .init(versioning.rawValue), .init(hasObjectLock ? 1 : 0), .init(space.id))
            try keyring.addKey(collection: id, generation: 1, space: space, in: transaction)
            for (setting, document) in settings {
                try Self.write(setting, document, collection: id, in: transaction)
            }
            events.record(.collectionCreated, by: owner, on: name, collection: id) {
                if hasObjectLock { $0.member("objectLock", true) }
                if !settings.isEmpty { $0.member("settings", settings.keys.map(\.rawValue).sorted()) }
            }
            return Collection(
                id: id, name: name, owner: owner, created: now, versioning: versioning, hasObjectLock: hasObjectLock)
        }
    }

    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func collection(_ name: String) async throws -> Collection {
        try await collection(name, isSystem: false)
    }

    func collection(_ name: String, isSystem: Bool) async throws -> Collection {
        guard isSystem || !name.hasPrefix(".") else { throw ObjectsError.noSuchCollection(name) }
        if let known = collectionCache[name] { return known }
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.collectionColumns) FROM collections WHERE name = ?", .init(name), map: Self.collection)
        }
        guard let found else { throw ObjectsError.noSuchCollection(name) }
        collectionCache[name] = found
        return found
    }

    /// Collections in the order of their names, after `name`.
    package func collections(after name: String = "", limit: Int = 1000) async throws -> [Collection] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.collectionColumns) FROM collections WHERE name > ? ORDER BY name LIMIT ?",
                // Names that begin with a dot are the node's own.
                .init(max(name, "/")), .init(limit), map: Self.collection)
        }
    }

    static let collectionColumns = "id, name, owner, created, versioning, object_lock, quota"

    static func collection(_ row: borrowing Row) -> Collection {
        Collection(
            id: row.int(0), name: row.text(1), owner: row.text(2), created: Timestamp(microseconds: row.int(3)),
            versioning: Versioning(rawValue: row.text(4)) ?? .off, hasObjectLock: row.bool(5), hasQuota: row.bool(6))
    }

    /// Says what becomes of objects that are written again or deleted.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.invalidState` for what cannot be: versioning that was enabled
    ///   once is never off again, and where objects can be locked it stays enabled.
    package func setVersioning(_ versioning: Versioning, of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("collection \(name)")
            let found = try transaction.first(
                "SELECT \(Self.collectionColumns) FROM collections WHERE name = ?", .init(name), map: Self.collection)
            guard let found else { throw ObjectsError.noSuchCollection(name) }
            guard versioning == .enabled || !found.hasObjectLock else {
                throw ObjectsError(
                    .invalidState, "objects of '\(name)' can be locked, so its versioning stays enabled")
            }
            guard versioning != .off || found.versioning == .off else {
                throw ObjectsError(.invalidState, "versioning that was enabled can only be suspended")
            }
            try transaction.run(
                "UPDATE collections SET versioning = ? WHERE id = ?", .init(versioning.rawValue), .init(found.id))
            events.record(.collectionConfigured, by: actor, on: name, collection: found.id) {
                $0.member("versioning", versioning.rawValue)
            }
        }
        collectionCache[name] = nil
    }

    /// Removes a collection that holds no objects, with its past.
    ///
    /// The past goes first and in small transactions, so that nobody waits long for the last one. Where that finds an
    /// object that came meanwhile, the collection stays and says that its past is not kept.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.collectionNotEmpty`.
    package func deleteCollection(_ name: String, by actor: String) async throws {
        let past = try await journal.read { try Self.empty(name, in: $0) }
        while try await purgePast(of: past) > 0 {}
        do {
            try await journal.write { transaction, events in
                try transaction.lock("collection \(name)")
                // Who writes into it now is waited for, and who comes then does not find it.
                _ = try transaction.rows(
                    holding: .exclusively, "SELECT id FROM collections WHERE name = ?", .init(name)
                ) { $0.int(0) }
                let id = try Self.empty(name, in: transaction)
                try Self.discardUploads(collection: id, in: transaction)
                try Self.discardAll(collection: id, in: transaction)
                try transaction.run("DELETE FROM quotas WHERE kind = 1 AND owner = ?", .init(id))
                try transaction.execute("DELETE FROM collections WHERE id = ?", .init(id))
                events.record(.collectionDeleted, by: actor, on: name, collection: id)
            }
        } catch let error as DatabaseError where error.code == .constraint(.foreignKey) {
            // An upload was begun while this transaction looked.
            throw Self.notEmpty(name)
        }
        collectionCache[name] = nil
        activeCache[name] = nil
    }

    /// The id of a collection in which there is nothing that clients see.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.collectionNotEmpty`.
    private static func empty(_ name: String, in reader: Reader) throws -> Int64 {
        guard let id = try reader.scalar("SELECT id FROM collections WHERE name = ?", .init(name)) else {
            throw ObjectsError.noSuchCollection(name)
        }
        for condition in ["current = 1", "current IS NULL AND removed IS NULL"] {
            let found = try reader.scalar(
                "SELECT 1 FROM versions WHERE collection = ? AND \(condition) AND (key < ? OR key >= ?) LIMIT 1",
                .init(id), .init(systemPrefix), .init(behindSystemPrefix))
            guard found == nil else { throw notEmpty(name) }
        }
        return id
    }

    /// The first key behind all that begin with `systemPrefix`.
    static let behindSystemPrefix = ".martlet0"

    private static func notEmpty(_ name: String) -> ObjectsError {
        ObjectsError(.collectionNotEmpty, "the collection '\(name)' still holds objects: delete them first")
    }
}
