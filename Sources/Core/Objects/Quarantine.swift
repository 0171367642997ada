import Database
package import Journal
package import Wire

extension EventKind {
    package static let objectQuarantined = EventKind("object.quarantined")
    package static let objectReleased = EventKind("object.released")
}

/// Why nobody gets to read a version, until it is released or removed.
package struct Quarantine: Sendable, Hashable {
    package enum Cause: String, Sendable, CaseIterable {
        /// The stored bytes are not what was stored.
        case damage
        /// A scanner found something in them.
        case malware
    }

    package var cause: Cause
    /// What was found, in words.
    package var reason: String
    package var since: Timestamp
    /// Who put it there: a principal's name, or `system:` and a worker's name.
    package var actor: String

    init(_ cause: Cause, reason: String, since: Timestamp, actor: String) {
        self.cause = cause
        self.reason = reason
        self.since = since
        self.actor = actor
    }

    /// Reads what `text` has written. Whatever cannot be read stays in quarantine all the same.
    init?(stored text: String?) {
        guard let text else { return nil }
        let json = try? JSONValue(parsing: text)
        cause = json?["cause"]?.string.flatMap(Cause.init(rawValue:)) ?? .damage
        reason = json?["reason"]?.string ?? "its row says why in a form that is not understood"
        since = Timestamp(microseconds: json?["since"]?.integer ?? 0)
        actor = json?["by"]?.string ?? ""
    }

    var text: String {
        var json = JSONWriter(capacity: 256)
        json.object {
            $0.member("cause", cause.rawValue)
            $0.member("reason", reason)
            $0.member("since", since.microseconds)
            $0.member("by", actor)
        }
        return json.text
    }

    /// What is kept of a reason, in characters.
    static let reasonMax = 500
}

/// A version in quarantine, with the name of its collection.
package struct QuarantinedVersion: Sendable {
    package var version: ObjectVersion
    package var collection: String
    package var quarantine: Quarantine
}

extension Objects {
    /// Keeps a version from being read, over every face and by every worker. Its row and its bytes stay as they are;
    /// it can be listed, replaced and deleted as before.
    ///
    /// - Parameter reason: what was found, in words; no secrets.
    /// - Returns: whether it is in quarantine by this call: false where it was before, or is gone.
    @discardableResult
    package func quarantine(
        _ version: ObjectVersion, _ cause: Quarantine.Cause, reason: String, by actor: String
    ) async throws -> Bool {
        let quarantine = Quarantine(
            cause, reason: String(reason.prefix(Quarantine.reasonMax)), since: .now, actor: actor)
        return try await journal.write { transaction, events in
            try transaction.lock(Self.lockName(version.collection, version.key))
            let changed = try transaction.execute(
                "UPDATE versions SET quarantine = ? WHERE number = ? AND quarantine IS NULL", .init(quarantine.text),
                .init(version.number))
            guard changed == 1 else { return false }
            let collection = try Self.name(ofCollection: version.collection, in: transaction)
            events.record(
                .objectQuarantined, by: actor, on: "\(collection)/\(version.key)", collection: version.collection
            ) {
                $0.member("version", version.id.text)
                $0.member("cause", cause.rawValue)
                $0.member("reason", quarantine.reason)
            }
            return true
        }
    }

    /// Lets a version be read again.
    ///
    /// - Parameter number: as in ``quarantined(number:)``.
    /// - Throws: ``ObjectsError`` `.noSuchVersion` where it is not in quarantine.
    package func release(number: Int64, by actor: String) async throws {
        try await journal.write { transaction, events in
            guard let found = try Self.quarantined(number: number, in: transaction) else {
                throw Self.notQuarantined(number)
            }
            // So that nobody takes it for clean, and it is not scanned again.
            let tags = found.version.tags.map {
                $0.name == Self.scanTag ? HeaderField(name: $0.name, value: "released") : $0
            }
            try transaction.run(
                "UPDATE versions SET quarantine = NULL, tags = ? WHERE number = ?", .init(Self.text(tags)),
                .init(number))
            events.record(
                .objectReleased, by: actor, on: "\(found.collection)/\(found.version.key)",
                collection: found.version.collection
            ) {
                $0.member("version", found.version.id.text)
                $0.member("cause", found.quarantine.cause.rawValue)
            }
        }
    }

    /// A version in quarantine.
    ///
    /// - Parameter number: the version's place in history, which is how operators name it.
    /// - Throws: ``ObjectsError`` `.noSuchVersion` where it is not in quarantine.
    package func quarantined(number: Int64) async throws -> QuarantinedVersion {
        guard let found = try await journal.find({ try Self.quarantined(number: number, in: $0) }) else {
            throw Self.notQuarantined(number)
        }
        return found
    }

    /// Versions in quarantine, in the order in which they were made, after the one with `number`.
    package func quarantined(after number: Int64 = 0, limit: Int = 1000) async throws -> [QuarantinedVersion] {
        try await journal.read { reader in
            try reader.rows(
                """
                \(Self.quarantinedSelect) WHERE quarantine IS NOT NULL AND removed IS NULL AND number > ?
                ORDER BY number LIMIT ?
                """,
                .init(number), .init(limit), map: Self.quarantined)
        }
    }

    private static let quarantinedSelect = """
        SELECT \(columns), (SELECT name FROM collections WHERE collections.id = versions.collection) FROM versions
        """

    private static func quarantined(_ row: borrowing Row) throws -> QuarantinedVersion {
        let version = try version(row)
        guard let quarantine = version.quarantine else { throw notQuarantined(version.number) }
        return QuarantinedVersion(version: version, collection: row.text(columnCount), quarantine: quarantine)
    }

    private static func quarantined(number: Int64, in reader: Reader) throws -> QuarantinedVersion? {
        try reader.first(
            "\(quarantinedSelect) WHERE number = ? AND quarantine IS NOT NULL AND removed IS NULL", .init(number),
            map: quarantined)
    }

    private static func notQuarantined(_ number: Int64) -> ObjectsError {
        ObjectsError(.noSuchVersion, "there is no version \(number) in quarantine")
    }

    static func name(ofCollection id: Int64, in reader: Reader) throws -> String {
        try reader.first("SELECT name FROM collections WHERE id = ?", .init(id)) { $0.text(0) } ?? ""
    }

    /// - Throws: ``ObjectsError`` `.quarantined`.
    static func checkReadable(_ version: ObjectVersion) throws {
        guard let quarantine = version.quarantine else { return }
        throw ObjectsError(
            .quarantined,
            "the version is in quarantine for \(quarantine.cause.rawValue) since \(quarantine.since.rfc3339): "
                + quarantine.reason)
    }
}
