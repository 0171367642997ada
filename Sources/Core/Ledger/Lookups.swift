import Database
import Journal
package import TraceFormat
package import Wire

extension Ledger {
    /// The most traces that a lookup by name or hash gives, the latest first.
    package static let lookupMax = 50

    /// The JSON document of a trace; nil if there is none.
    package func document(_ id: TraceID) async throws -> [UInt8]? {
        try await journal.find { reader in
            try reader.first("\(TraceRow.select) WHERE id = ?", .init(id.bytes)) { try TraceRow($0).document }
        }
    }

    package func trace(id: TraceID) async throws -> Trace? {
        try await document(id).map { try Trace.parse($0) }
    }

    /// The traces of the products of this name, at most ``lookupMax``, the latest first.
    package func ids(name: String) async throws -> [TraceID] {
        // Neither engine can compare a NUL, and no name has one.
        guard !name.utf8.contains(0) else { return [] }
        return try await journal.read { reader in
            try reader.rows(
                "SELECT id FROM traces WHERE name = ? ORDER BY leaf DESC LIMIT ?", .init(name), .init(Self.lookupMax)
            ) { $0.blob(0) }
        }.compactMap { TraceID($0) }
    }

    /// The traces of the products that have this hash, or a content that has it, at most ``lookupMax``, the latest
    /// first.
    ///
    /// - Parameter hash: 32 bytes, by whichever algorithm.
    package func ids(hash: [UInt8]) async throws -> [TraceID] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT id FROM trace_hashes JOIN traces ON traces.leaf = trace_hashes.leaf
                WHERE trace_hashes.hash = ? ORDER BY trace_hashes.leaf DESC LIMIT ?
                """,
                .init(hash), .init(Self.lookupMax)
            ) { $0.blob(0) }
        }.compactMap { TraceID($0) }
    }

    /// The OBSOLETE traces that count, the earliest first, at most ``lookupMax``: those that somebody has signed whom
    /// the node trusts.
    ///
    /// - Parameters:
    ///   - prefix: of the products' names.
    ///   - start: registered then or later.
    ///   - end: registered before.
    ///   - after: the last one that is known; the list goes on behind it.
    package func obsoleteIDs(
        prefix: String = "", start: Timestamp? = nil, end: Timestamp? = nil, after: TraceID? = nil
    ) async throws -> [TraceID] {
        guard !prefix.utf8.contains(0) else { return [] }
        return try await journal.read { reader in
            let first = try after.flatMap {
                try reader.scalar("SELECT leaf FROM traces WHERE id = ?", .init($0.bytes))
            }
            return try reader.rows(
                """
                SELECT id FROM traces
                WHERE event = 'OBSOLETE' AND \(Self.counts) AND leaf > ? AND time >= ? AND time < ?
                    AND name >= ? AND name < ?
                ORDER BY leaf LIMIT ?
                """,
                .init(first ?? -1), .init(start?.microseconds ?? 0), .init(end?.microseconds ?? .max),
                .init(prefix), .init(prefix + "\u{10FFFF}"), .init(Self.lookupMax)
            ) { $0.blob(0) }
        }.compactMap { TraceID($0) }
    }

    /// Whether a file of this hash is what its maker released under this name.
    ///
    /// - Parameters:
    ///   - hash: 32 bytes; of the product or of one of its contents.
    package func validate(name: String, hash: [UInt8]) async throws -> TraceValidation {
        guard !name.utf8.contains(0) else { return .unknown }
        return try await journal.read { reader in
            // By the name, of which there are few: a hash can be that of a file that every product has.
            let found = try reader.first(
                """
                SELECT id, CASE WHEN \(Self.counts) OR status <> 'trusted' THEN status ELSE 'unknown' END AS standing, time, hash
                FROM traces
                WHERE name = ? AND event <> 'OBSOLETE'
                    AND EXISTS (SELECT 1 FROM trace_hashes WHERE hash = ? AND trace_hashes.leaf = traces.leaf)
                ORDER BY CASE WHEN \(Self.counts) THEN 0 WHEN status <> 'unsigned' THEN 1 ELSE 2 END, leaf LIMIT 1
                """,
                .init(name), .init(hash)
            ) {
                (
                    id: TraceID($0.blob(0)), status: SignatureStatus(rawValue: $0.text(1)),
                    time: Timestamp(microseconds: $0.int(2)), product: $0.blob(3)
                )
            }
            let obsolete = try reader.first(
                """
                SELECT id, time, obsolescence FROM traces
                WHERE name = ? AND event = 'OBSOLETE' AND hash IN (?, ?) AND \(Self.counts) ORDER BY leaf
                LIMIT 1
                """,
                .init(name), .init(hash), .init(found?.product ?? hash)
            ) { (id: TraceID($0.blob(0)), time: Timestamp(microseconds: $0.int(1)), reason: $0.textOrNil(2)) }
            if let obsolete, let id = obsolete.id { return .obsolete(id, obsolete.time, reason: obsolete.reason ?? "") }
            guard let found, let id = found.id, let status = found.status else { return .unknown }
            return .traced(id, found.time, status)
        }
    }

    /// As ``ids(name:)``. A trace of a hundred thousand files has some 30 MB: whoever needs many takes them one by one.
    package func traces(name: String) async throws -> [Trace] { try await traces(ids(name: name)) }

    /// As ``ids(hash:)``.
    package func traces(hash: [UInt8]) async throws -> [Trace] { try await traces(ids(hash: hash)) }

    private func traces(_ ids: [TraceID]) async throws -> [Trace] {
        var traces: [Trace] = []
        for id in ids {
            if let trace = try await trace(id: id) { traces.append(trace) }
        }
        return traces
    }
}
