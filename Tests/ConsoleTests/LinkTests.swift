import Console
import HTTPSupport
import Testing

@Suite("Links")
struct LinkTests {
    @Test(
        "only web addresses and local paths may be followed",
        arguments: [
            ("https://example.org/a", true), ("HTTP://example.org", true), ("/collections/a", true), ("/", true),
            ("javascript:alert(1)", false), ("JaVaScRiPt:alert(1)", false), ("data:text/html,x", false),
            ("//evil.example", false),
            ("/\\evil.example", false), ("https://", false), ("java\nscript:alert(1)", false),
            (" javascript:alert(1)", false),
            ("s3://bucket/key", false), ("", false), ("vbscript:x", false), ("/a b", false),
        ])
    func safe(address: String, isSafe: Bool) {
        #expect(HTML.isSafe(address) == isSafe)
    }

    @Test(
        "after the login one stays on this node",
        arguments: [
            ("/collections/eo?from=2021-01-01", "/collections/eo?from=2021-01-01"), ("https://evil.example", "/"),
            ("//evil.example", "/"), ("/\\evil.example", "/"), ("\\\\evil.example", "/"), ("collections", "/"),
            ("", "/"),
            ("/login?next=/login", "/"), ("/logout", "/"), ("/a\r\nSet-Cookie: x", "/"), ("/a\tb", "/"),
        ])
    func next(asked: String, answer: String) {
        #expect(Link.next(asked) == answer)
    }

    @Test("nothing asked for means the start page, and so does a very long path")
    func nothing() {
        #expect(Link.next(nil) == "/")
        #expect(Link.next("/" + String(repeating: "a", count: 5000)) == "/")
    }

    @Test("names in addresses are encoded")
    func encoding() {
        #expect(Link.item("eo", "a/b?c#d") == "/collections/eo/items/a%2Fb%3Fc%23d")
        #expect(Link.open("http://n/a&b=c") == "/open?href=http%3A%2F%2Fn%2Fa%26b%3Dc")
    }
}
