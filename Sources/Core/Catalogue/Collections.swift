import Database
package import Journal
import Synchronization
package import Wire

extension EventKind {
    /// A STAC Collection was put by hand.
    package static let collectionDescribed = EventKind("collection.described")
}

extension Catalogue {
    /// Largest Collection document taken.
    static let collectionBytesMax = 1 << 20

    /// - Throws: ``CatalogueError`` `.noSuchCollection`.
    package func collection(_ name: String) async throws -> CatalogueCollection {
        let found = try await collections(names: [name])
        guard let collection = found.first else { throw CatalogueError.noSuchCollection(name) }
        return collection
    }

    /// Collections in the order of their names.
    ///
    /// - Parameters:
    ///   - name: begins behind this name.
    ///   - limit: at most 1,000.
    /// - Returns: the page, and whether more follow.
    package func collections(
        visible: CollectionDirectory, after name: String = "", limit: Int = 100
    ) async throws -> (page: [CatalogueCollection], hasMore: Bool) {
        let rest = visible.entries[visible.index(after: name)...]
        let page = try await collections(names: rest.prefix(min(limit, 1000)).map(\.name))
        return (page, rest.count > limit)
    }

    /// From the first to the last `datetime` of a collection's items; nil where there are none.
    package func sortTimes(of name: String) async throws -> ClosedRange<Timestamp>? {
        try await journal.read { reader in
            let id = try Self.collectionID(name, in: reader)
            let ends = try ["min", "max"].compactMap {
                try reader.scalar("SELECT \($0)(datetime) FROM items WHERE collection = ?", .init(id))
            }
            guard ends.count == 2, ends[0] <= ends[1] else { return nil }
            return Timestamp(microseconds: ends[0])...Timestamp(microseconds: ends[1])
        }
    }

    func collections(names: [String]) async throws -> [CatalogueCollection] {
        guard !names.isEmpty else { return [] }
        let marks = names.map { _ in "?" }.joined(separator: ", ")
        // One that was deleted since the directory was read is left out.
        return try await journal.read { reader in
            try reader.rows(
                """
                SELECT c.id, c.name, c.owner, c.created, k.items, \(Extents.areaColumns), k.start_time, k.end_time, k.document,
                k.document_tid
                FROM collections c LEFT JOIN catalogue_collections k ON k.collection = c.id
                WHERE c.name IN (\(marks)) ORDER BY c.name
                """,
                names.map { .init($0) }
            ) { row in
                var times: ClosedRange<Timestamp>?
                if let start = row.intOrNil(11), let end = row.intOrNil(12), start <= end {
                    times = Timestamp(microseconds: start)...Timestamp(microseconds: end)
                }
                return CatalogueCollection(
                    id: row.int(0), name: row.text(1), owner: row.text(2), created: Timestamp(microseconds: row.int(3)),
                    itemCount: row.int(4), area: Extents.area(row, from: 5), times: times,
                    document: try row.blobOrNil(13).map { try JSONValue(parsing: $0) }, documentTID: row.int(14))
            }
        }
    }

    /// Stores a STAC Collection for a collection that exists: its description, licence, providers and so on are shown
    /// instead of what the node would say by itself. Its id, extent and own links stay the node's.
    ///
    /// - Parameter check: looks at the TID of the one before, 0 for none, and throws where that is not to be replaced.
    ///   It may run more than once.
    /// - Throws: ``CatalogueError`` `.invalidCollection` with the member, `.tooLarge`, `.noSuchCollection`; what
    ///   `check` throws.
    package func putCollection(
        _ document: [UInt8], name: String, by actor: String,
        check: @escaping @Sendable (_ tid: Int64?) throws -> Void = { _ in }
    ) async throws {
        try Self.check(collection: document)
        try await writeCollection(name, by: actor, check: check) { _ in document }
    }

    /// Changes what was said of a collection; see above.
    ///
    /// - Parameter edit: makes the new document of the stored one, if any. It may run more than once.
    package func editCollection(
        _ name: String, by actor: String, check: @escaping @Sendable (_ tid: Int64?) throws -> Void,
        _ edit: @escaping @Sendable (JSONValue?) throws -> JSONValue
    ) async throws {
        try await writeCollection(name, by: actor, check: check) { stored in
            let document = try edit(stored.map { try JSONValue(parsing: $0) }).bytes
            try Self.check(collection: document)
            return document
        }
    }

    private func writeCollection(
        _ name: String, by actor: String, check: @escaping @Sendable (Int64?) throws -> Void,
        _ document: @escaping @Sendable ([UInt8]?) throws -> [UInt8]
    ) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("collection \(name)")
            let id = try Self.collectionID(name, in: transaction)
            let stored = try transaction.first(
                "SELECT document, document_tid FROM catalogue_collections WHERE collection = ?", .init(id)
            ) { (document: $0.blobOrNil(0), tid: $0.int(1)) }
            try check(stored?.tid ?? 0)
            try transaction.run(
                """
                INSERT INTO catalogue_collections (collection, document, document_tid, items, reach_before, reach_after)
                VALUES (?, ?, ?, 0, 0, 0) ON CONFLICT (collection) DO UPDATE
                SET document = excluded.document, document_tid = excluded.document_tid
                """,
                .init(id), .init(try document(stored?.document)), .init(transaction.tid))
            events.record(.collectionDescribed, by: actor, on: name, collection: id)
        }
    }

    /// A collection that was made or removed elsewhere is to be seen at once.
    package func forgetDirectory() { knownDirectory.withLock { $0.forget() } }

    /// - Throws: ``CatalogueError`` `.invalidCollection` with the member, `.tooLarge`.
    package static func check(collection document: [UInt8]) throws {
        guard document.count <= Self.collectionBytesMax else {
            throw CatalogueError(
                .tooLarge, "a collection may have \(Self.collectionBytesMax) bytes, this one has \(document.count)")
        }
        func invalid(_ member: String, _ message: String) -> CatalogueError {
            CatalogueError(.invalidCollection, message, member: member)
        }
        let json: JSONValue
        do {
            json = try JSONValue(parsing: document)
        } catch {
            throw invalid("", "the collection is \(error)")
        }
        guard json.object != nil else { throw invalid("", "a collection is a JSON object") }
        guard json["type"]?.string == "Collection" else { throw invalid("type", "type must be \"Collection\"") }
        guard let version = json["stac_version"]?.string, version.hasPrefix("1.") else {
            throw invalid("stac_version", "stac_version must be a version 1 of STAC, like \"1.1.0\"")
        }
        for name in ["description", "license"] where json[name]?.string?.isEmpty != false {
            throw invalid(name, "\(name) must be a string that is not empty")
        }
        for name in ["title"] {
            if let value = json[name], value.string == nil { throw invalid(name, "\(name) must be a string") }
        }
        for name in ["keywords", "stac_extensions"] {
            if let value = json[name], value.array?.allSatisfy({ $0.string != nil }) != true {
                throw invalid(name, "\(name) must be a list of strings")
            }
        }
        if let value = json["providers"], value.array?.allSatisfy({ $0["name"]?.string != nil }) != true {
            throw invalid("providers", "providers must be a list of objects with a name")
        }
        for name in ["summaries", "assets", "item_assets"] {
            if let value = json[name], value.object == nil { throw invalid(name, "\(name) must be an object") }
        }
        if let value = json["links"],
            value.array?.allSatisfy({ $0["rel"]?.string != nil && $0["href"]?.string != nil }) != true
        {
            throw invalid("links", "links must be a list of objects with rel and href")
        }
    }
}
