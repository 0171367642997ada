import TestSupport
import Testing
import Wire

struct XMLTests {
    static func parse(_ text: String) throws -> XMLElement { try XMLElement(parsing: Array(text.utf8)) }

    @Test("a document becomes a tree")
    func tree() throws {
        let root = try Self.parse(
            """
            \u{FEFF}<?xml version="1.0"?>
            <!-- a comment -->
            <s:Manifest xmlns:s="urn:x" version='2'>
              <s:item id="1">one</s:item><item id="2"/>
              <group><item>three</item></group><?ignore me?>
            </s:Manifest>
            <!-- the end -->
            """)
        #expect(root.name == "Manifest")
        #expect(root.attributes["version"] == "2")
        #expect(root.text.isEmpty)
        #expect(root.all("item").map { $0.attributes["id"] } == ["1", "2"])
        #expect(root["item"]?.text == "one")
        #expect(root.descendants("item").map(\.text) == ["one", "", "three"])
        #expect(root.descendant("group")?.children.count == 1)
        #expect(root.descendant("absent") == nil)
    }

    @Test(
        "text, entities and sections",
        arguments: [
            ("<a>&lt;&gt;&amp;&quot;&apos;</a>", "<>&\"'"), ("<a>&#65;&#x42;&#x1F426;</a>", "AB\u{1F426}"),
            ("<a> x <b/> y </a>", "x  y"), ("<a><![CDATA[<b>&amp;]]></a>", "<b>&amp;"), ("<a>1<![CDATA[]]>2</a>", "12"),
            ("<a><![CDATA[x]]]]></a>", "x]]"), ("<a>1<!-- <b> -->2</a>", "12"), ("<a></a>", ""), ("<a/>", ""),
            ("<a />", ""),
            ("<a>\u{FC}</a>", "\u{FC}"),
        ])
    func text(document: String, expected: String) throws {
        #expect(try Self.parse(document).text == expected)
    }

    @Test("attributes are decoded, in either kind of quotes")
    func attributes() throws {
        let root = try Self.parse(#"<a x = "1 &amp; '2'" y='"' n:z="&#10;"/>"#)
        #expect(root.attributes == ["x": "1 & '2'", "y": "\"", "z": "\n"])
    }

    @Test(
        "malformed documents are refused",
        arguments: [
            "", "  ", "text", "<", "<a", "<a>", "<a><b></a></b>", "</a>", "<a></b>", "<a/><b/>", "<a/>x", "x<a/>",
            "<a>&</a>",
            "<a>&nbsp;</a>", "<a>&amp</a>", "<a>&#0;</a>", "<a>&#1;</a>", "<a>&#xD800;</a>", "<a>&#x110000;</a>",
            "<a>&#+65;</a>",
            "<a>&#x+41;</a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#65</a>", "<a>&#-65;</a>", "<a x=1/>", "<a x/>",
            "<a x=\"1/>",
            "<a x='1\"/>", "< a/>", "<a><!-- </a>", "<a><![CDATA[x</a>", "<?xml", "<!-- <a/>", "<a/ >", "<>", "</>",
            "<a></a x>",
            "<![CDATA[x]]><a/>", "<s:a></t:a>",
        ])
    func refused(document: String) {
        #expect(throws: XMLError.self) { try Self.parse(document) }
    }

    @Test("declarations are refused, so that nothing expands")
    func bomb() {
        let laughs = """
            <?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><lolz>&lol2;</lolz>
            """
        let external = #"<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>"#
        for document in [laughs, external, "<!DOCTYPE a><a/>", "<a><!ENTITY x \"y\"></a>", "<a><!DOCTYPE b></a>"] {
            let error = #expect(throws: XMLError.self) { try Self.parse(document) }
            #expect(error?.message.contains("not accepted") == true)
        }
    }

    @Test("depth, number of elements and of attributes are bounded")
    func limits() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(try Self.parse(nested(64)).children.count == 1)
        #expect(throws: XMLError.self) { try Self.parse(nested(65)) }
        #expect(throws: XMLError.self) { try Self.parse(String(repeating: "<a>", count: 500_000)) }
        let bytes = Array("<r><a/><a/></r>".utf8)
        #expect(try XMLElement(parsing: bytes, maximumElements: 3).children.count == 2)
        #expect(throws: XMLError.self) { try XMLElement(parsing: bytes, maximumElements: 2) }
        let many = (0..<257).map { "a\($0)=\"1\"" }.joined(separator: " ")
        #expect(throws: XMLError.self) { try Self.parse("<a \(many)/>") }
        #expect(throws: XMLError.self) { try Self.parse("<\(String(repeating: "n", count: 1025))/>") }
        #expect(throws: XMLError.self) { try XMLElement(parsing: [0x3C, 0x61, 0x3E, 0xFF, 0x3C, 0x2F, 0x61, 0x3E]) }
    }

    @Test("what the writer escapes, the parser reads")
    func roundTrip() throws {
        let text = "a<b>&\"c'\r\n\u{E9}\u{1F426}]]>"
        var writer = XMLWriter()
        writer.open("r", [("x", text)])
        writer.element("t", text)
        writer.element("n", -42)
        writer.element("b", true)
        writer.element("g") { $0.element("control", "\u{1}") }
        writer.close("r")
        let root = try XMLElement(parsing: writer.bytes)
        #expect(root.attributes["x"] == text)
        #expect(root["t"]?.text == text)
        #expect(root["n"]?.text == "-42")
        #expect(root["b"]?.text == "true")
        #expect(root["g"]?["control"]?.text == "\u{FFFD}")
        #expect(writer.text.hasPrefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r x="))
    }

    @Test("random changes never crash the parser")
    func fuzz() {
        var random = SeededGenerator(seed: 23)
        let text = Array(
            "<?xml version=\"1.0\"?><a x=\"1\" y='&lt;'><b>t&#65;</b><!-- c --><c/><![CDATA[d]]><s:e>\u{FC}</s:e></a>"
                .utf8)
        var accepted = 0
        for _ in 0..<10_000 where (try? XMLElement(parsing: random.mutate(text))) != nil { accepted += 1 }
        #expect(accepted > 300)
    }
}
