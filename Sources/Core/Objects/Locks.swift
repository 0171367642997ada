import BucketConfiguration
import Database
package import Journal
import Wire

extension EventKind {
    package static let objectLocked = EventKind("object.locked")
    package static let objectTagged = EventKind("object.tagged")
}

extension Objects {
    /// Lets objects of a collection be locked, for good: versions are kept from then on.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`, or `.invalidState` where versioning is suspended.
    package func enableObjectLock(of name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("collection \(name)")
            let found = try transaction.first(
                "SELECT \(Self.collectionColumns) FROM collections WHERE name = ?", .init(name), map: Self.collection)
            guard let found else { throw ObjectsError.noSuchCollection(name) }
            guard !found.hasObjectLock else { return }
            guard found.versioning != .suspended else {
                throw ObjectsError(.invalidState, "the versioning of '\(name)' is suspended: enable it first")
            }
            try transaction.run(
                "UPDATE collections SET object_lock = 1, versioning = ? WHERE id = ?",
                .init(Versioning.enabled.rawValue), .init(found.id))
            events.record(.collectionConfigured, by: actor, on: name, collection: found.id) {
                $0.member("objectLock", true)
            }
        }
        collectionCache[name] = nil
    }

    /// Sets or, with nil, takes off the retention of a version.
    ///
    /// - Parameter bypasses: whether the caller may and wants to bypass governance.
    /// - Throws: ``ObjectsError`` `.locked` for what the present retention does not allow, `.noObjectLock` in a
    ///   collection without object lock, `.noSuchKey`, `.noSuchVersion`.
    package func setRetention(
        _ retention: ObjectRetention?, collection name: String, key: String, version: String?, bypasses: Bool,
        by actor: String
    ) async throws {
        try await change(collection: name, key: key, version: version, .objectLocked, by: actor) { found, transaction in
            if let old = found.retention, old.until > .now {
                let isKept = retention.map {
                    $0.until >= old.until && ($0.mode == .compliance || old.mode == .governance)
                }
                guard isKept == true || (old.mode == .governance && bypasses) else {
                    throw ObjectsError(
                        .locked,
                        "it is retained in \(old.mode.rawValue) mode until \(old.until.rfc3339), which can "
                            + "only be lengthened")
                }
            }
            try transaction.run(
                "UPDATE versions SET lock_mode = ?, lock_until = ? WHERE number = ?", .init(retention?.mode.rawValue),
                .init(retention?.until.microseconds), .init(found.number))
        } detail: {
            $0.member("mode", retention?.mode.rawValue ?? "")
            $0.member("until", retention?.until.rfc3339 ?? "")
        }
    }

    /// Puts a legal hold on a version, or takes it off.
    ///
    /// - Throws: as ``setRetention(_:collection:key:version:bypasses:by:)``.
    package func setLegalHold(
        _ isHeld: Bool, collection name: String, key: String, version: String?, by actor: String
    ) async throws {
        try await change(collection: name, key: key, version: version, .objectLocked, by: actor) { found, transaction in
            try transaction.run(
                "UPDATE versions SET legal_hold = ? WHERE number = ?", .init(isHeld ? 1 : nil), .init(found.number))
        } detail: {
            $0.member("legalHold", isHeld)
        }
    }

    /// Gives a version other tags.
    package func setTags(
        _ tags: [HeaderField], collection name: String, key: String, version: String?, by actor: String
    ) async throws {
        try await change(
            collection: name, key: key, version: version, .objectTagged, needsObjectLock: false, by: actor
        ) { found, transaction in
            try Self.check(tags: tags, present: found.tags)
            let kept = found.tags.filter { $0.name.hasPrefix(Self.systemTagPrefix) && !tags.contains($0) }
            try transaction.run(
                "UPDATE versions SET tags = ? WHERE number = ?", .init(Self.text(tags + kept)), .init(found.number))
        } detail: {
            $0.member("tags", tags.count)
        }
    }

    /// Changes what a version carries besides its content.
    func change(
        collection name: String, key: String, version: String?, _ kind: EventKind, needsObjectLock: Bool = true,
        by actor: String, _ body: @escaping @Sendable (ObjectVersion, Transaction) throws -> Void,
        detail: @escaping @Sendable (inout JSONWriter) -> Void
    ) async throws {
        let collection = try await collection(name)
        guard collection.hasObjectLock || !needsObjectLock else {
            throw ObjectsError(.noObjectLock, "the collection '\(name)' has no object lock")
        }
        try await journal.write { transaction, events in
            try Self.lock(key, of: collection.id, in: transaction)
            let found = try Self.version(version, collection: collection.id, key: key, in: transaction)
            let object = try Self.object(found, key: key, version: version)
            try body(object, transaction)
            events.record(kind, by: actor, on: "\(name)/\(key)", collection: collection.id) {
                $0.member("version", object.id.text)
                if !object.isNull { $0.member("versioned", true) }
                detail(&$0)
            }
        }
    }

    /// What a client says of a new object, with the collection's default retention where it says none of its own.
    ///
    /// - Throws: ``ObjectsError`` `.noObjectLock` for a lock in a collection without object lock.
    func locked(_ description: ObjectDescription, in collection: Collection) async throws -> ObjectDescription {
        guard collection.hasObjectLock else {
            guard description.retention == nil, !description.hasLegalHold else {
                throw ObjectsError(.noObjectLock, "the collection '\(collection.name)' has no object lock")
            }
            return description
        }
        guard description.retention == nil, let document = try await setting(.objectLock, of: collection.name) else {
            return description
        }
        var description = description
        let configuration = try ObjectLockConfiguration(parsing: Array(document.utf8))
        description.retention = configuration.defaultRetention.map {
            ObjectRetention(mode: $0.mode, until: $0.end(from: .now))
        }
        return description
    }

    /// Checks that a version may be removed now.
    ///
    /// - Throws: ``ObjectsError`` `.locked`.
    static func checkUnlocked(_ version: ObjectVersion, bypasses: Bool) throws {
        if version.hasLegalHold { throw ObjectsError(.locked, "the version is under a legal hold") }
        guard let retention = version.retention, retention.until > .now else { return }
        guard retention.mode == .governance, bypasses else {
            throw ObjectsError(
                .locked, "the version is retained in \(retention.mode.rawValue) mode until \(retention.until.rfc3339)")
        }
    }
}
