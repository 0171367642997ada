import Testing
import WebDAVFormat

@Suite struct FormatTests {
    private static let lock = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"

    @Test("the If headers of RFC 4918 §10.4")
    func ifHeaders() throws {
        let untagged = try IfHeader(parsing: #"(<\#(Self.lock)> ["I am an ETag"]) (["I am another ETag"])"#)
        #expect(untagged.lists.count == 2 && untagged.lists.allSatisfy { $0.resource == nil })
        #expect(untagged.tokens == [Self.lock])
        #expect(untagged.holds { _ in .init(tokens: [Self.lock], etag: "I am an ETag") })
        #expect(untagged.holds { _ in .init(tokens: [], etag: "I am another ETag") })
        #expect(!untagged.holds { _ in .init(tokens: [Self.lock], etag: "x") })

        let negated = try IfHeader(parsing: "(Not <\(Self.lock)> <urn:uuid:other>)")
        #expect(negated.holds { _ in .init(tokens: ["urn:uuid:other"], etag: nil) })
        #expect(!negated.holds { _ in .init(tokens: ["urn:uuid:other", Self.lock], etag: nil) })
        let always = try IfHeader(parsing: "(<\(Self.lock)>)(Not<DAV:no-lock>)")
        #expect(always.holds { _ in .init(tokens: [], etag: nil) })

        let tagged = try IfHeader(
            parsing: #"</resource1> (<\#(Self.lock)> [W/"A weak ETag"]) (["strong ETag"]) <http://x/r2> (["r2"])"#)
        #expect(tagged.lists.map(\.resource) == ["/resource1", "/resource1", "http://x/r2"])
        #expect(tagged.resources == ["/resource1", "http://x/r2"])
        #expect(tagged.holds { $0 == "http://x/r2" ? .init(tokens: [], etag: "r2") : nil })
        #expect(!tagged.holds { _ in nil })
    }

    @Test(
        "what is no If header is refused",
        arguments: [
            "", " ", "()", "(<>)", "(", "(<a>", "<a>", "<a> <b> (<c>)", "(<a>) <b> (<c>)", "([x])", #"(["x)"#, "(Not)",
            "<a> (<b>) c", "(Not", "(a)",
        ])
    func refusals(header: String) {
        #expect(throws: WebDAVFormatError.self) { try IfHeader(parsing: header) }
    }

    @Test("depths, timeouts, destinations")
    func headers() throws {
        #expect(try Depth(header: "Infinity", default: .zero) == .infinity)
        #expect(try Depth(header: nil, default: .one) == .one)
        #expect(throws: WebDAVFormatError.self) { try Depth(header: "2", default: .one) }
        #expect(LockTimeout.seconds(header: "Infinite, Second-4100000000") == .max)
        #expect(LockTimeout.seconds(header: "Second-3600") == 3600)
        #expect(LockTimeout.seconds(header: "soon") == 600)
        #expect(LocalURI.path("/dav/a%20b?x", host: "h") == "/dav/a%20b")
        #expect(LocalURI.path("http://H:80/dav/a", host: "h") == "/dav/a")
        #expect(LocalURI.path("https://h:8443/dav", host: "h:8443") == "/dav")
        #expect(LocalURI.path("http://other/dav", host: "h") == nil)
        #expect(LocalURI.path("//other/dav", host: "h") == nil)
        #expect(LocalURI.path("http://h", host: "h") == "/")
        #expect(try LockTokenHeader.token(" <urn:x> ") == "urn:x")
        #expect(throws: WebDAVFormatError.self) { try LockTokenHeader.token("urn:x") }
        #expect(try Overwrite.value(header: "f") == false)
    }

    @Test("PROPFIND bodies")
    func propfind() throws {
        #expect(try Propfind(parsing: []) == .all(including: []))
        #expect(try Propfind(parsing: Array("<propfind xmlns='DAV:'><propname/></propfind>".utf8)) == .names)
        let named = try Propfind(
            parsing: Array(
                """
                <?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop><D:getetag/><a xmlns="urn:x"/><b/></D:prop>
                </D:propfind>
                """.utf8))
        #expect(named == .named([.dav("getetag"), PropertyName("urn:x", "a"), PropertyName("", "b")]))
        let included = try Propfind(
            parsing: Array("<propfind xmlns='DAV:'><allprop/><include><quota-used-bytes/></include></propfind>".utf8))
        #expect(included == .all(including: [.dav("quota-used-bytes")]))
        for wrong in [
            "<propfind/>", "<x xmlns='DAV:'/>", "<propfind xmlns='DAV:'/>", "no",
            "<D:propfind xmlns:D='DAV:'><D:prop><bar:foo xmlns:bar=''/></D:prop></D:propfind>",
            "<D:propfind xmlns:D='DAV:'><D:prop><bar:foo/></D:prop></D:propfind>",
            "<propfind xmlns='DAV:'><allprop/><propname/></propfind>",
        ] {
            #expect(throws: (any Error).self) { try Propfind(parsing: Array(wrong.utf8)) }
        }
    }

    @Test("a property's element keeps its meaning outside of its body")
    func proppatch() throws {
        let body = """
            <D:propertyupdate xmlns:D="DAV:" xmlns:z="urn:z" xml:lang="de"><D:set><D:prop>
            <z:a b='1'>x<z:c/>&amp;<![CDATA[<]]></z:a></D:prop></D:set>
            <D:remove><D:prop><z:old/></D:prop></D:remove>
            <D:set><D:prop xmlns="urn:d"><e><f xmlns=""/></e></D:prop></D:set></D:propertyupdate>
            """
        let changes = try Proppatch(parsing: Array(body.utf8)).changes
        #expect(
            changes == [
                .set(
                    PropertyName("urn:z", "a"),
                    element:
                        #"<z:a xmlns:D="DAV:" xmlns:z="urn:z" xml:lang="de" b='1'>x<z:c/>&amp;<![CDATA[<]]></z:a>"#),
                .remove(PropertyName("urn:z", "old")),
                .set(
                    PropertyName("urn:d", "e"),
                    element: #"<e xmlns="urn:d" xmlns:D="DAV:" xmlns:z="urn:z" xml:lang="de"><f xmlns=""/></e>"#),
            ])
        #expect(throws: (any Error).self) {
            try Proppatch(parsing: Array(body.replacing("<z:c/>", with: "<q:c/>").utf8))
        }
        #expect(throws: (any Error).self) {
            try Proppatch(parsing: Array(body.replacing("<z:c/>", with: "\u{1}").utf8))
        }
    }

    @Test("LOCK bodies")
    func lockInfo() throws {
        let body = """
            <D:lockinfo xmlns:D='DAV:'><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype>
            <D:owner><D:href>x</D:href></D:owner></D:lockinfo>
            """
        let info = try LockInfo(parsing: Array(body.utf8))
        #expect(info.isShared && info.owner == #"<D:owner xmlns:D="DAV:"><D:href>x</D:href></D:owner>"#)
        #expect(throws: (any Error).self) {
            try LockInfo(parsing: Array(body.replacing("D:write", with: "D:read").utf8))
        }
    }
}
