import TestSupport
import Testing
import Wire

struct EncodingTests {
    /// RFC 4648 §10.
    static let vectors = [
        ("", "", ""), ("f", "Zg==", "66"), ("fo", "Zm8=", "666f"), ("foo", "Zm9v", "666f6f"),
        ("foob", "Zm9vYg==", "666f6f62"),
        ("fooba", "Zm9vYmE=", "666f6f6261"), ("foobar", "Zm9vYmFy", "666f6f626172"),
    ]

    @Test("the vectors of RFC 4648", arguments: vectors)
    func rfc4648(text: String, base64: String, hex: String) {
        let bytes = Array(text.utf8)
        #expect(Base64.encode(bytes) == base64)
        #expect(Base64.decode(base64) == bytes)
        #expect(Base64.encodeURL(bytes) == base64.filter { $0 != "=" })
        #expect(Base64.decode(base64.filter { $0 != "=" }) == bytes)
        #expect(Hex.encode(bytes) == hex)
        #expect(Hex.decode(hex) == bytes)
        #expect(Hex.decode(hex.uppercased()) == bytes)
    }

    @Test("both alphabets are read")
    func alphabets() {
        let bytes: [UInt8] = [0xFB, 0xEF, 0xFF, 0xFE]
        #expect(Base64.encode(bytes) == "++///g==")
        #expect(Base64.encodeURL(bytes) == "--___g")
        #expect(Base64.decode("++///g==") == bytes)
        #expect(Base64.decode("--___g") == bytes)
    }

    @Test(
        "what is no base64 is refused",
        arguments: [
            "A", "AAAAA", "AB==", "AAB=", "AA=", "=", "==", "====", "AA===", "AAAA=", "AAAA====", "A=A=", "AA==AA==",
            "AA A", "AA\n=",
            "A*AA", "\u{FC}AAA",
        ])
    func refusedBase64(text: String) {
        #expect(Base64.decode(text) == nil)
    }

    @Test("what is no hexadecimal is refused", arguments: ["0", "0g", "0x", "+1", " 1", "000", "\u{FF10}\u{FF10}"])
    func refusedHex(text: String) {
        #expect(Hex.decode(text) == nil)
    }

    @Test("random bytes come back")
    func roundTrip() {
        var random = SeededGenerator(seed: 4)
        for count in 0..<300 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Base64.decode(Base64.encodeURL(bytes)) == bytes)
            #expect(Hex.decode(Hex.encode(bytes)) == bytes)
        }
    }

    @Test(
        "percent-encoding keeps unreserved characters only",
        arguments: [
            ("AZaz09-._~", "AZaz09-._~"), ("a b+c", "a%20b%2Bc"), ("a/b", "a%2Fb"), ("\u{E9}", "%C3%A9"), ("%", "%25"),
            ("", ""),
            ("!*'()", "%21%2A%27%28%29"), ("\u{0}", "%00"),
        ])
    func percent(text: String, encoded: String) {
        #expect(PercentEncoding.encode(text) == encoded)
        #expect(PercentEncoding.decode(encoded) == text)
    }

    @Test("a slash stays where it is asked to, and a plus is a space only in queries")
    func slashAndPlus() {
        #expect(PercentEncoding.encode("a/b c", keepingSlash: true) == "a/b%20c")
        #expect(PercentEncoding.decode("a+b") == "a+b")
        #expect(PercentEncoding.decode("a+b%2B", plusIsSpace: true) == "a b+")
        #expect(PercentEncoding.decode("%c3%A9") == "\u{E9}")
    }

    @Test(
        "broken percent-encoding is refused",
        arguments: ["%", "%2", "a%", "%zz", "%2g", "%%20", "%C3", "%FF", "%ED%A0%80", "%+1"])
    func brokenPercent(text: String) {
        #expect(PercentEncoding.decode(text) == nil)
    }

    @Test("a query keeps its order, its repetitions and the difference between no value and an empty one")
    func query() throws {
        let query = try #require(QueryItems(parsing: "b=2&a=1&acl&e=&a=%20x+y&=v&k=a=b&&"))
        #expect(query.items.map(\.name) == ["b", "a", "acl", "e", "a", "", "k"])
        #expect(query.items.map(\.value) == ["2", "1", nil, "", " x y", "v", "a=b"])
        #expect(query["a"] == "1")
        #expect(query["acl"] == "")
        #expect(query["none"] == nil)
        #expect(query.all("a") == ["1", " x y"])
        #expect(query.has("acl"))
        #expect(!query.has("A"))
        #expect(query.encoded == "b=2&a=1&acl&e=&a=%20x%20y&=v&k=a%3Db")
        #expect(QueryItems(parsing: query.encoded) == query)
        #expect(QueryItems(parsing: "a") != QueryItems(parsing: "a="))
    }

    @Test("a query that is broken or too long is refused")
    func refusedQuery() {
        #expect(QueryItems(parsing: "a=%") == nil)
        #expect(QueryItems(parsing: "%zz") == nil)
        #expect(QueryItems(parsing: "a=%FF") == nil)
        #expect(QueryItems(parsing: "a&b&c", limit: 2) == nil)
        #expect(QueryItems(parsing: "a&b&c", limit: 3)?.items.count == 3)
        #expect(QueryItems(parsing: "")?.items.isEmpty == true)
    }

    @Test("random queries come back")
    func queryRoundTrip() {
        var random = SeededGenerator(seed: 6)
        func text() -> String {
            String(
                String.UnicodeScalarView(
                    (0..<Int.random(in: 1...6, using: &random)).map { _ in
                        Unicode.Scalar(UInt32.random(in: 1...0x800, using: &random)) ?? "x"
                    }))
        }
        for _ in 0..<500 {
            let query = QueryItems((0..<3).map { ($0 == 0 ? "n" : text(), $0 == 2 ? nil : text()) })
            #expect(QueryItems(parsing: query.encoded) == query)
        }
    }
}
