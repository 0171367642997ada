import TestSupport
import Testing
import Wire

struct JSONTests {
    @Test(
        "what RFC 8259 allows is accepted",
        arguments: [
            ("null", .null), (" true\n", true), ("false", false), ("0", 0), ("-0", 0), ("-1", -1), ("123", 123),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .double(9_223_372_036_854_775_808)), ("1.5", 1.5), ("-0.25e2", .double(-25)),
            ("1E+2", .double(100)), ("1e-2", 0.01), ("1.0", .double(1)), ("\"\"", ""), ("\"a b\"", "a b"),
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u00e9\u6C34""#, "\u{E9}\u{6C34}"),
            (#""\ud83d\udc26""#, "\u{1F426}"), (#""\ud83d""#, "\u{FFFD}"),
            (#""\udc26\ud83d\u0041""#, "\u{FFFD}\u{FFFD}A"),
            ("\"\u{7F}\u{2028}\"", "\u{7F}\u{2028}"), ("[]", []), ("[1,[2,[]]]", [1, [2, []]]), ("{}", [:]),
            (" { \"a\" : [ 1 , 2 ] } ", ["a": [1, 2]]), ("\u{FEFF}1", 1), (#"{"":0}"#, ["": 0]),
        ] as [(String, JSONValue)])
    func accepted(text: String, value: JSONValue) throws {
        #expect(try JSONValue(parsing: text) == value)
    }

    @Test(
        "what RFC 8259 does not allow is refused",
        arguments: [
            "", " ", "nul", "nulll", "True", "NaN", "Infinity", "+1", "-", "01", "-01", "1.", ".5", "1e", "1e+", "1.e1",
            "0x1",
            "1 2", "1,", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u+123\"", "\"a\nb\"",
            "\"\t\"",
            "'a'", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
            "{\"a\":1,}",
            "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "// x\n1", "1 // x", "\u{0}",
            "1\u{0}", "\"a\\u0000\"",
            "1e400", "-1e999", "\u{A0}1",
        ])
    func refused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
        #expect(throws: JSONError.self) { try JSONValue.check(Array(text.utf8)) }
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]])
    func notUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22] + bytes + [0x22]) }
        #expect(throws: JSONError.self) { try JSONValue.check([0x22] + bytes + [0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0x5C, 0x6E] + bytes + [0x22]) }
    }

    @Test("nesting is bounded")
    func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(try JSONValue(parsing: nested(65)).array != nil)
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(66)) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: nested(3), maximumDepth: 1) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: String(repeating: "[{\"a\":", count: 100_000)) }
    }

    @Test("an error says at which byte")
    func offset() {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: "[1, x]") }
        #expect(error?.offset == 4)
        #expect(error?.description.contains("byte 4") == true)
    }

    @Test("of members with one name the last counts, and removing removes all")
    func duplicates() throws {
        var object = try #require(try JSONValue(parsing: #"{"a":1,"b":2,"a":3}"#).object)
        #expect(object["a"] == 3)
        object["a"] = nil
        #expect(object["a"] == nil)
        object["c"] = 4
        object["b"] = 5
        #expect(JSONValue.object(object).text == #"{"b":5,"c":4}"#)
    }

    @Test("values give what they hold and nothing else")
    func accessors() {
        #expect(JSONValue.double(3).integer == 3)
        #expect(JSONValue.double(3.5).integer == nil)
        #expect(JSONValue.double(1e300).integer == nil)
        #expect(JSONValue.integer(3).number == 3)
        #expect(JSONValue.string("3").number == nil)
        #expect(JSONValue.bool(true).string == nil)
        #expect(JSONValue.null.isNull)
        #expect(JSONValue.array([])["a"] == nil)
    }

    @Test("the writer puts commas and escapes")
    func writer() {
        var writer = JSONWriter()
        writer.object { w in
            w.member("text", "a\"\\\n\r\t\u{1}\u{E9}/")
            w.member("list", ["x", "y"])
            w.key("numbers")
            w.array { w in
                for number in [1, -0.5, 1e15, 0.1, 1e-7, .infinity, .nan] { w.number(number) }
                w.integer(UInt64.max)
            }
            w.member("flag", true)
            w.key("empty")
            w.object { _ in }
            w.key("raw")
            w.raw("[1]".utf8)
            w.key("null")
            w.null()
        }
        #expect(
            writer.text
                == #"{"text":"a\"\\\n\r\t\u0001é/","list":["x","y"],"numbers":[1,-0.5,1000000000000000.0,0.1,1e-07,null,null,18446744073709551615],"#
                + #""flag":true,"empty":{},"raw":[1],"null":null}"#)
    }

    @Test("random values are read as they were written")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 2)
        func value(_ depth: Int) -> JSONValue {
            switch Int.random(in: 0..<(depth > 3 ? 5 : 7), using: &random) {
            case 0: return .null
            case 1: return .bool(.random(using: &random))
            case 2: return .integer(Int64.random(in: .min ... .max, using: &random))
            case 3: return .double(Double.random(in: -1...1, using: &random) * 1e-3)
            case 4:
                let scalars = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                    Unicode.Scalar(UInt32.random(in: 0...0x3000, using: &random)) ?? "x"
                }
                return .string(String(String.UnicodeScalarView(scalars)))
            case 5: return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth + 1) })
            default:
                return .object(
                    JSONObject(
                        (0..<Int.random(in: 0...4, using: &random)).map {
                            .init(name: "m\($0)", value: value(depth + 1))
                        }))
            }
        }
        for _ in 0..<1000 {
            let original = value(0)
            #expect(try JSONValue(parsing: original.bytes) == original)
        }
    }

    @Test("random changes never crash the parser, and what it accepts it writes and reads again")
    func fuzz() throws {
        var random = SeededGenerator(seed: 17)
        let text = Array(#"{"a":[1,-2.5e3,true,null],"b":{"c":"x\u00e9\n\ud83d\udc26"},"d":""}"#.utf8)
        var accepted = 0
        for _ in 0..<10_000 {
            let mutated = random.mutate(text)
            let (value, fault) = Self.outcome { try JSONValue(parsing: mutated) }
            #expect(Self.outcome { try JSONValue.check(mutated) }.fault == fault)
            guard let value else { continue }
            accepted += 1
            #expect(try JSONValue(parsing: value.bytes).bytes == value.bytes)
        }
        #expect(accepted > 300)
    }

    private static func outcome<T>(_ body: () throws -> T) -> (value: T?, fault: String?) {
        do { return (try body(), nil) } catch { return (nil, "\(error)") }
    }
}

@Suite struct JSONPatchTests {
    private static let document: JSONValue = ["a": [1, 2, ["b": "c"]], "d/e": nil, "f~": ["g": 1.0]]

    private func patched(_ patch: JSONValue) throws -> JSONValue {
        try JSONPatch(parsing: patch).applied(to: Self.document)
    }

    @Test("a patch changes what its paths lead to (RFC 6902)")
    func patches() throws {
        let change: JSONValue = [
            ["op": "test", "path": "/f~0/g", "value": 1], ["op": "add", "path": "/a/1", "value": true],
            ["op": "add", "path": "/a/-", "value": "end"], ["op": "replace", "path": "/d~1e", "value": ["x": nil]],
            ["op": "move", "from": "/a/3/b", "path": "/moved"], ["op": "copy", "from": "/moved", "path": "/a/0"],
            ["op": "remove", "path": "/f~0"],
        ]
        #expect(try patched(change) == ["a": ["c", 1, true, 2, [:], "end"], "d/e": ["x": nil], "moved": "c"])
        #expect(try patched([["op": "add", "path": "", "value": 5]]) == 5)
    }

    @Test(
        "a patch that cannot be applied is refused",
        arguments: [
            5, [["op": "add", "path": "/a"]], [["op": "add", "path": "a", "value": 1]], [["op": "x", "path": "/a"]],
            [["op": "remove", "path": "/none"]], [["op": "remove", "path": "/a/9"]],
            [["op": "remove", "path": "/a/01"]],
            [["op": "add", "path": "/a/4", "value": 1]], [["op": "replace", "path": "/a/-", "value": 1]],
            [["op": "test", "path": "/a/0", "value": 2]], [["op": "move", "from": "/a", "path": "/a/0/x"]],
            [["op": "add", "path": "/a/0/x", "value": 1]],
        ] as [JSONValue])
    func refused(patch: JSONValue) { #expect(throws: JSONPatchError.self) { try patched(patch) } }

    @Test("copies of copies end before they fill the memory")
    func copies() throws {
        let double: JSONValue = ["op": "copy", "from": "/x", "path": "/x/-"]
        #expect(throws: JSONPatchError.self) {
            try JSONPatch(parsing: .array(Array(repeating: double, count: 60))).applied(to: ["x": ["some text"]])
        }
    }

    @Test("a merge patch replaces members, and takes away those that are null (RFC 7386)")
    func merges() {
        let document: JSONValue = ["a": ["b": "c", "d": 1], "e": [1]]
        #expect(
            document.merged(with: ["a": ["b": nil, "f": ["g": nil]], "e": 2]) == ["a": ["d": 1, "f": [:]], "e": 2])
        #expect(document.merged(with: ["a": [1]]) == ["a": [1], "e": [1]])
    }
}
