package import BucketConfiguration
import Database
package import Journal
package import Policy
import Wire

extension EventKind {
    package static let collectionConfigured = EventKind("collection.configured")
    package static let objectACLSet = EventKind("object.acl")
}

/// The name of something that can be set for a collection. Its document is a face's own, kept as that face wrote it.
package struct SettingName: RawRepresentable, Hashable, Sendable {
    package var rawValue: String

    package init(rawValue: String) { self.rawValue = rawValue }
    package init(_ name: String) { rawValue = name }

    /// A bucket policy, in IAM's JSON.
    package static let policy = SettingName("policy")
    /// The name of a canned ACL.
    package static let acl = SettingName("acl")
    package static let publicAccessBlock = SettingName("publicAccessBlock")
    package static let objectLock = SettingName("object-lock")
    package static let encryption = SettingName("encryption")
    package static let ownershipControls = SettingName("ownershipControls")
    package static let lifecycle = SettingName("lifecycle")
    package static let notification = SettingName("notification")
    package static let logging = SettingName("logging")

    /// Those by which the gate decides.
    static let ofAccess: [SettingName] = [.policy, .acl, .publicAccessBlock, .ownershipControls]
}

extension Objects {
    /// The longest document, in bytes.
    package static let settingBytesMax = 2 << 20

    /// The longest document that is remembered for a second.
    private static let cachedSettingBytesMax = 64 << 10

    static let settingsMigrations = [
        Migration(
            module: "objects", number: 2,
            [
                """
                CREATE TABLE collection_settings (
                    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE, name TEXT NOT NULL,
                    document TEXT NOT NULL, PRIMARY KEY (collection, name)) WITHOUT ROWID
                """
            ] + lifecycleSchema + accessLogSchema)
    ]

    /// What was set for a collection; nil where nothing was.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func setting(_ name: SettingName, of collection: String) async throws -> String? {
        let id = try await self.collection(collection).id
        if let known = settingsCache["\(id) \(name.rawValue)"] { return known }
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT document FROM collection_settings WHERE collection = ? AND name = ?", .init(id),
                .init(name.rawValue)
            ) { $0.text(0) }
        }
        // Long ones are for workers, which ask seldom, and would fill the memory.
        if (found?.utf8.count ?? 0) <= Self.cachedSettingBytesMax {
            settingsCache["\(id) \(name.rawValue)"] = .some(found)
        }
        return found
    }

    /// Sets something for a collection, in place of what was set before.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, `.tooLarge` beyond ``settingBytesMax``.
    package func putSetting(
        _ name: SettingName, of collection: String, to document: String, by actor: String
    ) async throws {
        guard document.utf8.count <= Self.settingBytesMax else {
            throw ObjectsError(.tooLarge, "a setting has up to \(Self.settingBytesMax) bytes")
        }
        try await change(name, of: collection, by: actor) { id, transaction in
            try Self.write(name, document, collection: id, in: transaction)
            return true
        }
    }

    static func write(
        _ name: SettingName, _ document: String, collection: Int64, in transaction: Transaction
    ) throws {
        try transaction.run(
            """
            INSERT INTO collection_settings (collection, name, document) VALUES (?, ?, ?)
            ON CONFLICT (collection, name) DO UPDATE SET document = excluded.document
            """,
            .init(collection), .init(name.rawValue), .init(document))
    }

    /// Takes a setting away. One that is not there is no error, and no event.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func deleteSetting(_ name: SettingName, of collection: String, by actor: String) async throws {
        try await change(name, of: collection, by: actor) { id, transaction in
            try transaction.execute(
                "DELETE FROM collection_settings WHERE collection = ? AND name = ?", .init(id), .init(name.rawValue))
                > 0
        }
    }

    /// - Parameter body: changes rows, and says whether it did.
    private func change(
        _ name: SettingName, of collection: String, by actor: String,
        _ body: @escaping @Sendable (Int64, Transaction) throws -> Bool
    ) async throws {
        let id = try await journal.write { transaction, events in
            if name == .lifecycle { try transaction.lock(Self.lifecycleLock(collection)) }
            // Asked in the transaction: the collection may have gone since this node read it.
            guard let id = try transaction.scalar("SELECT id FROM collections WHERE name = ?", .init(collection)) else {
                throw ObjectsError.noSuchCollection(collection)
            }
            if try body(id, transaction) {
                if name == .lifecycle {
                    try transaction.run("DELETE FROM lifecycle_walks WHERE collection = ?", .init(id))
                }
                events.record(.collectionConfigured, by: actor, on: collection, collection: id) {
                    $0.member("setting", name.rawValue)
                }
            }
            return id
        }
        settingsCache["\(id) \(name.rawValue)"] = nil
        accessCache[String(id)] = nil
        activeCache[collection] = nil
    }
}

// What the gate asks.
extension Objects: ResourceAccessSource {
    package func access(ofCollection name: String) async throws -> ResourceAccess {
        let collection: Collection
        do {
            collection = try await self.collection(name)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            return .none
        }
        if let known = accessCache[String(collection.id)] { return known }
        let names = SettingName.ofAccess.map(\.rawValue)
        let documents = try await journal.find { reader in
            try reader.rows(
                """
                SELECT name, document FROM collection_settings WHERE collection = ? AND name IN (?, ?, ?, ?)
                """,
                [.init(collection.id)] + names.map { .init($0) }
            ) { ($0.text(0), $0.text(1)) }
        }
        let found = Dictionary(documents, uniquingKeysWith: { $1 })
        let access = try ResourceAccess(
            collection: name, policy: found[SettingName.policy.rawValue],
            acl: found[SettingName.acl.rawValue].flatMap(CannedACL.init(rawValue:)) ?? .private,
            block: try found[SettingName.publicAccessBlock.rawValue].map {
                try PublicAccessBlock(parsing: Array($0.utf8))
            },
            ownership: try found[SettingName.ownershipControls.rawValue].map {
                try OwnershipControls(parsing: Array($0.utf8)).ownership
            })
        accessCache[String(collection.id)] = access
        return access
    }

    /// The ACL of a version of an object, by its name; of the current one for nil. Private where there is none.
    package func acl(ofObject key: String, version: String?, in name: String) async throws -> CannedACL {
        try await found(key, version, in: name)?.acl ?? .private
    }

    /// The tags of a version of an object, by its name; of the current one for nil. None where there is none.
    package func tags(
        ofObject key: String, version: String?, in name: String
    ) async throws -> [(key: String, value: String)] {
        try await found(key, version, in: name)?.tags.map { ($0.name, $0.value) } ?? []
    }

    private func found(_ key: String, _ version: String?, in name: String) async throws -> ObjectVersion? {
        do {
            let collection = try await self.collection(name).id
            return try await journal.find { try Self.version(version, collection: collection, key: key, in: $0) }
        } catch let error as ObjectsError where error.code == .noSuchCollection || error.code == .noSuchVersion {
            return nil
        }
    }

    /// Sets the ACL of one version; a version that has gone meanwhile is no error.
    package func setACL(
        _ acl: CannedACL, of version: ObjectVersion, in collection: String, by actor: String
    ) async throws {
        try await journal.write { transaction, events in
            try transaction.run(
                "UPDATE versions SET acl = ? WHERE number = ?", .init(Self.text(acl)), .init(version.number))
            events.record(
                .objectACLSet, by: actor, on: "\(collection)/\(version.key)", collection: version.collection
            ) {
                $0.member("version", version.id.text)
                if !version.isNull { $0.member("versioned", true) }
                $0.member("acl", acl.rawValue)
            }
        }
    }
}
