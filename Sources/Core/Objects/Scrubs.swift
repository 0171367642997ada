import Database
package import Journal
package import Wire

extension EventKind {
    package static let scrubFinished = EventKind("scrub.finished")
}

/// How far the scrub is: a pass through all versions in the order in which they were made.
package struct ScrubState: Sendable {
    /// When the pass under way, or the last one, began and ended.
    package var began: Timestamp?
    package var ended: Timestamp?
    /// The last version that was looked at.
    package var cursor: Int64 = 0
    /// What the pass has looked at.
    package var versions: Int64 = 0
    package var bytes: Int64 = 0
    /// How many of them were damaged, and how many could not be looked into because their keys do not open.
    package var damaged: Int64 = 0
    package var sealed: Int64 = 0

    package init() {}
}

extension Objects {
    /// How far the scrub is.
    package func scrubState() async throws -> ScrubState {
        try await journal.find { reader in
            try reader.first(
                "SELECT began, ended, cursor, versions, bytes, damaged, sealed FROM scrub WHERE id = 1"
            ) { row in
                var state = ScrubState()
                state.began = row.intOrNil(0).map { Timestamp(microseconds: $0) }
                state.ended = row.intOrNil(1).map { Timestamp(microseconds: $0) }
                state.cursor = row.int(2)
                state.versions = row.int(3)
                state.bytes = row.int(4)
                state.damaged = row.int(5)
                state.sealed = row.int(6)
                return state
            }
        } ?? ScrubState()
    }

    /// Begins a pass from the first version on, also where one is under way.
    package func beginScrub() async throws {
        try await journal.database.write { transaction in
            try transaction.run(
                """
                INSERT INTO scrub (id, began, ended, cursor, versions, bytes, damaged, sealed)
                VALUES (1, ?, NULL, 0, 0, 0, 0, 0)
                ON CONFLICT (id) DO UPDATE SET began = excluded.began, ended = NULL, cursor = 0, versions = 0,
                bytes = 0, damaged = 0, sealed = 0
                """,
                .init(Timestamp.now.microseconds))
        }
    }

    /// Keeps how far the pass that began at `state.began` has come; one with an end is told of in the journal.
    ///
    /// - Returns: false where another pass was begun meanwhile.
    package func store(_ state: ScrubState, by actor: String) async throws -> Bool {
        try await journal.write { transaction, events in
            let changed = try transaction.execute(
                """
                UPDATE scrub SET ended = ?, cursor = ?, versions = ?, bytes = ?, damaged = ?, sealed = ?
                WHERE id = 1 AND began = ?
                """,
                .init(state.ended?.microseconds), .init(state.cursor), .init(state.versions), .init(state.bytes),
                .init(state.damaged), .init(state.sealed), .init(state.began?.microseconds))
            if changed == 1, state.ended != nil {
                events.record(.scrubFinished, by: actor, on: "scrub") {
                    $0.member("versions", state.versions)
                    $0.member("bytes", state.bytes)
                    $0.member("damaged", state.damaged)
                    $0.member("sealed", state.sealed)
                }
            }
            return changed == 1
        }
    }

    /// Versions with content in the order in which they were made, those too that only readers of the past still see.
    package func storedVersions(after number: Int64, limit: Int) async throws -> [ObjectVersion] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT \(Self.columns) FROM versions WHERE number > ? AND kind = 0 ORDER BY number LIMIT ?",
                .init(number), .init(limit), map: Self.version)
        }
    }
}
