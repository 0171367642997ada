import CQL2
import Geometry
import Testing
import Wire

@Suite struct EvaluationTests {
    private static let item: JSONValue = [
        "n": 5, "x": 2.5, "t": "Ångström", "k": ["a", "b"], "yes": true, "null": nil, "o": ["p": 1],
        "datetime": "2020-02-10T05:30:00Z", "created": "2020-02-10T06:30:00+01:00", "day": "2020-02-10",
        "from": "2020-01-01T00:00:00Z", "to": "2020-12-31T00:00:00Z", "tile": "32TQM",
    ]

    private func holds(_ text: String) throws -> Bool? {
        try CQL2(parsing: text).holds { name in
            if name == "geometry" { return .geometry(.polygon([Self.ring(0, 0, 2, 2)])) }
            return Self.item[name].map(CQL2.Value.init) ?? .null
        }
    }

    private static func ring(_ west: Double, _ south: Double, _ east: Double, _ north: Double) -> [Position] {
        [
            Position(west, south), Position(east, south), Position(east, north), Position(west, north),
            Position(west, south),
        ]
    }

    @Test(
        "holds",
        arguments: [
            "n = 5", "n <> 4", "n >= 5 AND n <= 5", "x BETWEEN 2 AND 2.5", "n IN (1, 5)", "t LIKE 'Å%m'",
            "t LIKE '_ngstr_m'",
            "t NOT LIKE 'å%'", "CASEI(t) = CASEI('ÅNGSTRÖM')", "ACCENTI(t) = 'Angstrom'",
            "CASEI(ACCENTI(t)) LIKE 'angst%'", "CASEI('Straße') = CASEI('STRASSE')", "none IS NULL", "\"null\" IS NULL",
            "o IS NOT NULL", "n IS NOT NULL", "yes", "yes = TRUE", "NOT (n = 4)", "n = 4 OR yes", "none = 1 OR yes",
            "n + 1 = 6", "n * 2 - 1 = 9", "n / 2 = x", "n div 2 = 2", "n % 3 = 2", "n ^ 2 = 25", "-n = -5",
            "datetime = TIMESTAMP('2020-02-10T05:30:00Z')", "datetime = created",
            "datetime = '2020-02-10T06:30:00+01:00'",
            "datetime = DATE('2020-02-10')", "datetime <= DATE('2020-02-10')", "datetime > DATE('2020-02-09')",
            "datetime > '2020-02-10T05:29:59Z'", "day = DATE('2020-02-10')", "tile > '32TQL'",
            "T_AFTER(datetime, DATE('2020-02-09'))", "T_BEFORE(datetime, TIMESTAMP('2020-02-10T05:30:00.001Z'))",
            "T_DURING(datetime, INTERVAL('2020-02-01', '..'))",
            "T_INTERSECTS(datetime, INTERVAL('..', '2020-02-10T05:30:00Z'))",
            "T_CONTAINS(INTERVAL(from, to), datetime)", "T_DISJOINT(datetime, INTERVAL('2021-01-01', '..'))",
            "T_STARTS(INTERVAL(from, datetime), INTERVAL(from, to))",
            "T_FINISHEDBY(INTERVAL(from, to), INTERVAL(datetime, to))",
            "T_MEETS(INTERVAL(from, datetime), INTERVAL(datetime, to))", "T_EQUALS(datetime, created)",
            "T_OVERLAPS(INTERVAL('2019-01-01', '2020-03-01'), INTERVAL(from, to))",
            "A_CONTAINS(k, ('a'))", "A_EQUALS(k, ('b', 'a'))", "A_CONTAINEDBY(k, ('a', 'b', 'c'))",
            "A_OVERLAPS(k, ('z', 'b'))",
            "S_INTERSECTS(geometry, POINT(2 2))", "S_TOUCHES(geometry, POINT(2 2))", "S_CONTAINS(geometry, POINT(1 1))",
            "S_WITHIN(geometry, BBOX(0, 0, 2, 3))", "S_EQUALS(geometry, POLYGON((2 2,0 2,0 0,2 0,2 2)))",
            "S_OVERLAPS(geometry, BBOX(1, 1, 3, 3))", "S_CROSSES(LINESTRING(-1 1,3 1), geometry)",
            "S_DISJOINT(geometry, POINT(3 3))", "MONTH(datetime) = 2 AND YEAR(datetime) = 2020 AND DAY(datetime) = 10",
            "LOWER(tile) = '32tqm' AND LENGTH(tile) = 5 AND UPPER('a') = 'A'", "ROUND(x + 0.1) = 3 AND ABS(-x) = x",
            "FLOOR(x) = 2 AND CEIL(x) = 3 AND SQRT(n - 1) = 2",
        ])
    func holding(text: String) throws { #expect(try holds(text) == true) }

    @Test(
        "does not hold",
        arguments: [
            "n = 4", "n < 5", "t LIKE 'Å'", "t LIKE '%\\%'", "n NOT IN (5)", "A_CONTAINS(k, ('a', 'c'))",
            "S_TOUCHES(geometry, POINT(1 1))", "S_WITHIN(geometry, BBOX(0, 0, 1, 3))",
            "S_CONTAINS(geometry, POINT(0 0))",
            "T_AFTER(datetime, created)", "yes = FALSE", "none = 1 AND n = 4", "S_EQUALS(geometry, BBOX(0, 0, 2, 1))",
        ])
    func failing(text: String) throws { #expect(try holds(text) == false) }

    @Test(
        "cannot be said, so neither it nor its contrary finds anything",
        arguments: [
            "none = 1", "NOT (none = 1)", "none <> 1", "n = 'x'", "n < 'x'", "t > 5", "none LIKE '%'", "none IN (1)",
            "o = 1", "n / 0 = 1", "T_AFTER(t, DATE('2020-01-01'))", "S_WITHIN(n, POINT(0 0))", "A_CONTAINS(n, ('a'))",
            "none BETWEEN 1 AND 2", "none = 1 AND yes", "SQRT(-n) = 1", "YEAR(t) = 1",
        ])
    func unknown(text: String) throws { #expect(try holds(text) == nil) }

    @Test(
        "relations of geometries",
        arguments: [
            ("POLYGON((0 0,4 0,4 4,0 4,0 0))", "POLYGON((1 1,2 1,2 2,1 2,1 1))", "contains"),
            ("POLYGON((0 0,4 0,4 4,0 4,0 0))", "POLYGON((0 0,2 0,2 2,0 2,0 0))", "contains"),
            ("POLYGON((0 0,4 0,4 4,0 4,0 0))", "POLYGON((4 0,8 0,8 4,4 4,4 0))", "touches"),
            ("POLYGON((0 0,4 0,4 4,0 4,0 0))", "POLYGON((2 2,6 2,6 6,2 6,2 2))", "overlaps"),
            ("POLYGON((0 0,9 0,9 9,0 9,0 0),(3 3,6 3,6 6,3 6,3 3))", "POLYGON((3 3,6 3,6 6,3 6,3 3))", "touches"),
            ("POLYGON((0 0,9 0,9 9,0 9,0 0),(3 3,6 3,6 6,3 6,3 3))", "POLYGON((4 4,5 4,5 5,4 5,4 4))", "disjoint"),
            ("POLYGON((0 0,9 0,9 9,0 9,0 0),(3 3,6 3,6 6,3 6,3 3))", "POLYGON((2 2,5 2,5 5,2 5,2 2))", "overlaps"),
            ("POLYGON((0 0,3 1,1 3,0 0))", "POLYGON((1 3,0 0,3 1,1 3))", "equals"),
            ("LINESTRING(0 0,2 2)", "LINESTRING(0 2,2 0)", "crosses"),
            ("LINESTRING(0 0,2 2)", "LINESTRING(1 1,3 3)", "overlaps"),
            ("LINESTRING(0 0,2 2)", "LINESTRING(2 2,3 0)", "touches"),
            ("LINESTRING(0 0,3 3)", "LINESTRING(1 1,2 2)", "contains"),
            ("LINESTRING(0 0,2 2)", "POLYGON((1 0,3 0,3 3,1 3,1 0))", "crosses"),
            ("LINESTRING(0 0,0 2)", "POLYGON((0 0,2 0,2 2,0 2,0 0))", "touches"),
            ("LINESTRING(1 1,1 2)", "POLYGON((0 0,4 0,4 4,0 4,0 0))", "within"),
            ("POINT(0 0)", "LINESTRING(0 0,2 2)", "touches"), ("POINT(1 1)", "LINESTRING(0 0,2 2)", "within"),
            ("MULTIPOINT(0 0,1 1)", "MULTIPOINT(1 1,2 2)", "overlaps"),
            ("MULTIPOINT(1 1,9 9)", "POLYGON((0 0,4 0,4 4,0 4,0 0))", "crosses"),
            ("POINT(1 1)", "POINT(1 1)", "equals"),
            (
                "MULTIPOLYGON(((0 0,1 0,1 1,0 1,0 0)),((5 5,6 5,6 6,5 6,5 5)))", "POLYGON((0 0,9 0,9 9,0 9,0 0))",
                "within"
            ),
        ])
    func relations(first: String, second: String, relation: String) throws {
        // Each pair has this one relation, except that what is equal also contains and is within.
        for name in ["contains", "crosses", "disjoint", "equals", "overlaps", "touches", "within"] {
            let implied = relation == "equals" && (name == "contains" || name == "within")
            #expect(try holds("S_\(name)(\(first), \(second))") == (name == relation || implied), "\(name)")
            let converse = name == "contains" ? "within" : name == "within" ? "contains" : name
            #expect(try holds("S_\(converse)(\(second), \(first))") == (name == relation || implied), "\(converse)")
        }
    }
}
