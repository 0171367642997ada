import Database
import Journal
package import ODataFilter
package import TraceFormat
package import Wire

/// A question for traces by what they say.
package struct TraceSearch: Sendable {
    package var filter: ODataFilter?
    /// By time; nobody needs another order of a log.
    package var isNewestFirst = true
    package var top = 20
    package var skip = 0
    /// Where the page before ended.
    package var after: Int64?

    package init() {}
}

/// What a row says of a trace: all but its contents, inputs and signature.
package struct TraceSummary: Sendable {
    package var id: TraceID
    package var event: String
    package var name: String
    package var size: Int64
    package var hash: String
    package var hashAlgorithm: String
    package var time: Timestamp
    package var origin: String
    package var status: String
    package var obsolescence: String?
    let leaf: Int64
}

/// Some of what was found.
package struct TracePage: Sendable {
    package var traces: [TraceSummary]
    /// Where the next page begins; nil where there is none. A page may have fewer traces than were asked for, even
    /// none, and another after it: see ``Ledger/search(_:)``.
    package var next: Int64?
}

extension Ledger {
    /// Leaves that one page of a search looks through, where neither a name nor a hash says which.
    static let searchedMax: Int64 = 100_000
    /// Leaves that are counted.
    static let countedMax: Int64 = 1_000_000

    /// Finds traces.
    ///
    /// Conditions on `Name` (`eq`, `in`), `Hash` and `Id` (`eq`) are answered by an index, those on `Timestamp` by
    /// the order of the log. With others alone a page looks through a part of the log and says where the next one goes
    /// on, so that no question holds up a node, and yet all of the log can be searched.
    ///
    /// - Throws: ``LedgerError`` `.invalidQuery`.
    package func search(_ search: TraceSearch) async throws -> TracePage {
        let condition = try TraceCondition(search.filter)
        return try await journal.read { reader in
            var range = try Self.leaves(condition, in: reader)
            if let after = search.after {
                range =
                    search.isNewestFirst
                    ? range.lowerBound..<max(range.lowerBound, min(range.upperBound, after))
                    : min(range.upperBound, max(range.lowerBound, after + 1))..<range.upperBound
            }
            var part = range
            let isWide = !condition.isIndexed && search.filter != nil && Int64(range.count) > Self.searchedMax
            guard !isWide || search.skip == 0 else {
                throw LedgerError(
                    .invalidQuery,
                    "$skip cannot count in so many traces: follow @odata.nextLink, or say more of Name, Hash or Timestamp"
                )
            }
            if isWide {
                part =
                    search.isNewestFirst
                    ? part.upperBound - Self.searchedMax..<part.upperBound
                    : part.lowerBound..<part.lowerBound + Self.searchedMax
            }
            let traces = try reader.rows(
                """
                SELECT id, event, name, size, traces.hash, hash_algorithm, time, origin, status, obsolescence, traces.leaf
                FROM \(condition.source) WHERE \(condition.leaf) >= ? AND \(condition.leaf) < ? AND \(condition.sql)
                ORDER BY \(condition.leaf) \(search.isNewestFirst ? "DESC" : "ASC") LIMIT ? OFFSET ?
                """,
                [.init(part.lowerBound), .init(part.upperBound)] + condition.values
                    + [.init(search.top), .init(search.skip)]
            ) { row in try Self.summary(row) }
            if traces.count == search.top, let last = traces.last { return TracePage(traces: traces, next: last.leaf) }
            let isAll = part == range
            let end = search.isNewestFirst ? part.lowerBound : part.upperBound - 1
            return TracePage(traces: traces, next: isAll ? nil : end)
        }
    }

    /// How many traces a filter finds.
    ///
    /// - Throws: ``LedgerError`` `.invalidQuery` where too many would have to be looked at.
    package func count(_ filter: ODataFilter?) async throws -> Int64 {
        let condition = try TraceCondition(filter)
        return try await journal.read { reader in
            let range = try Self.leaves(condition, in: reader)
            guard filter != nil else { return Int64(range.count) }
            guard condition.isIndexed || Int64(range.count) <= Self.countedMax else {
                throw LedgerError(
                    .invalidQuery,
                    "more than \(Self.countedMax) traces would have to be looked at to count these: say more of Name, Hash or "
                        + "Timestamp")
            }
            return try reader.scalar(
                """
                SELECT count(*) FROM \(condition.source)
                WHERE \(condition.leaf) >= ? AND \(condition.leaf) < ? AND \(condition.sql)
                """,
                [.init(range.lowerBound), .init(range.upperBound)] + condition.values) ?? 0
        }
    }

    /// Which of some traces a filter finds.
    ///
    /// - Parameter leaves: not far from each other: all between the first and the last are looked at.
    /// - Throws: ``LedgerError`` `.invalidQuery`.
    package func matching(_ filter: ODataFilter?, among leaves: Set<Int64>) async throws -> Set<Int64> {
        let condition = try TraceCondition(filter)
        guard filter != nil, let first = leaves.min(), let last = leaves.max() else { return leaves }
        let found = try await journal.read { reader in
            try reader.rows(
                """
                SELECT traces.leaf FROM \(condition.source)
                WHERE traces.leaf >= ? AND traces.leaf <= ? AND \(condition.sql)
                """,
                [.init(first), .init(last)] + condition.values
            ) { $0.int(0) }
        }
        return leaves.intersection(found)
    }

    /// What the row of a trace says; nil where there is none.
    package func summary(_ id: TraceID) async throws -> TraceSummary? {
        try await journal.find { reader in
            try reader.first(
                """
                SELECT id, event, name, size, hash, hash_algorithm, time, origin, status, obsolescence, leaf
                FROM traces WHERE id = ?
                """, .init(id.bytes)
            ) { row in try Self.summary(row) }
        }
    }

    private static func summary(_ row: borrowing Row) throws -> TraceSummary {
        guard let id = TraceID(row.blob(0)) else { throw LedgerError(.damaged, "the id of a stored trace is not one") }
        return TraceSummary(
            id: id, event: row.text(1), name: row.text(2), size: row.int(3), hash: Hex.encode(row.blob(4)),
            hashAlgorithm: row.text(5), time: Timestamp(microseconds: row.int(6)), origin: row.text(7),
            status: row.text(8), obsolescence: row.textOrNil(9), leaf: row.int(10))
    }

    /// The leaves of a span of time: times never go backwards in the log.
    private static func leaves(_ condition: TraceCondition, in reader: Reader) throws -> Range<Int64> {
        let size = (try reader.scalar("SELECT max(leaf) FROM traces") ?? -1) + 1
        func first(from moment: Timestamp) throws -> Int64 {
            var (low, high) = (Int64(0), size)
            while low < high {
                let middle = low + (high - low) / 2
                let time = try reader.scalar("SELECT time FROM traces WHERE leaf = ?", .init(middle)) ?? .max
                if time < moment.microseconds { low = middle + 1 } else { high = middle }
            }
            return low
        }
        let start = try condition.from.map { try first(from: $0) } ?? 0
        let end = try condition.until.map { try first(from: Timestamp(microseconds: $0.microseconds + 1)) } ?? size
        return start..<max(start, end)
    }
}

/// A filter as SQL over the table `traces`.
private struct TraceCondition {
    private(set) var sql = "TRUE"
    private(set) var values: [SQLValue] = []
    /// Whether an index finds what it is about.
    private(set) var isIndexed = false
    private(set) var source = "traces"
    /// With a sign the engine does not take it for an index, where there is a better one.
    private(set) var leaf = "traces.leaf"
    /// The span of time outside of which it never holds; both ends belong to it.
    private(set) var from: Timestamp?
    private(set) var until: Timestamp?

    init(_ filter: ODataFilter?) throws {
        guard let filter else { return }
        var rest: [ODataFilter] = []
        for part in filter.conjuncts {
            switch part {
            case .compare("Hash", .eq, .string(let text)) where source == "traces":
                values.append(.init(try Self.hash(text)))
                (isIndexed, leaf) = (true, "trace_hashes.leaf")
                source = "trace_hashes JOIN traces ON traces.leaf = trace_hashes.leaf"
                continue
            case .compare("Name", .eq, _), .isIn("Name", _), .compare("Id", .eq, _):
                isIndexed = true
                if source == "traces" { leaf = "+traces.leaf" }
            case .compare("Timestamp", .ge, .moment(let moment)), .compare("Timestamp", .gt, .moment(let moment)):
                from = max(from ?? moment, moment)
            case .compare("Timestamp", .le, .moment(let moment)), .compare("Timestamp", .lt, .moment(let moment)):
                until = min(until ?? moment, moment)
            case .compare("Timestamp", .eq, .moment(let moment)):
                (from, until) = (max(from ?? moment, moment), min(until ?? moment, moment))
            default: break
            }
            rest.append(part)
        }
        var conditions = source == "traces" ? [] : ["trace_hashes.hash = ?"]
        for part in rest { conditions.append(try text(part)) }
        sql = conditions.isEmpty ? "TRUE" : conditions.joined(separator: " AND ")
    }

    private static func hash(_ text: String) throws -> [UInt8] {
        guard text.utf8.count == 64, let hash = Hex.decode(text) else {
            throw refuse("Hash is compared with 64 hexadecimal digits in quotes")
        }
        return hash
    }

    private static let columns = [
        "Name": "name", "Event": "event", "HashAlgorithm": "hash_algorithm", "Origin": "origin",
        "SignatureStatus": "status", "Obsolescence": "obsolescence",
    ]
    private static let operators: [ODataFilter.Comparison: String] = [
        .eq: "=", .ne: "<>", .gt: ">", .ge: ">=", .lt: "<", .le: "<=",
    ]

    private static func refuse(_ why: String) -> LedgerError { LedgerError(.invalidQuery, why) }

    private mutating func text(_ filter: ODataFilter) throws -> String {
        switch filter {
        case .and(let parts): return "(" + (try parts.map { try text($0) }).joined(separator: " AND ") + ")"
        case .or(let parts): return "(" + (try parts.map { try text($0) }).joined(separator: " OR ") + ")"
        case .not(let part): return "NOT (\(try text(part)))"
        case .isIn(let path, let literals):
            return "(" + (try literals.map { try compare(path, .eq, $0) }).joined(separator: " OR ") + ")"
        case .compare(let path, let comparison, let literal): return try compare(path, comparison, literal)
        case .text(let function, let path, let needle): return try search(function, path, needle)
        case .attribute, .intersects: throw Self.refuse("traces have neither Attributes nor a place")
        }
    }

    private mutating func compare(
        _ path: String, _ comparison: ODataFilter.Comparison, _ literal: ODataFilter.Literal
    ) throws -> String {
        let sign = Self.operators[comparison] ?? "="
        let isEquality = comparison == .eq || comparison == .ne
        switch (path, literal) {
        case (_, .string(let text)) where Self.columns[path] != nil:
            let column = Self.columns[path] ?? path
            guard !text.utf8.contains(0) else { return comparison == .ne ? "TRUE" : "FALSE" }
            values.append(.init(text))
            // What is not there is not equal to anything.
            return path == "Obsolescence"
                ? "coalesce(obsolescence \(sign) ?, \(comparison == .ne ? "TRUE" : "FALSE"))" : "\(column) \(sign) ?"
        case ("Obsolescence", .null) where isEquality: return "obsolescence IS \(comparison == .eq ? "" : "NOT ")NULL"
        case ("Size", .number(let number)):
            guard let size = Int64(exactly: number.rounded()), Double(size) == number else {
                throw Self.refuse("Size is compared with a whole number")
            }
            values.append(.init(size))
            return "size \(sign) ?"
        case ("Timestamp", .moment(let moment)):
            values.append(.init(moment.microseconds))
            return "time \(sign) ?"
        case ("Id", .guid(let text)) where isEquality, ("Id", .string(let text)) where isEquality:
            guard let id = TraceID(text) else { throw Self.refuse("Id is compared with a UUID") }
            values.append(.init(id.bytes))
            return "id \(sign) ?"
        case ("Hash", .string(let text)) where isEquality:
            values.append(.init(try Self.hash(text)))
            // The product's, or that of one of its contents.
            return "traces.leaf \(comparison == .eq ? "" : "NOT ")IN (SELECT leaf FROM trace_hashes WHERE hash = ?)"
        default:
            throw Self.refuse(
                "'\(path.prefix(80))' cannot be compared so: texts are Name, Event, Hash, HashAlgorithm, Origin, "
                    + "SignatureStatus and Obsolescence, in single quotes; Size is a number, Timestamp a time, Id a UUID"
            )
        }
    }

    private mutating func search(
        _ function: ODataFilter.TextFunction, _ path: String, _ needle: String
    ) throws -> String {
        guard path == "Name" || path == "Origin", let column = Self.columns[path] else {
            throw Self.refuse("\(function.rawValue) goes with Name and Origin")
        }
        guard !needle.utf8.contains(0) else { return "FALSE" }
        guard !needle.isEmpty else { return "TRUE" }
        switch function {
        case .startswith:
            values += [.init(needle), .init(needle + "\u{10FFFF}")]
            return "(\(column) >= ? AND \(column) < ?)"
        case .contains:
            values.append(.init(needle))
            return "replace(\(column), ?, '') <> \(column)"
        case .endswith:
            // No name has a control character, so one marks the end.
            values += [.init("\u{1}"), .init(needle + "\u{1}"), .init("\u{1}")]
            return "replace(\(column) || ?, ?, '') <> \(column) || ?"
        }
    }
}
