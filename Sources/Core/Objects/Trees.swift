import BucketConfiguration
import Ciphers
import Database
import Journal
import Wire

/// A file, or a folder with all that is below it.
package struct Tree: Sendable, Hashable {
    package var collection: String
    package var path: String
    /// Where there are both a file and a folder: the folder is meant.
    package var prefersFolder: Bool

    package init(collection: String, path: String, prefersFolder: Bool = false) {
        self.collection = collection
        self.path = path
        self.prefersFolder = prefersFolder
    }
}

/// Moves, copies and removes whole trees, each in one transaction and without moving bytes.
///
/// Whoever asks has looked at each key before, to see whether the caller may touch it. What others put there since then
/// is not touched: the transaction ends with `.changedMeanwhile`.
extension Objects {
    /// The keys of all objects that make up a tree; none where there is nothing.
    ///
    /// - Throws: ``ObjectsError`` `.tooManyObjects` beyond ``Limits/treeObjectsMax``.
    package func keys(of tree: Tree) async throws -> [String] {
        let collection = try await collection(tree.collection)
        return try await journal.read { reader in try Self.members(of: tree, collection, in: reader).map(\.key) }
    }

    private static func members(of tree: Tree, _ collection: Collection, in reader: Reader) throws -> [ObjectVersion] {
        let found = try entry(
            collection: collection.id, path: tree.path, prefersFolder: tree.prefersFolder, in: reader)
        guard let found else { return [] }
        guard found.isFolder else {
            return try current(collection: collection.id, key: found.path, in: reader).map { [$0] } ?? []
        }
        let prefix = tree.path.isEmpty ? "" : tree.path + "/"
        let versions = try reader.rows(
            """
            SELECT \(columns) FROM versions
            WHERE collection = ? AND current = 1 AND kind = 0 AND key >= ? AND key < ? ORDER BY key LIMIT ?
            """,
            .init(collection.id), .init(prefix), .init(ListPlace.end(of: prefix)), .init(Limits.treeObjectsMax + 1),
            map: version
        ).filter { !$0.key.hasPrefix(systemPrefix) }
        guard versions.count <= Limits.treeObjectsMax else {
            throw ObjectsError(
                .tooManyObjects,
                "'\(tree.path.prefix(200))' holds more than \(Limits.treeObjectsMax) objects, which is as many as are changed at once: take its folders one by one"
            )
        }
        return versions
    }

    /// Removes a tree, and the locks on it. The folder that it was in stays.
    ///
    /// - Parameter permitted: the keys that may be removed.
    /// - Throws: ``ObjectsError`` `.noSuchKey`, `.writeLocked`, `.tooManyObjects`, `.changedMeanwhile`.
    package func delete(
        _ tree: Tree, permitted: Set<String>, by actor: String, holding locks: Set<String> = [],
        condition: @escaping WriteCondition = { _ in }
    ) async throws {
        let collection = try await collection(tree.collection)
        let key = try await keyring.key(ofCollection: collection.id)
        try await journal.write { transaction, events in
            try transaction.lock(Self.treeLockName(collection.id))
            let state = try CollectionState(of: collection.id, in: transaction)
            let versions = try Self.members(of: tree, collection, in: transaction)
            guard !versions.isEmpty else { throw ObjectsError.noSuchKey(tree.path) }
            try condition(versions.first { $0.key == tree.path })
            try Self.checkTreeWritable(
                tree.path, of: collection.id, state, by: actor, holding: locks, in: transaction)
            try Self.remove(versions, permitted, collection, state, by: actor, &events, in: transaction)
            try Self.removeLocks(inOrBelow: tree.path, of: collection.id, state, in: transaction)
            try Self.keepFolder(above: tree.path, collection, key, state, by: actor, &events, in: transaction)
        }
    }

    private static func remove(
        _ versions: [ObjectVersion], _ permitted: Set<String>, _ collection: Collection, _ state: CollectionState,
        by actor: String, _ events: inout EventRecorder, in transaction: Transaction
    ) throws {
        for version in versions {
            guard permitted.contains(version.key) else { throw changed(version.key) }
            let marker = try hide(version, collection: collection.id, key: version.key, state, in: transaction)
            if marker == nil { try discardProperties(of: version, state, in: transaction) }
            record(
                Deletion(marker: marker, existed: true), of: version.key, in: collection, by: actor, &events)
        }
    }

    private static func changed(_ key: String) -> ObjectsError {
        ObjectsError(.changedMeanwhile, "'\(key.prefix(200))' came while this was asked for: try again")
    }

    /// Moves or copies a tree to another path, in place of what is there.
    ///
    /// What is moved keeps its ids, ETags, times and properties: only keys change. A copy is a new object; it shares
    /// the source's stored bytes, whose keys are sealed for it.
    ///
    /// - Parameters:
    ///   - isShallow: copies a folder without what is in it.
    ///   - overwrites: whether something may be at the target, which is then removed.
    ///   - permitted: the source's keys that may be touched, and the target's that may be removed.
    ///   - condition: looks at what is at the target.
    /// - Returns: whether there was nothing at the target.
    /// - Throws: ``ObjectsError`` `.noSuchKey`, `.alreadyExists` unless `overwrites`, `.noSuchFolder`,
    ///   `.cannotContainItself`, `.writeLocked`, `.tooManyObjects`, `.changedMeanwhile`; `.infected` where the target's
    ///   collection refuses what a scan finds.
    package func transfer(
        _ source: Tree, to target: Tree, isMove: Bool, isShallow: Bool = false, overwrites: Bool,
        permitted: (source: Set<String>, target: Set<String>), by actor: String, holding locks: Set<String> = [],
        condition: @escaping WriteCondition = { _ in }
    ) async throws -> Bool {
        try Self.check(key: target.path)
        let isInside = target.path.hasPrefix(source.path + "/") || source.path.hasPrefix(target.path + "/")
        guard source.collection != target.collection || (source.path != target.path && !isInside) else {
            throw ObjectsError(
                .cannotContainItself, "'\(source.path.prefix(200))' cannot be put into or over itself or its folder")
        }
        let from = try await collection(source.collection)
        let to = try await collection(target.collection)
        let transfer = Transfer(
            source: source, target: target, from: from, to: to,
            fromKey: try await keyring.key(ofCollection: from.id), toKey: try await keyring.key(ofCollection: to.id),
            isMove: isMove, actor: actor,
            retention: try await locked(ObjectDescription(), in: to).retention,
            scanned: isMove && from.id == to.id ? nil : try await screened(source, isShallow: isShallow, from, to))
        return try await journal.write { transaction, events in
            for id in Set([from.id, to.id]).sorted() { try transaction.lock(Self.treeLockName(id)) }
            let fromState = try CollectionState(of: from.id, in: transaction)
            let toState = try CollectionState(of: to.id, in: transaction)
            var versions = try Self.members(of: source, from, in: transaction)
            guard let first = versions.first else { throw ObjectsError.noSuchKey(source.path) }
            let isFolder = first.key != source.path
            if let unknown = versions.first(where: { !permitted.source.contains($0.key) }) {
                throw Self.changed(unknown.key)
            }
            if isShallow, isFolder { versions = versions.filter { $0.key == source.path + "/" } }
            if let scanned = transfer.scanned, let unknown = versions.first(where: { scanned[$0.id] == nil }) {
                throw Self.changed(unknown.key)
            }
            let replaced = try Self.members(of: target, to, in: transaction)
            try condition(replaced.first { $0.key == target.path })
            guard replaced.isEmpty || overwrites else {
                throw ObjectsError(.alreadyExists, "there is something at '\(target.path.prefix(200))' already")
            }
            try Self.checkFolder(above: target.path, collection: to.id, in: transaction)
            if isMove {
                try Self.checkTreeWritable(
                    source.path, of: from.id, fromState, by: actor, holding: locks, in: transaction)
            }
            try Self.checkTreeWritable(target.path, of: to.id, toState, by: actor, holding: locks, in: transaction)
            if !isFolder, let file = replaced.first, file.key == target.path {
                // It is written again, as by a PUT: versions of it are not hidden by a delete marker first.
                if toState.versioning(of: file.key) == .off {
                    try Self.discardProperties(of: file, toState, in: transaction)
                }
            } else {
                try Self.remove(replaced, permitted.target, to, toState, by: actor, &events, in: transaction)
            }
            for version in versions {
                let key = target.path + version.key.dropFirst(source.path.count)
                try Self.check(key: key)
                if isMove {
                    try transfer.move(version, to: key, fromState, toState, &events, in: transaction)
                } else {
                    try transfer.copy(version, to: key, fromState, toState, &events, in: transaction)
                }
            }
            if isFolder, versions.isEmpty {
                _ = try Self.insertMarker(
                    target.path, to, transfer.toKey, toState, by: actor, &events, in: transaction)
            }
            if isMove {
                try Self.removeLocks(inOrBelow: source.path, of: from.id, fromState, in: transaction)
                try Self.keepFolder(
                    above: source.path, from, transfer.fromKey, fromState, by: actor, &events, in: transaction)
            }
            return replaced.isEmpty
        }
    }
}

extension Objects {
    /// Has a tree scanned where infected objects are refused, since it is all there at once.
    ///
    /// - Returns: the tags of each version as they are to be; nil where nothing has to be scanned first.
    private func screened(
        _ tree: Tree, isShallow: Bool, _ from: Collection, _ to: Collection
    ) async throws -> [VersionID: [HeaderField]]? {
        guard screening != nil, try await scanPolicy(of: to.name).policy == .refuse else { return nil }
        let versions = try await journal.read { try Self.members(of: tree, from, in: $0) }
        var tags: [VersionID: [HeaderField]] = [:]
        for version in versions where !isShallow || version.key == tree.path || version.key == tree.path + "/" {
            var found: HeaderField?
            if version.isReadableByNode {
                var object = try await open(collection: from.name, key: version.key, version: version.name)
                object.unlock = .node
                found = try await screen(copying: object, key: version.key, to: to)
            } else {
                found = ScanOutcome.unscanned.tag
            }
            tags[version.id] = found.map { tag in version.tags.filter { $0.name != tag.name } + [tag] } ?? version.tags
        }
        return tags
    }
}

/// What each object of a move or copy has in common.
private struct Transfer: Sendable {
    var source: Tree
    var target: Tree
    var from: Collection
    var to: Collection
    var fromKey: CollectionKeys
    var toKey: CollectionKeys
    var isMove: Bool
    var actor: String
    /// What the target's collection retains new objects by.
    var retention: ObjectRetention?
    /// The tags that scans have given; nil where nothing was scanned.
    var scanned: [VersionID: [HeaderField]]?

    func move(
        _ version: ObjectVersion, to key: String, _ fromState: CollectionState,
        _ toState: CollectionState, _ events: inout EventRecorder, in transaction: Transaction
    ) throws {
        var moved = version
        moved.key = key
        // Within a collection data keys stay as they are sealed, since that is to the version's id; another collection
        // has another key, so there it is another version of the same object.
        if from.id != to.id {
            moved.id = VersionID()
            moved.collection = to.id
            moved.tags = scanned?[version.id] ?? version.tags
            // Of the collection that they were set in, where what they lock stays.
            moved.retention = retention
            moved.hasLegalHold = false
            try reseal(&moved, from: version, toState, in: transaction)
        } else {
            // A row that is made now may name a key that has been replaced no more than any other new one.
            switch version.storage {
            case .inline(let key): moved.storage = .inline(sealedKey: try toKey.renewed(key, version: version.id))
            case .blob(let blob, let key):
                moved.storage = .blob(blob, sealedKey: try toKey.renewed(key, version: version.id))
            case .parts: break
            }
        }
        try place(&moved, sharing: version, toState, in: transaction)
        if from.id != to.id {
            try Objects.copyProperties(from: version, to: moved, fromState, in: transaction)
            try Objects.discardProperties(of: version, fromState, in: transaction)
        }
        let marker = try Objects.hide(version, collection: from.id, key: version.key, fromState, in: transaction)
        Objects.record(
            Deletion(marker: marker, existed: true), of: version.key, in: from, by: actor, &events)
        Objects.record(moved, in: to, by: actor, movedFrom: "\(from.name)/\(version.key)", &events)
    }

    func copy(
        _ version: ObjectVersion, to key: String, _ fromState: CollectionState,
        _ toState: CollectionState, _ events: inout EventRecorder, in transaction: Transaction
    ) throws {
        var copy = version
        copy.id = VersionID()
        copy.object = 0
        copy.collection = to.id
        copy.key = key
        copy.created = .now
        // Locks and ACLs are not copied: a copy gets its own, as a new object does.
        copy.acl = .private
        copy.retention = retention
        copy.hasLegalHold = false
        copy.tags = scanned?[version.id] ?? version.tags
        try reseal(&copy, from: version, toState, in: transaction)
        try place(&copy, sharing: version, toState, in: transaction)
        try Objects.copyProperties(from: version, to: copy, fromState, in: transaction)
        Objects.record(copy, in: to, by: actor, as: .copy, &events)
    }

    /// Seals the data keys of a version for another one, which gets rows for its parts.
    private func reseal(
        _ copy: inout ObjectVersion, from version: ObjectVersion, _ toState: CollectionState,
        in transaction: Transaction
    ) throws {
        copy.encryption = version.encryption.shared(from: version.id)

        func resealed(_ sealed: [UInt8], part: Int) throws -> [UInt8] {
            try toKey.sealDataKey(
                fromKey.openDataKey(sealed, version: version.id, part: part), version: copy.id, part: part)
        }
        switch version.storage {
        case .inline(let sealed): copy.storage = .inline(sealedKey: try resealed(sealed, part: 0))
        case .blob(let blob, let sealed): copy.storage = .blob(blob, sealedKey: try resealed(sealed, part: 0))
        case .parts:
            for var part in try PartRow.all(version: version.id, in: transaction) {
                part.sealedKey = try resealed(part.sealedKey, part: part.number)
                try part.insert(version: copy.id, toState, in: transaction)
            }
        }
    }

    /// Makes a version the current one of its key, where nothing is any more.
    private func place(
        _ version: inout ObjectVersion, sharing original: ObjectVersion, _ state: CollectionState,
        in transaction: Transaction
    ) throws {
        let latest = try Objects.latest(collection: to.id, key: version.key, in: transaction)
        version.isNull = try Objects.displace(
            latest, collection: to.id, key: version.key, state, in: transaction)
        if state.versioning(of: version.key) != .off {
            // It may have been here before: one version has one row at a key.
            let earlier = try transaction.first(
                """
                SELECT \(Objects.columns) FROM versions
                WHERE collection = ? AND key = ? AND current IS NULL AND removed IS NULL AND id = ?
                """,
                .init(to.id), .init(version.key), .init(id: version.id), map: Objects.version)
            if let earlier { try Objects.remove(earlier, state, in: transaction) }
        }
        try Objects.insert(&version, inline: nil, state, in: transaction)
        if case .inline = version.storage {
            try transaction.run(
                "INSERT INTO inline_bytes (version, bytes) SELECT CAST(? AS BIGINT), bytes FROM inline_bytes WHERE version = ?",
                .init(version.number), .init(original.number))
        }
    }
}
