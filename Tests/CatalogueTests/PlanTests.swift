import CQL2
import Database
import Geometry
import Journal
import TestSupport
import Testing
import Wire

@testable import Catalogue

@Suite struct PlanTests {
    typealias Change = @Sendable (inout SearchQuery) throws -> Void

    static let searches: [(name: String, change: Change)] = [
        ("one id", { $0.ids = ["i7"] }),
        (
            "an id in a collection",
            {
                $0.ids = ["i7", "i9"]; $0.collections = ["eo"]
            }
        ),
        ("a box", { $0.area = .box(try BoundingBox(west: 10, south: 10, east: 12, north: 12)) }),
        (
            "a box and a time",
            {
                $0.area = .box(try BoundingBox(west: 10, south: 10, east: 40, north: 40))
                $0.interval = SearchInterval(from: Timestamp(seconds: 1000), to: Timestamp(seconds: 1500))
            }
        ),
        (
            "a time",
            { $0.interval = SearchInterval(from: Timestamp(seconds: 3000), to: Timestamp(seconds: 3100)) }
        ),
        ("a collection", { $0.collections = ["eo"] }), ("a small collection", { $0.collections = ["sar"] }),
        ("oldest first", { $0.order = SortOrder([.init("datetime", isDescending: false)]) }),
        (
            "sorted by an index",
            {
                $0.collections = ["eo"]; $0.order = SortOrder([.init("cloud", isDescending: true)])
            }
        ),
        (
            "a filter with an index",
            {
                $0.collections = ["eo"]; $0.filter = try CQL2(parsing: "cloud < 20")
            }
        ),
        ("words", { $0.words = try FreeText(parsing: "glacier") }),
        ("everything", { _ in }),
    ]

    /// The searches themselves are watched, not what they might look like: PostgreSQL counts how each table is read.
    @Test("on PostgreSQL every search finds its index, and reads few rows")
    func postgres() async throws {
        try await TestEngine.postgres.withCatalogue(["eo", "sar"]) { catalogue in
            try await catalogue.makeIndex(of: "eo", property: "cloud", by: "ada")
            for part in 0..<8 {
                try await catalogue.put(
                    together: (0..<500).map { number in
                        let number = part * 500 + number
                        let (west, south) = (Double(number % 120), Double(number / 120))
                        return Sketch("i\(number)", at: Int64(number), box: try box(west, south, west + 1, south + 1))
                            .with([
                                "cloud": .integer(Int64(number * 7919 % 4000)),
                                "title": number % 400 == 7 ? "A glacier" : "A field",
                            ])
                    })
            }
            try await catalogue.put(together: (0..<20).map { Sketch("s\($0)", in: "sar", at: Int64($0)) })
            try await catalogue.journal.database.write { try $0.run("ANALYZE") }
            for (name, change) in Self.searches {
                var query = SearchQuery(visible: try await catalogue.directory())
                try change(&query)
                let (filter, order) = (try #require(SearchFilter(query)), query.order)
                let (count, read) = try await catalogue.journal.read { reader in
                    // A table is small here, and to read all of it may be the quickest; not where there is another way.
                    _ = try reader.rows("SELECT set_config('enable_seqscan', 'off', true)") { $0.text(0) }
                    let before = try Self.counts(reader)
                    var scan = try SearchScan(filter, order, .present, engine: .postgres, reader: reader, from: nil)
                    let page = try scan.page(limit: 10, token: nil)
                    let after = try Self.counts(reader)
                    return (
                        page.items.count, after.merging(before) { ($0.whole - $1.whole, $0.rows - $1.rows) }
                    )
                }
                #expect(count > 0, "\(name)")
                for (table, read) in read {
                    #expect(read.whole == 0, "\(name) reads all of \(table)")
                    // A thousand of the four thousand may be counted.
                    #expect(read.rows <= 1500, "\(name) reads \(read.rows) rows of \(table)")
                }
            }
        }
    }

    /// How often each table was read as a whole, and how many of its rows an index led to, as far as this session told.
    private static func counts(_ reader: Reader) throws -> [String: (whole: Int64, rows: Int64)] {
        let rows = try reader.rows(
            "SELECT CAST(relname AS TEXT), seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables"
        ) {
            ($0.text(0), (whole: $0.int(1), rows: $0.int(2)))
        }
        return Dictionary(rows) { first, _ in first }
    }
}
