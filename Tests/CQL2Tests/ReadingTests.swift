import CQL2
import Testing
import Wire

@Suite struct ReadingTests {
    /// Texts that are written as they were read, beside the JSON of the same.
    static let pairs: [(text: String, json: String)] = [
        (#"eo:cloud_cover < 10"#, #"{"op":"<","args":[{"property":"eo:cloud_cover"},10]}"#),
        (
            #"a = 1 AND b <> 'x' AND NOT (c >= 2.5)"#,
            #"{"op":"and","args":[{"op":"=","args":[{"property":"a"},1]},{"op":"<>","args":[{"property":"b"},"x"]},{"op":"not","args":[{"op":">=","args":[{"property":"c"},2.5]}]}]}"#
        ),
        (
            #"a LIKE 'S2%' OR a IS NULL"#,
            #"{"op":"or","args":[{"op":"like","args":[{"property":"a"},"S2%"]},{"op":"isNull","args":[{"property":"a"}]}]}"#
        ),
        (#"a NOT BETWEEN 1 AND 2"#, #"{"op":"not","args":[{"op":"between","args":[{"property":"a"},1,2]}]}"#),
        (#"a IN ('x', 'it''s')"#, #"{"op":"in","args":[{"property":"a"},["x","it's"]]}"#),
        (
            #"CASEI(a) = CASEI(ACCENTI('Größe'))"#,
            #"{"op":"=","args":[{"op":"casei","args":[{"property":"a"}]},{"op":"casei","args":[{"op":"accenti","args":["Größe"]}]}]}"#
        ),
        (
            #"S_INTERSECTS(geometry, POLYGON((0 0,1 0,1 1,0 0)))"#,
            #"{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}]}"#
        ),
        (
            #"S_WITHIN(BBOX(170, -10, -170, 10), geometry)"#,
            #"{"op":"s_within","args":[{"bbox":[170,-10,-170,10]},{"property":"geometry"}]}"#
        ),
        (
            #"T_DURING(INTERVAL(starts_at, ends_at), INTERVAL('2005-01-10', '..'))"#,
            #"{"op":"t_during","args":[{"interval":[{"property":"starts_at"},{"property":"ends_at"}]},{"interval":["2005-01-10",".."]}]}"#
        ),
        (
            #"datetime >= TIMESTAMP('2020-02-10T05:30:00Z') AND d = DATE('2020-02-10')"#,
            #"{"op":"and","args":[{"op":">=","args":[{"property":"datetime"},{"timestamp":"2020-02-10T05:30:00Z"}]},{"op":"=","args":[{"property":"d"},{"date":"2020-02-10"}]}]}"#
        ),
        (
            #"A_CONTAINS(layers, ('ca', 'us'))"#,
            #"{"op":"a_contains","args":[{"property":"layers"},["ca","us"]]}"#
        ),
        (
            #"((a + b) * 2) > (c ^ 2)"#,
            #"{"op":">","args":[{"op":"*","args":[{"op":"+","args":[{"property":"a"},{"property":"b"}]},2]},{"op":"^","args":[{"property":"c"},2]}]}"#
        ),
        (#"MONTH(datetime) IN (6, 7)"#, #"{"op":"in","args":[{"op":"month","args":[{"property":"datetime"}]},[6,7]]}"#),
        (#""the and" = TRUE"#, #"{"op":"=","args":[{"property":"the and"},true]}"#),
        (
            #"S_DISJOINT(geometry, GEOMETRYCOLLECTION(POINT(1.5 -2),MULTIPOINT((0 0),(1 1)),LINESTRING(0 0,1 1),MULTILINESTRING((0 0,1 1),(2 2,3 3)),MULTIPOLYGON(((0 0,1 0,1 1,0 0)))))"#,
            #"{"op":"s_disjoint","args":[{"property":"geometry"},{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1.5,-2]},{"type":"MultiPoint","coordinates":[[0,0],[1,1]]},{"type":"LineString","coordinates":[[0,0],[1,1]]},{"type":"MultiLineString","coordinates":[[[0,0],[1,1]],[[2,2],[3,3]]]},{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]]]}]}]}"#
        ),
    ]

    @Test("both encodings are the same tree, and are written as they are read", arguments: pairs)
    func encodings(text: String, json: String) throws {
        let read = try CQL2(parsing: text)
        #expect(try read == CQL2(parsing: JSONValue(parsing: json)))
        #expect(read.json.text == json)
        #expect(try CQL2(parsing: read.text) == read, "\(read.text)")
    }

    @Test(
        "what is written in another way is the same",
        arguments: [
            ("a=1 and b=2", "a = 1 AND b = 2"), ("not a=1", "NOT (a = 1)"), ("a > -5", "a > -5"),
            ("a = - b", "a = (-1 * b)"), ("a = 1 + 2 * 3", "a = (1 + (2 * 3))"), ("a = 2 ^ 3 ^ 2", "a = (2 ^ (3 ^ 2))"),
            ("a div 2 = 1", "(a div 2) = 1"), ("a = 'it\\'s'", "a = 'it''s'"), ("a IS NOT NULL", "NOT (a IS NULL)"),
            ("a_overlaps(x, ('p'))", "A_OVERLAPS(x, ('p'))"), ("((a = 1))", "a = 1"), ("a = .5", "a = 0.5"),
            ("s_equals(g, point z (1 2 3))", "S_EQUALS(g, POINT(1 2))"),
            ("a=1 or b=2 and c=3", "a = 1 OR (b = 2 AND c = 3)"),
            ("BBOX > 3", "BBOX > 3"), ("point = 3", "point = 3"),
        ])
    func variants(text: String, same: String) throws {
        #expect(try CQL2(parsing: text) == CQL2(parsing: same))
    }

    @Test(
        "what is wrong is said, with its place",
        arguments: [
            ("", "ends where a value"), ("a =", "ends where a value"), ("a = 1 b", "byte 6"),
            ("a = 'x", "does not end"),
            ("a ! 1", "no meaning"), ("5", "a filter is a condition"), ("a AND 'x'", "a condition where a text"),
            ("nothing(a) = 1", "no function nothing"), ("a IN 1", "'(' is missing"), ("NOT", "ends where a value"),
            ("a = DATE('2020-13-01')", "no date"), ("a = TIMESTAMP('x')", "no date and time"),
            ("S_INTERSECTS(a, POLYGON((0 0,1 1,1 0,0 1)))", "last position"), ("S_WITHIN(a)", "takes 2 arguments"),
            ("S_WITHIN(a, 5)", "a geometry where a number"), ("T_AFTER(a, 5)", "a moment where a number"),
            ("a = BBOX(0,0,200,1)", "from -180 to 180"), ("a + 'x' = 1", "a number where a text"),
            ("a BETWEEN 1 OR 2", "AND is missing"), ("AND", "double quotes"),
        ])
    func faults(text: String, message: String) throws {
        let error = #expect(throws: CQL2Error.self) { try CQL2(parsing: text) }
        #expect(error.map { "\($0)".contains(message) } == true, "\(String(describing: error))")
    }

    @Test(
        "what is wrong in JSON is said, with its path",
        arguments: [
            (#"{}"#, "an object is one"), (#"{"op":"="}"#, "needs args"), (#"{"op":"nothing","args":[]}"#, "nothing"),
            (#"{"op":"and","args":[{"op":"=","args":[{"property":"a"},null]}]}"#, "filter.args[0].args[1]"),
            (#"{"op":"like","args":[{"property":"a"},5]}"#, "a text where a number"), (#"5"#, "a condition"),
            (#"{"op":"=","args":[{"property":5},5]}"#, "must be a name"), (#"null"#, "isNull"),
            (#"{"op":"s_within","args":[{"property":"g"},{"type":"Polygon","coordinates":[]}]}"#, "coordinates"),
        ])
    func faultsInJSON(json: String, message: String) throws {
        let value = try JSONValue(parsing: json)
        let error = #expect(throws: CQL2Error.self) { try CQL2(parsing: value) }
        #expect(error.map { "\($0)".contains(message) } == true, "\(String(describing: error))")
    }

    @Test("forms of older drafts are taken")
    func drafts() throws {
        let old =
            #"{"op":"and","args":[{"op":"between","args":[{"property":"a"},[1,2]]},{"op":"isNull","args":{"property":"b"}}]}"#
        #expect(try CQL2(parsing: JSONValue(parsing: old)) == CQL2(parsing: "a BETWEEN 1 AND 2 AND b IS NULL"))
    }

    @Test("what is too deep or too long is refused, whichever way it is built")
    func limits() throws {
        let deep = 10_000
        for text in [
            String(repeating: "(", count: deep) + "a = 1" + String(repeating: ")", count: deep),
            String(repeating: "NOT ", count: deep) + "a = 1", "a = " + String(repeating: "-", count: deep) + "1",
            "a = 1" + String(repeating: " + 1", count: deep), "a = 2" + String(repeating: " ^ 2", count: deep),
            "a = " + String(repeating: "casei(", count: deep) + "b" + String(repeating: ")", count: deep),
            "a = 1" + String(repeating: " AND a = 1", count: 3 * deep),
            "a = '" + String(repeating: "x", count: CQL2.bytesMax) + "'",
        ] {
            #expect(throws: CQL2Error.self) { try CQL2(parsing: text) }
        }
        var json: JSONValue = true
        for _ in 0..<200 { json = ["op": "not", "args": .array([json])] }
        #expect(throws: CQL2Error.self) { try CQL2(parsing: json) }
        #expect(throws: CQL2Error.self) {
            try CQL2(parsing: ["op": "and", "args": .array(Array(repeating: true, count: 30_000))])
        }
        #expect(try CQL2(parsing: "a = 1" + String(repeating: " OR a = 1", count: 1000)).conjuncts.count == 1)
    }
}
