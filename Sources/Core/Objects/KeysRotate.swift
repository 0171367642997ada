import Database
import Journal
import Wire

extension Objects {
    /// Makes a new key for a collection. New versions are sealed under it within a second; those that there are get
    /// rewrapped by the Keykeeper. No data are rewritten.
    ///
    /// - Returns: the new key's generation.
    /// - Throws: ``KeysError`` `.underWay`, `.destroyed`; ``ObjectsError`` `.noSuchCollection`.
    package func rotateKey(ofCollection name: String, by actor: String) async throws -> Int64 {
        let generation = try await journal.write { [keyring] transaction, events in
            let found = try transaction.first(
                "SELECT c.id, s.name FROM collections c JOIN spaces s ON s.id = c.space WHERE c.name = ?", .init(name)
            ) { (id: $0.int(0), space: $0.text(1)) }
            guard let found else { throw ObjectsError.noSuchCollection(name) }
            try transaction.lock(Self.keyLock(found.id))
            try transaction.lock("space \(found.space)")
            let state = try Self.generations(
                "SELECT generation, retired FROM collection_keys WHERE collection = ?", found.id, in: transaction)
            guard let newest = state.newest else {
                throw KeysError(
                    .destroyed, "the key of collection '\(name)' was destroyed: its objects can only be deleted")
            }
            guard !state.isUnderWay else { throw KeysError.underWay("collection '\(name)'") }
            let space = try keyring.space(found.space, in: transaction)
            try transaction.run(
                "UPDATE collection_keys SET retired = ? WHERE collection = ? AND retired IS NULL",
                .init(Timestamp.now.microseconds), .init(found.id))
            try keyring.addKey(collection: found.id, generation: newest + 1, space: space, in: transaction)
            events.record(.keyRotated, by: actor, on: "collection \(name)", collection: found.id) {
                $0.member("generation", newest + 1)
            }
            return newest + 1
        }
        keyring.forget()
        return generation
    }

    /// Makes a new key for a space. Its collections' keys are rewrapped by the Keykeeper.
    ///
    /// - Returns: the new key's generation.
    /// - Throws: ``KeysError`` `.notFound`, `.underWay`.
    package func rotateKey(ofSpace name: String, by actor: String) async throws -> Int64 {
        try await journal.write { [keyring] transaction, events in
            try transaction.lock("space \(name)")
            guard let id = try transaction.scalar("SELECT id FROM spaces WHERE name = ?", .init(name)) else {
                throw KeysError(
                    .notFound,
                    "there is no space '\(name.prefix(80))'; '\(Keyring.mainSpace)' comes with the first collection")
            }
            let state = try Self.generations(
                "SELECT generation, retired FROM space_keys WHERE space = ?", id, in: transaction)
            guard !state.isUnderWay else { throw KeysError.underWay("space '\(name)'") }
            let next = (state.newest ?? 0) + 1
            try transaction.run(
                "UPDATE space_keys SET retired = ? WHERE space = ? AND retired IS NULL",
                .init(Timestamp.now.microseconds), .init(id))
            _ = try keyring.addKey(space: id, generation: next, in: transaction)
            events.record(.keyRotated, by: actor, on: "space \(name)") { $0.member("generation", next) }
            return next
        }
    }

    /// Serialises rotation and destruction of one collection's key.
    static func keyLock(_ collection: Int64) -> String { "collection keys \(collection)" }

    private static func generations(
        _ sql: String, _ id: Int64, in reader: Reader
    ) throws -> (newest: Int64?, isUnderWay: Bool) {
        let rows = try reader.rows(sql, .init(id)) { (generation: $0.int(0), isRetired: !$0.isNull(1)) }
        return (rows.map(\.generation).max(), rows.contains(where: \.isRetired))
    }
}
