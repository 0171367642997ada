import Testing
import Wire

struct YAMLTests {
    private func parse(_ text: String) throws -> JSONValue { try YAML.parse(Array(text.utf8)) }

    @Test("lists of rules are read")
    func rules() throws {
        let value = try parse(
            """
            # A comment.
            rules:
              - user: ada   # another
                collections: [eo, 'climate # no comment', "x: y"]
                storages:
                - https://s3.example.org/eo/2026
                -   "b"
              -
                group: all
                empty: []
                nothing:
            count: 3
            text: "3"
            on: true
            """)
        #expect(value["rules"]?.array?.count == 2)
        let first = value["rules"]?.array?[0]
        #expect(first?["user"]?.string == "ada")
        #expect(first?["collections"]?.array?.compactMap(\.string) == ["eo", "climate # no comment", "x: y"])
        #expect(first?["storages"]?.array?.compactMap(\.string) == ["https://s3.example.org/eo/2026", "b"])
        let second = value["rules"]?.array?[1]
        #expect(
            second?["group"]?.string == "all" && second?["empty"]?.array == [] && second?["nothing"]?.isNull == true)
        #expect(value["count"]?.integer == 3 && value["text"]?.string == "3" && value["on"]?.bool == true)
        #expect(try parse("").isNull)
        #expect(try parse("- a\n- - b\n  - c\n").text == #"["a",["b","c"]]"#)
    }

    @Test(
        "what is not known is refused with its line",
        arguments: [
            "a: b\n\tc: d", "a: &x b", "a: *x", "a: !t b", "a: |\n  b", "a: >\n  b", "a: {b: c}", "a: [b, [c]]",
            "a: [b",
            "a: 'b", "a: \"b\\n\"", "a: b: c", "a: 1\na: 2", "a:\n    b: 1\n  c: 2", "a: b\n  c: d", "a\nb", "? a",
            "a: b\n---\nc: d", "- a\nb: c", "%YAML 1.2", "a: 'it''s'", "a: @b",
        ])
    func refused(_ text: String) {
        #expect(throws: YAMLError.self) { try parse(text) }
    }

    @Test("what is nested too deeply, or too long, is refused")
    func limits() {
        let deep = (0..<40).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        #expect(throws: YAMLError.self) { try parse(deep) }
        #expect(throws: YAMLError.self) { try parse(String(repeating: "- ", count: 10_000) + "a") }
        #expect(throws: YAMLError.self) { try parse(String(repeating: "a\n", count: 60_000)) }
        #expect(throws: YAMLError.self) { try YAML.parse([UInt8](repeating: 0x61, count: 2 << 20)) }
        #expect(throws: YAMLError.self) { try YAML.parse([0x61, 0x3A, 0x20, 0xFF]) }
    }

    @Test("any bytes are read or refused")
    func fuzz() {
        let seed = Array("rules:\n  - user: ada\n    c: [a, 'b', \"c\"]\n    s:\n    - x # y\n  - - z\n".utf8)
        let letters = Array(" -:#[]{},'\"\n\tab&*!|>%@`?\\~".utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0...Int.random(in: 0...6) {
                let at = Int.random(in: bytes.indices)
                if Bool.random() {
                    bytes[at] = letters.randomElement() ?? 0
                } else {
                    bytes.insert(letters.randomElement() ?? 0, at: at)
                }
            }
            _ = try? YAML.parse(bytes)
        }
    }
}
