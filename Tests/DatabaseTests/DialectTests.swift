import TestSupport
import Testing

@testable import Database

@Suite struct DialectTests {
    @Test(
        "statements become PostgreSQL's",
        arguments: [
            ("SELECT a FROM t WHERE b = ? AND c = ?", "SELECT a FROM t WHERE b = $1 AND c = $2"),
            ("SELECT '?' , \"?\", a -- ?\n, ?", "SELECT '?' , \"?\", a -- ?\n, $1"),
            ("SELECT /* ? */ ?", "SELECT /* ? */ $1"),
            ("SELECT 'it''s ?', ?", "SELECT 'it''s ?', $1"),
            ("SELECT CAST(a AS INTEGER), CAST(? AS TEXT)", "SELECT CAST(a AS BIGINT), CAST($1 AS TEXT)"),
            ("SELECT text, INTEGER FROM t", "SELECT text, INTEGER FROM t"),
            ("SELECT 'open ?", "SELECT 'open ?"), ("/* open ?", "/* open ?"), ("", ""), ("?", "$1"),
        ])
    func statement(source: String, expected: String) {
        #expect(Dialect.postgres(source, isDefinition: false).sql == expected)
    }

    @Test("definitions get PostgreSQL's types")
    func definition() {
        let source = "CREATE TABLE t (a INTEGER, b REAL, c TEXT DEFAULT 'TEXT', d BLOB, text TEXT) WITHOUT ROWID"
        let expected = """
            CREATE TABLE t (a BIGINT, b DOUBLE PRECISION, c TEXT COLLATE "C" DEFAULT 'TEXT', d BYTEA, \
            text TEXT COLLATE "C")\u{20}
            """
        #expect(Dialect.postgres(source, isDefinition: true).sql == expected)
    }

    @Test("random input neither crashes nor loses quoted text")
    func random() {
        var generator = SeededGenerator(seed: 42)
        let pieces = [
            "'", "\"", "?", "--", "/*", "*/", "\n", "AS", " ", "INTEGER", "TEXT", "WITHOUT", "ROWID", "é", "W", "(",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<12, using: &generator)
            let source = (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            let (sql, placeholders) = Dialect.postgres(source, isDefinition: Bool.random(using: &generator))
            #expect(placeholders <= source.utf8.count { $0 == UInt8(ascii: "?") })
            #expect(sql.utf8.count { $0 == UInt8(ascii: "'") } == source.utf8.count { $0 == UInt8(ascii: "'") })
        }
    }

    @Test(
        "locations are read",
        arguments: [
            ("/a/b.db", DatabaseLocation.sqlite(path: "/a/b.db")), ("sqlite:/a", .sqlite(path: "/a")),
            ("postgres://u@h/d", .postgres(url: "postgres://u@h/d")),
            ("postgresql://h", .postgres(url: "postgresql://h")),
        ])
    func location(text: String, expected: DatabaseLocation) throws {
        try #expect(DatabaseLocation(text) == expected)
    }

    @Test("wrong locations are refused", arguments: ["", "a.db", "sqlite:a", "mysql://secret@h", "/a/", "/a\0b"])
    func wrongLocation(text: String) {
        #expect {
            try DatabaseLocation(text)
        } throws: { error in
            (error as? DatabaseError)?.code == .misuse && !"\(error)".contains("secret")
        }
    }

    @Test("random bytes of every PostgreSQL type read without a crash")
    func decoding() {
        var generator = SeededGenerator(seed: 7)
        for type: UInt32 in [16, 17, 20, 21, 23, 25, 26, 700, 701, 1700, 5069, 3802] {
            for _ in 0..<2000 {
                let bytes = (0..<Int.random(in: 0..<24, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                bytes.withUnsafeBytes { raw in
                    let value = PostgresValue(type: type, bytes: raw)
                    _ = (value.integer, value.real, value.text)
                }
            }
        }
    }

    @Test(
        "numeric reads as a number",
        arguments: [
            ([0, 0, 0, 0, 0, 0, 0, 0], 0.0), ([0, 1, 0, 0, 0x40, 0, 0, 0, 0, 7], -7),
            ([0, 2, 0, 0, 0, 0, 0, 1, 0, 12, 0x13, 0x88], 12.5), ([0, 1, 0, 2, 0, 0, 0, 0, 0, 3], 300_000_000),
            ([0, 1, 0xFF, 0xFF, 0, 0, 0, 2, 0x09, 0xC4], 0.25),
        ] as [([UInt8], Double)])
    func numeric(bytes: [UInt8], expected: Double) {
        bytes.withUnsafeBytes { #expect(PostgresValue(type: 1700, bytes: $0).real == expected) }
    }
}
