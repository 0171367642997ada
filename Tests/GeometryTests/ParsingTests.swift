import Geometry
import TestSupport
import Testing
import Wire

struct ParsingTests {
    static let valid = [
        #"{"type":"Point","coordinates":[30,10.5]}"#,
        #"{"type":"MultiPoint","coordinates":[[10,40],[-180,-90],[180,90]]}"#,
        #"{"type":"LineString","coordinates":[[30,10],[10,30]]}"#,
        #"{"type":"MultiLineString","coordinates":[[[10,10],[20,20]],[[40,40],[30,30],[40,20]]]}"#,
        #"{"type":"Polygon","coordinates":[[[35,10],[45,45],[15,40],[35,10]],[[20,30],[35,35],[30,20],[20,30]]]}"#,
        #"{"type":"MultiPolygon","coordinates":[[[[30,20],[45,40],[10,40],[30,20]]],[[[15,5],[40,10],[10,20],[15,5]]]]}"#,
        #"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[4,6]},{"type":"LineString","coordinates":[[4,6],[7,10]]}]}"#,
    ]

    @Test("each type is read and written the same", arguments: valid)
    func roundTrip(_ text: String) throws {
        var writer = JSONWriter()
        let parsed = try geometry(text)
        parsed.write(to: &writer)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
        #expect(text.contains("\"\(parsed.type)\""))
    }

    @Test("an altitude is dropped and foreign members are ignored")
    func altitude() throws {
        let parsed = try geometry(#"{"coordinates":[1,2,3000],"bbox":[1],"type":"Point","crs":null}"#)
        #expect(parsed == .point(Position(1, 2)))
    }

    @Test(
        "what is wrong is named, with its place",
        arguments: [
            ("1", .malformed, "geometry must be an object"), ("{}", .malformed, "needs a type"),
            (#"{"type":"Point"}"#, .malformed, "needs coordinates"),
            (#"{"type":"point","coordinates":[1,2]}"#, .unknownType, "\"point\""),
            (#"{"type":"Feature","coordinates":[1,2]}"#, .unknownType, "Feature"),
            (#"{"type":"Point","coordinates":[1]}"#, .malformed, "geometry.coordinates must be a longitude"),
            (#"{"type":"Point","coordinates":[1,2,3,4]}"#, .malformed, "geometry.coordinates"),
            (#"{"type":"Point","coordinates":["1","2"]}"#, .malformed, "geometry.coordinates"),
            (#"{"type":"Point","coordinates":[180.1,2]}"#, .outOfRange, "longitude 180.1"),
            (#"{"type":"Point","coordinates":[0,-91]}"#, .outOfRange, "latitude -91.0"),
            (#"{"type":"MultiPoint","coordinates":[]}"#, .malformed, "not empty"),
            (#"{"type":"MultiPoint","coordinates":[[0,0],[0,0,"x"]]}"#, .malformed, "coordinates[1]"),
            (#"{"type":"LineString","coordinates":[[0,0]]}"#, .tooFewPositions, "at least 2"),
            (#"{"type":"MultiLineString","coordinates":[[[0,0],[1,1]],[[0,0]]]}"#, .tooFewPositions, "coordinates[1]"),
            (#"{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}"#, .tooFewPositions, "at least 4"),
            (#"{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1]]]}"#, .ringNotClosed, "coordinates[0]"),
            (#"{"type":"Polygon","coordinates":[[0,0],[1,0],[1,1],[0,0]]}"#, .tooFewPositions, "coordinates[0] has 2"),
            (#"{"type":"Polygon","coordinates":[[1,0,1,1]]}"#, .malformed, "coordinates[0][0]"),
            (
                #"{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,95]]]]}"#, .outOfRange,
                "coordinates[0][0][3]"
            ),
            (#"{"type":"GeometryCollection","geometries":[]}"#, .malformed, "not empty"),
            (
                #"{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]},{}]}"#, .malformed,
                "geometries[1]"
            ),
        ] as [(String, GeometryError.Code, String)])
    func refused(text: String, code: GeometryError.Code, part: String) throws {
        let error = #expect(throws: GeometryError.self) { try geometry(text) }
        #expect(error?.code == code)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test("collections may be nested four deep and no deeper")
    func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: #"{"type":"GeometryCollection","geometries":["#, count: depth)
                + #"{"type":"Point","coordinates":[1,2]}"# + String(repeating: "]}", count: depth)
        }
        #expect(try geometry(nested(4)).positionCount == 1)
        let error = #expect(throws: GeometryError.self) { try geometry(nested(5)) }
        #expect(error?.code == .tooLarge)
    }

    @Test("a million positions in all are the most")
    func size() throws {
        let pair = JSONValue.array([1, 2])
        let half = JSONValue.array(Array(repeating: pair, count: 500_000))
        func lines(_ parts: [JSONValue]) -> JSONValue {
            ["type": "MultiLineString", "coordinates": .array(parts)]
        }
        #expect(try Geometry(parsing: lines([half, half])).positionCount == 1_000_000)
        let error = #expect(throws: GeometryError.self) { try Geometry(parsing: lines([half, half, [pair, pair]])) }
        #expect(error?.code == .tooLarge)
    }

    @Test("random changes never crash the parser, and what it accepts can be compared")
    func fuzz() throws {
        var random = SeededGenerator(seed: 5)
        var accepted: [Geometry] = []
        for round in 0..<4000 {
            var bytes = Array(Self.valid[round % Self.valid.count].utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = Array("0123456789-.,[]e{}\"".utf8).randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: at)
                default: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: at)
                }
            }
            guard let value = try? JSONValue(parsing: bytes), let parsed = try? Geometry(parsing: value) else {
                continue
            }
            accepted.append(parsed)
            var writer = JSONWriter()
            parsed.write(to: &writer)
            #expect(try Geometry(parsing: try JSONValue(parsing: writer.bytes)) == parsed)
            let other = accepted[Int.random(in: 0..<accepted.count, using: &random)]
            #expect(parsed.intersects(other) == other.intersects(parsed))
            #expect(parsed.intersects(parsed))
        }
        #expect(accepted.count > 100)
    }
}
