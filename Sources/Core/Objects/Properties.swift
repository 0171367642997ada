import Database
package import Journal
import Wire

extension EventKind {
    package static let propertiesChanged = EventKind("object.properties-changed")
}

/// Something that a client keeps with a file or folder (a dead property, RFC 4918 §4).
package struct ObjectProperty: Sendable, Hashable {
    /// Its name: a namespace, empty for none, and a local name.
    package var namespace: String
    package var name: String
    /// The whole element, as it is given back.
    package var element: String

    package init(namespace: String, name: String, element: String) {
        self.namespace = namespace
        self.name = name
        self.element = element
    }
}

/// One step of a change of properties.
package enum PropertyChange: Sendable {
    case set(ObjectProperty)
    case remove(namespace: String, name: String)
}

extension Limits {
    /// Properties that clients may keep with one file or folder, and all bytes of them.
    package static let propertiesMax: Int64 = 1000
    package static let propertyBytesMax: Int64 = 256 << 10
}

extension Objects {
    /// What clients have given an entry.
    package func properties(collection name: String, of entry: Entry) async throws -> [ObjectProperty] {
        let collection = try await collection(name).id
        guard let object = entry.object else { return [] }
        return try await journal.find { reader in
            try Self.properties(collection: collection, [object], in: reader)[object] ?? []
        }
    }

    static func properties(
        collection: Int64, _ objects: [Int64], in reader: Reader
    ) throws -> [Int64: [ObjectProperty]] {
        guard !objects.isEmpty, try CollectionState(of: collection, reading: reader).hasProperties else { return [:] }
        let marks = Array(repeating: "?", count: objects.count).joined(separator: ", ")
        var out: [Int64: [ObjectProperty]] = [:]
        try reader.query(
            """
            SELECT object, namespace, name, element FROM object_properties WHERE collection = ? AND object IN (\(marks))
            ORDER BY object, namespace, name
            """,
            [.init(collection)] + objects.map { .init($0) }
        ) { row in
            out[row.int(0), default: []].append(
                ObjectProperty(namespace: row.text(1), name: row.text(2), element: row.text(3)))
        }
        return out
    }

    /// Changes properties, all or none, in the order given. A folder that has no marker gets one.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchKey`, `.writeLocked`, `.headersTooLarge` for more than an entry may have.
    package func changeProperties(
        collection name: String, path: String, prefersFolder: Bool, _ changes: [PropertyChange], by actor: String,
        holding locks: Set<String> = []
    ) async throws {
        let collection = try await collection(name)
        let key = try await keyring.key(ofCollection: collection.id)
        try await journal.write { transaction, events in
            try transaction.lock(Self.treeLockName(collection.id))
            guard
                let entry = try Self.entry(
                    collection: collection.id, path: path, prefersFolder: prefersFolder, in: transaction)
            else { throw ObjectsError.noSuchKey(path) }
            let state = try CollectionState(of: collection.id, in: transaction)
            try Self.checkWritable(
                path, of: collection.id, state, isMember: true, by: actor, holding: locks, in: transaction)
            let object =
                try entry.object
                ?? Self.insertMarker(path, collection, key, state, by: actor, &events, in: transaction).object
            for change in changes { try Self.apply(change, to: object, of: collection.id, in: transaction) }
            let amount = try transaction.first(
                """
                SELECT count(*), CAST(coalesce(sum(length(element)), 0) AS BIGINT) FROM object_properties
                WHERE collection = ? AND object = ?
                """,
                .init(collection.id), .init(object)
            ) { (count: $0.int(0), bytes: $0.int(1)) }
            if let amount, amount.count > Limits.propertiesMax || amount.bytes > Limits.propertyBytesMax {
                throw ObjectsError(
                    .headersTooLarge,
                    "a file or folder has at most \(Limits.propertiesMax) properties of \(Limits.propertyBytesMax) bytes in all"
                )
            }
            if !state.hasProperties {
                try transaction.run("UPDATE collections SET has_properties = 1 WHERE id = ?", .init(collection.id))
            }
            events.record(.propertiesChanged, by: actor, on: "\(name)/\(path)", collection: collection.id) {
                $0.member("changes", changes.count)
            }
        }
    }

    private static func apply(
        _ change: PropertyChange, to object: Int64, of collection: Int64, in transaction: Transaction
    ) throws {
        switch change {
        case .set(let property):
            try transaction.run(
                """
                INSERT INTO object_properties (collection, object, namespace, name, element) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (collection, object, namespace, name) DO UPDATE SET element = excluded.element
                """,
                .init(collection), .init(object), .init(property.namespace), .init(property.name),
                .init(property.element))
        case .remove(let namespace, let name):
            try transaction.run(
                "DELETE FROM object_properties WHERE collection = ? AND object = ? AND namespace = ? AND name = ?",
                .init(collection), .init(object), .init(namespace), .init(name))
        }
    }

    /// Removes the properties of an object of which no version is left.
    static func discardProperties(
        of version: ObjectVersion, _ state: CollectionState, in transaction: Transaction
    ) throws {
        guard state.hasProperties else { return }
        try transaction.run(
            "DELETE FROM object_properties WHERE collection = ? AND object = ?", .init(version.collection),
            .init(version.object))
    }

    /// Gives a copy the properties of what it was copied from.
    static func copyProperties(
        from source: ObjectVersion, to copy: ObjectVersion, _ state: CollectionState, in transaction: Transaction
    ) throws {
        guard state.hasProperties else { return }
        try transaction.run(
            """
            INSERT INTO object_properties (collection, object, namespace, name, element)
            SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), namespace, name, element FROM object_properties
            WHERE collection = ? AND object = ?
            """,
            .init(copy.collection), .init(copy.object), .init(source.collection), .init(source.object))
        if copy.collection != source.collection {
            try transaction.run("UPDATE collections SET has_properties = 1 WHERE id = ?", .init(copy.collection))
        }
    }
}
