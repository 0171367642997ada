import Database
import Journal
package import TraceFormat

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
