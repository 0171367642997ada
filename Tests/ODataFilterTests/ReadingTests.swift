import ODataFilter
import TestSupport
import Testing
import Wire

@Suite struct ReadingTests {
    private func read(_ text: String) throws -> ODataFilter { try ODataFilter(parsing: text) }

    private static let may = ODataFilter.Literal.moment(Timestamp(seconds: 1_651_536_000))

    @Test(
        "each form of a condition",
        arguments: [
            ("Collection/Name eq 'SENTINEL-2'", .compare("Collection/Name", .eq, .string("SENTINEL-2"))),
            ("Name eq 'it''s'", .compare("Name", .eq, .string("it's"))),
            ("ContentDate/Start gt 2022-05-03T00:00:00.000Z", .compare("ContentDate/Start", .gt, may)),
            ("ContentDate/Start ge 2022-05-03", .compare("ContentDate/Start", .ge, may)),
            ("ContentDate/Start lt datetime'2022-05-03T00:00:00'", .compare("ContentDate/Start", .lt, may)),
            ("2022-05-03T02:00:00+02:00 le ContentDate/Start", .compare("ContentDate/Start", .ge, may)),
            ("Online ne true", .compare("Online", .ne, .bool(true))),
            ("ContentLength gt -1.5e3", .compare("ContentLength", .gt, .number(-1500))),
            (
                "Id eq A1B2C3D4-0000-4000-8000-00000000000f",
                .compare("Id", .eq, .guid("a1b2c3d4-0000-4000-8000-00000000000f"))
            ),
            ("Name in ('a','b')", .isIn("Name", [.string("a"), .string("b")])),
            ("contains(Name,'S2A')", .text(.contains, "Name", "S2A")),
            ("startswith(Name, 'S2A') eq true", .text(.startswith, "Name", "S2A")),
            ("endswith(Name,'.SAFE') eq false", .not(.text(.endswith, "Name", ".SAFE"))),
            ("EvictionDate eq null", .compare("EvictionDate", .eq, .null)),
            ("OData.CSC.Intersects(area=geography'SRID=4326;POINT(4 5)')", .intersects("POINT(4 5)")),
            ("geo.intersects(Footprint,geography'POINT(4 5)')", .intersects("POINT(4 5)")),
        ] as [(String, ODataFilter)])
    func conditions(text: String, expected: ODataFilter) throws { #expect(try read(text) == expected) }

    @Test("attributes by name, with one condition on their value, or several")
    func attributes() throws {
        let type = "att/OData.CSC.DoubleAttribute/Value"
        let text = "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and \(type) le 40.00)"
        let cloudy = ODataFilter.attribute(.double, name: "cloudCover", .compare("Value", .le, .number(40)))
        #expect(try read(text) == cloudy)
        #expect(
            try read("Attributes/OData.CSC.DoubleAttribute/any(d:d/Value le 40 and d/Name eq 'cloudCover')") == cloudy)
        #expect(
            try read("Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'tileId')")
                == .attribute(.string, name: "tileId", nil))
        let range = "Attributes/OData.CSC.IntegerAttribute/any(a:a/Name eq 'x' and (a/Value gt 1 or not a/Value ge 0))"
        #expect(
            try read(range)
                == .attribute(
                    .integer, name: "x",
                    .or([.compare("Value", .gt, .number(1)), .not(.compare("Value", .ge, .number(0)))])))
    }

    @Test("and binds closer than or, not closer than both")
    func precedence() throws {
        func name(_ text: String) -> ODataFilter { .compare("Name", .eq, .string(text)) }
        #expect(
            try read("Name eq 'a' or Name eq 'b' and not Name eq 'c'")
                == .or([name("a"), .and([name("b"), .not(name("c"))])]))
        #expect(
            try read("(Name eq 'a' or Name eq 'b') and Name eq 'c'") == .and([.or([name("a"), name("b")]), name("c")]))
    }

    @Test(
        "what is no filter is refused",
        arguments: [
            "", " ", "Name", "Name eq", "Name eq SENTINEL", "Name eq 'a", "Name = 'a'", "eq 'a'", "(Name eq 'a'",
            "Name eq 'a')", "Name eq 'a' and", "not", "Name in ()", "Name in ('a'", "contains(Name)",
            "contains(Name,5)",
            "Name eq 'a' 'b'", "Name eq 0x10", "Name eq nan", "a//b eq 1", "/a eq 1", "OData.CSC.Intersects()",
            "OData.CSC.Intersects(area='POINT(1 2)')", "OData.CSC.Intersects(area=geography'SRID=3857;POINT(1 2)')",
            "Attributes/any(a:a/Name eq 'x')", "Attributes/OData.CSC.StringAttribute/any()",
            "Attributes/OData.CSC.StringAttribute/any(a:a/Value eq 'x')",
            "Attributes/OData.CSC.StringAttribute/any(a:b/Name eq 'x')",
            "Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'x' or a/Value eq 'y')",
            "Attributes/OData.CSC.StringAttribute/any(a:a/Name eq 'x' and a/OData.CSC.FooAttribute/Value eq 1)",
            "Attributes/OData.CSC.FooAttribute/any(a:a/Name eq 'x')", "Name eq foo'x'", "Name eq 'a' & 1",
        ])
    func refused(text: String) { #expect(throws: ODataError.self) { try read(text) } }

    @Test("nothing goes deeper or further than it may")
    func bounds() throws {
        let deep = String(repeating: "(", count: 10_000) + "Name eq 'a'" + String(repeating: ")", count: 10_000)
        #expect(throws: ODataError.self) { try read(deep) }
        #expect(throws: ODataError.self) { try read(String(repeating: "not ", count: 10_000) + "Name eq 'a'") }
        #expect(throws: ODataError.self) {
            try read([String](repeating: "Name eq 'a'", count: 5001).joined(separator: " or "))
        }
        #expect(throws: ODataError.self) { try read("Name eq '" + String(repeating: "a", count: 1 << 18) + "'") }
        _ = try read([String](repeating: "Name eq 'a'", count: 2000).joined(separator: " or "))
    }

    @Test("no bytes bring the reader down")
    func fuzz() {
        let words = [
            "Name", "eq", "and", "or", "not", "(", ")", "'a'", ",", "/", ":", "=", "in", "any", "Attributes",
            "OData.CSC.StringAttribute", "a", "1.5", "2022-05-03", "contains", "OData.CSC.Intersects", "geography'x;y'",
            "null", "''", "'", "é", "\u{0}", "-", "+1", "a1b2c3d4-0000-4000-8000-00000000000f",
        ]
        var random = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            let count = Int.random(in: 1...14, using: &random)
            let text = (0..<count).map { _ in words[Int.random(in: 0..<words.count, using: &random)] }
                .joined(separator: Bool.random(using: &random) ? " " : "")
            _ = try? read(text)
        }
    }
}
