import Database
import Journal
import Wire

extension Objects {
    /// The keys of collections in the order of their names, after `name`. A collection without generations has had its
    /// key destroyed.
    ///
    /// What is sealed under a collection's keys is counted row by row, which takes its time with many.
    package func collectionKeys(after name: String = "", limit: Int = 100) async throws -> [KeyStatus] {
        try await journal.read { reader in
            let collections = try reader.rows(
                "SELECT id, name FROM collections WHERE name > ? ORDER BY name LIMIT ?", .init(name), .init(limit)
            ) { (id: $0.int(0), name: $0.text(1)) }
            return try collections.map { try Self.status(of: $0.id, name: $0.name, in: reader) }
        }
    }

    /// The key of one collection.
    ///
    /// - Throws: ``ObjectsError`` `.noSuchCollection`.
    package func collectionKey(_ name: String) async throws -> KeyStatus {
        try await journal.read { reader in
            guard let id = try reader.scalar("SELECT id FROM collections WHERE name = ?", .init(name)) else {
                throw ObjectsError.noSuchCollection(name)
            }
            return try Self.status(of: id, name: name, in: reader)
        }
    }

    private static func status(of id: Int64, name: String, in reader: Reader) throws -> KeyStatus {
        var generations = try Self.generations(
            "SELECT generation, created, retired, rewrapped FROM collection_keys WHERE collection = ?", id, in: reader)
        if generations.count == 1 {
            generations[0].sealed = try versionCount(collection: id, in: reader)
        } else if !generations.isEmpty {
            let counts = try sealedCounts(collection: id, in: reader)
            for index in generations.indices { generations[index].sealed = counts[generations[index].generation] ?? 0 }
        }
        return KeyStatus(name: "collection \(name)", generations: generations)
    }

    /// The keys of spaces, at most 1000.
    package func spaceKeys() async throws -> [KeyStatus] {
        try await journal.read { reader in
            let spaces = try reader.rows("SELECT id, name FROM spaces ORDER BY name LIMIT 1000") {
                (id: $0.int(0), name: $0.text(1))
            }
            return try spaces.map { space in
                var generations = try Self.generations(
                    "SELECT generation, created, retired, 0 FROM space_keys WHERE space = ?", space.id, in: reader)
                for index in generations.indices {
                    generations[index].sealed =
                        try reader.scalar(
                            """
                            SELECT (SELECT count(*) FROM collection_keys WHERE space = ? AND space_generation = ?)
                            + (SELECT count(*) FROM kms_generations WHERE space = ? AND space_generation = ?)
                            """,
                            .init(space.id), .init(generations[index].generation), .init(space.id),
                            .init(generations[index].generation)) ?? 0
                }
                return KeyStatus(name: "space \(space.name)", generations: generations)
            }
        }
    }

    private static func generations(_ sql: String, _ id: Int64, in reader: Reader) throws -> [KeyGeneration] {
        try reader.rows(sql + " ORDER BY generation", .init(id)) { row in
            KeyGeneration(
                generation: row.int(0), created: Timestamp(microseconds: row.int(1)),
                retired: row.intOrNil(2).map { Timestamp(microseconds: $0) }, sealed: 0, rewrapped: row.int(3))
        }
    }

    /// How many versions, versions' parts and parts of uploads are sealed under each generation of a collection's key.
    private static func sealedCounts(collection: Int64, in reader: Reader) throws -> [Int64: Int64] {
        var counts: [Int64: Int64] = [:]
        for source in SealedRows.all {
            try reader.query(
                """
                SELECT substr(\(source.column), 1, 4), count(*) FROM \(source.tables)
                WHERE \(source.condition) AND \(source.column) IS NOT NULL GROUP BY 1
                """,
                .init(collection)
            ) { counts[$0.blob(0).reduce(Int64(0)) { $0 << 8 | Int64($1) }, default: 0] += $0.int(1) }
        }
        return counts
    }

    /// How many versions of objects a collection holds, delete markers not counted.
    static func versionCount(collection: Int64, in reader: Reader) throws -> Int64 {
        try [SealedRows.current, .past].reduce(0) { sum, source in
            let count = try reader.scalar(
                "SELECT count(*) FROM versions WHERE \(source.condition) AND kind = 0", .init(collection))
            return sum + (count ?? 0)
        }
    }
}
