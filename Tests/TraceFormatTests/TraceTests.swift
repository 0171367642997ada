import TestSupport
import Testing
import TraceFormat
import Wire

@Suite struct TraceTests {
    @Test("the message has the bytes that Go's encoder gives")
    func message() {
        // From the contract (§1.4), run with the public client's serializer.
        let product = Trace.Product(
            name: "P.SAFE.zip", size: 452, hash: "1fb6",
            contents: [
                .init(path: "P.SAFE/manifest.safe", hash: "b610"), .init(path: "P.SAFE/a&b/x<1>.txt", hash: "8e4c"),
            ],
            inputs: [.init(name: "IN1", hash: "00aa"), .init(name: "IN2", hash: "")])
        let expected =
            #"{"contents":[{"hash":"b610","path":"P.SAFE/manifest.safe"},"#
            + #"{"hash":"8e4c","path":"P.SAFE/a\u0026b/x\u003c1\u003e.txt"}],"#
            + #""hash":"1fb6","inputs":[{"hash":"00aa","name":"IN1"},{"hash":"","name":"IN2"}],"#
            + #""name":"P.SAFE.zip","size":452,"event":"CREATE"}"#
        #expect(String(decoding: product.message(event: .create), as: UTF8.self) == expected)
    }

    @Test("absent contents and inputs are left out of the message, empty ones are not")
    func emptyArrays() {
        var product = Trace.Product(name: "a", size: 0, hash: "00")
        #expect(product.message(event: .delete) == Array(#"{"hash":"00","name":"a","size":0,"event":"DELETE"}"#.utf8))
        product.contents = []
        product.inputs = []
        #expect(
            product.message(event: .copy)
                == Array(#"{"contents":[],"hash":"00","inputs":[],"name":"a","size":0,"event":"COPY"}"#.utf8))
    }

    @Test(
        "strings are escaped as Go does it",
        arguments: [
            ("\"\\/", #"\"\\/"#), ("\n\r\t\u{8}\u{C}", #"\n\r\t\b\f"#),
            ("\u{0}\u{1F}\u{7F}", #"\u0000\u001f"# + "\u{7F}"),
            ("\u{2028}\u{2029}", #"\u2028\u2029"#), ("\r\n", #"\r\n"#), ("é😀", "é😀"),
            ("<>&", #"\u003c\u003e\u0026"#),
        ])
    func escapes(name: String, expected: String) {
        let message = Trace.Product(name: name, size: 1, hash: "0").message(event: .create)
        #expect(
            String(decoding: message, as: UTF8.self) == #"{"hash":"0","name":"\#(expected)","size":1,"event":"CREATE"}"#
        )
    }

    @Test("a document reads back as the trace it was written from")
    func roundTrip() throws {
        let signer = try Signer()
        var trace = try signer.trace(
            Trace.Product(
                name: "A \"quoted\" né<m>e", size: 1 << 52, hash: digest(1),
                contents: [.init(path: "a/b", hash: digest(2))],
                inputs: []))
        trace.obsolescence = "replaced"
        #expect(try Trace.parse(trace.document) == trace)
        #expect(try Trace.parseList([UInt8(ascii: "[")] + trace.document + [UInt8(ascii: "]")]) == [trace])
        trace.timestamp = Timestamp(seconds: 1_700_000_000)
        #expect(try Trace.parse(trace.document) == trace)
    }

    @Test(
        "documents that are no trace are refused with the member that is wrong",
        arguments: [
            ("id", #""x""#), ("id", "null"), ("event", #""MOVE""#), ("hash_algorithm", #""MD5""#),
            ("timestamp", #""now""#),
            ("timestamp", "1"), ("origin", "null"), ("signature", "null"), ("product", "[]"), ("obsolescence", "1"),
        ])
    func malformed(member: String, value: String) throws {
        let trace = try Signer().trace(Trace.Product(name: "a", size: 1, hash: digest(1)))
        guard var object = try JSONValue(parsing: trace.document).object else {
            throw TraceError(.malformed, "no object")
        }
        object[member] = try JSONValue(parsing: value)
        #expect {
            _ = try Trace.parse(JSONValue.object(object).bytes)
        } throws: { error in
            (error as? TraceError)?.code == .malformed
        }
    }

    @Test(
        "a product's members are checked",
        arguments: [
            #"{"name":"a","hash":"b"}"#, #"{"name":"a","hash":"b","size":-1}"#,
            #"{"name":1,"hash":"b","size":1}"#, #"{"name":"a","hash":"b","size":1,"contents":{}}"#,
            #"{"name":"a","hash":"b","size":1,"contents":[{"path":"x"}]}"#,
            #"{"name":"a","hash":"b","size":1,"inputs":[null]}"#,
            #"{"name":"a","hash":"b","size":1.5}"#,
        ])
    func malformedProduct(product: String) throws {
        let trace = try Signer().trace(Trace.Product(name: "a", size: 1, hash: digest(1)))
        guard var object = try JSONValue(parsing: trace.document).object else {
            throw TraceError(.malformed, "no object")
        }
        object["product"] = try JSONValue(parsing: product)
        #expect(throws: TraceError.self) { try Trace.parse(JSONValue.object(object).bytes) }
    }

    @Test("mutated documents neither crash nor pass for the original")
    func fuzz() throws {
        let signer = try Signer()
        let trace = try signer.trace(
            Trace.Product(name: "P", size: 5, hash: digest(1), contents: [.init(path: "a", hash: digest(2))]))
        let original = trace.document
        var random = SeededGenerator(seed: 11)
        var parsed = 0
        for _ in 0..<4000 {
            var bytes = original
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(UInt8.random(in: 0x20..<0x7F, using: &random), at: at)
                default: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1..<40, using: &random)))
                }
            }
            guard let result = try? Trace.parse(bytes) else { continue }
            parsed += 1
            let faults = result.signatureFaults()
            // Whatever differs in what is signed must show.
            if result.product != trace.product || result.event != trace.event
                || result.signature.message != trace.signature.message
            {
                #expect(!faults.isEmpty)
            }
        }
        #expect(parsed > 100)
    }

    @Test("deep nesting and long lists are refused")
    func limits() {
        let deep = Array(String(repeating: "[", count: 100_000).utf8)
        #expect(throws: TraceError.self) { try Trace.parseList(deep) }
        let long = Array("[\(Array(repeating: "0", count: Trace.listCountMax + 1).joined(separator: ","))]".utf8)
        #expect { try Trace.parseList(long) } throws: { ($0 as? TraceError)?.code == .tooLarge }
    }

    @Test(
        "ids read in one form",
        arguments: [
            ("7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7", true), ("7374C9BE-84C5-4EA4-8B2B-B1E9B1A539D7", true),
            ("7374c9be84c54ea48b2bb1e9b1a539d7", false), ("{7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7}", false), ("", false),
            ("7374c9be-84c5-4ea4-8b2b-b1e9b1a539dg", false), ("7374c9be8-4c5-4ea4-8b2b-b1e9b1a539d7", false),
        ])
    func ids(text: String, isValid: Bool) {
        #expect((TraceID(text) != nil) == isValid)
        if isValid { #expect(TraceID(text)?.text == text.lowercased()) }
    }

    @Test("new ids have version 7 and sort by time")
    func newIDs() {
        let early = TraceID.make(now: Timestamp(seconds: 1_700_000_000)).text
        let late = TraceID.make(now: Timestamp(seconds: 1_700_000_001)).text
        #expect(early < late)
        for id in [early, late] {
            let characters = Array(id)
            #expect(characters[14] == "7" && "89ab".contains(characters[19]))
        }
        #expect(TraceID.make() != TraceID.make())
    }

    @Test("the log's entry is canonical and names nobody")
    func entry() throws {
        let trace = try Signer().trace(
            Trace.Product(name: "né\"", size: 7, hash: digest(9)), at: Timestamp(microseconds: 1_700_000_000_000_001))
        let bytes = try LogEntry(trace).bytes
        guard let members = try JSONValue(parsing: bytes).object?.members else {
            throw TraceError(.malformed, "no object")
        }
        #expect(members.map(\.name) == members.map(\.name).sorted())
        #expect(
            members.map(\.name) == [
                "certificate_sha256", "event", "hash", "hash_algorithm", "id", "message_sha256", "name", "size",
                "timestamp", "version",
            ])
        #expect(!String(decoding: bytes, as: UTF8.self).contains(#""test""#))
        #expect(bytes.count < 1000)
    }
}
