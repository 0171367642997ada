import Database

/// Where a collection's sealed data keys stand: as many queries as it takes to see each once, over the indexes that
/// there are for other reasons.
struct SealedRows {
    /// With the rows of `versions` or `parts`.
    var tables: String
    /// With the collection as its only parameter.
    var condition: String
    /// Null where it is the parts that are sealed.
    var column: String

    static let current = SealedRows(
        tables: "versions", condition: "collection = ? AND current = 1", column: "sealed_key")
    static let past = SealedRows(
        tables: "versions", condition: "collection = ? AND current IS NULL", column: "sealed_key")

    static let all = [
        current, past,
        SealedRows(
            tables: "versions v JOIN parts p ON p.version = v.id",
            condition: "v.collection = ? AND v.current = 1 AND v.part_count > 0", column: "p.sealed_key"),
        SealedRows(
            tables: "versions v JOIN parts p ON p.version = v.id",
            condition: "v.collection = ? AND v.current IS NULL AND v.part_count > 0", column: "p.sealed_key"),
        SealedRows(
            tables: "uploads u JOIN parts p ON p.version = u.id", condition: "u.collection = ?",
            column: "p.sealed_key"),
    ]
}

/// How far a sweep through a collection's uploads and versions has come.
///
/// Rows may move between current and past while it goes on, and uploads become versions, so that it can miss some:
/// what is missed is found by the look that follows it.
enum SweepPosition {
    case uploads(after: [UInt8])
    /// In the order of keys.
    case current(after: String)
    /// In the order of keys, those of a key by number.
    case past(after: String, Int64)

    /// An upload, or a version with its number. Without a sealed key of its own it has parts, or is a marker.
    struct Found {
        var position: SweepPosition
        var id: VersionID
        var number: Int64
        var sealed: [UInt8]?
    }

    /// Reads what ``stored`` gave.
    init(stored: [UInt8]) {
        let rest = Array(stored.dropFirst())
        switch stored.first {
        case 1: self = .current(after: String(decoding: rest, as: UTF8.self))
        case 2:
            self = .past(
                after: String(decoding: rest.dropFirst(8), as: UTF8.self),
                rest.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) })
        default: self = .uploads(after: rest)
        }
    }

    /// A byte for the kind of rows, and which of them was the last.
    var stored: [UInt8] {
        switch self {
        case .uploads(let id): [0] + id
        case .current(let key): [1] + Array(key.utf8)
        case .past(let key, let number):
            [2] + (0..<8).map { UInt8(truncatingIfNeeded: number >> Int64(56 - 8 * $0)) } + Array(key.utf8)
        }
    }

    /// What comes after the last row of this kind.
    var next: SweepPosition? {
        switch self {
        case .uploads: .current(after: "")
        case .current: .past(after: "", 0)
        case .past: nil
        }
    }

    func rows(of collection: Int64, limit: Int, in reader: Reader) throws -> [Found] {
        switch self {
        case .uploads(let id):
            try reader.rows(
                "SELECT id FROM uploads WHERE collection = ? AND id > ? ORDER BY id LIMIT ?", .init(collection),
                .init(id), .init(limit)
            ) { row in
                Found(
                    position: .uploads(after: row.blob(0)), id: VersionID(stored: row.blob(0)), number: 0, sealed: nil)
            }
        case .current(let key):
            try reader.rows(
                """
                SELECT key, id, number, sealed_key FROM versions WHERE \(SealedRows.current.condition) AND key > ?
                ORDER BY key LIMIT ?
                """,
                .init(collection), .init(key), .init(limit)
            ) { row in
                Found(
                    position: .current(after: row.text(0)), id: VersionID(stored: row.blob(1)), number: row.int(2),
                    sealed: row.blobOrNil(3))
            }
        case .past(let key, let number):
            try reader.rows(
                """
                SELECT key, id, number, sealed_key FROM versions
                WHERE \(SealedRows.past.condition) AND (key, number) > (?, ?) ORDER BY key, number LIMIT ?
                """,
                .init(collection), .init(key), .init(number), .init(limit)
            ) { row in
                Found(
                    position: .past(after: row.text(0), row.int(2)), id: VersionID(stored: row.blob(1)),
                    number: row.int(2), sealed: row.blobOrNil(3))
            }
        }
    }
}
