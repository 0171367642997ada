import HTTPSupport
import TestSupport
import Testing

@Suite("The HTML writer")
struct HTMLTests {
    private func text(_ text: String) -> String {
        var html = HTML()
        html.text(text)
        return html.string
    }

    @Test(
        "text is escaped",
        arguments: [
            ("plain", "plain"), ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("\" onload='x'", "&quot; onload=&#39;x&#39;"), ("a & b", "a &amp; b"), ("&lt;", "&amp;lt;"),
            ("\u{0}\u{1B}\u{7F}", "\u{FFFD}\u{FFFD}\u{FFFD}"), ("a\n\tb", "a\n\tb"), ("Größe 東京", "Größe 東京"), ("", ""),
        ])
    func escaping(given: String, written: String) {
        #expect(text(given) == written)
    }

    @Test("an attribute cannot end before its value does")
    func attributes() {
        var html = HTML()
        html.element("p", .class("a"), .set("title", "\"><script>"), text: "x")
        #expect(html.string == "<p class=\"a\" title=\"&quot;&gt;&lt;script&gt;\">x</p>")
    }

    @Test("an address that may not be followed is left out")
    func addresses() {
        var html = HTML()
        html.element("a", .href("javascript:alert(1)"), text: "x")
        html.void("img", .src("data:image/svg+xml,<svg>"), .set("alt", ""))
        html.element("a", .href("/ok?a=1&b=2"), text: "y")
        #expect(html.string == "<a>x</a><img alt=\"\"><a href=\"/ok?a=1&amp;b=2\">y</a>")
    }

    @Test("flags have no value, and those that are not set are left out")
    func flags() {
        var html = HTML()
        html.void("input", .flag("required"), .flag("autofocus", false), .set("placeholder", nil), .set("value", ""))
        #expect(html.string == "<input required value=\"\">")
    }

    @Test("elements nest and close")
    func nesting() {
        var html = HTML()
        html.element("ul") { html in
            for name in ["a", "b"] { html.element("li", text: name) }
        }
        #expect(html.string == "<ul><li>a</li><li>b</li></ul>")
    }

    @Test("no text of random characters brings markup in")
    func random() {
        var generator = SeededGenerator(seed: 7)
        let pool = Array("<>&\"'/=ab \u{0}\u{1F}é\u{2028}")
        for _ in 0..<2000 {
            let given = String(
                (0..<Int.random(in: 0...30, using: &generator)).map { _ in
                    pool[Int.random(in: 0..<pool.count, using: &generator)]
                })
            var html = HTML()
            html.element("p", .set("title", given), text: given)
            let inner = html.string.dropFirst("<p title=\"".count).dropLast("</p>".count)
            // Of what was given nothing is left that ends the value or the element.
            #expect(inner.filter { $0 == "<" }.isEmpty)
            #expect(inner.filter { $0 == ">" }.count == 1)
            #expect(inner.filter { $0 == "\"" }.count == 1)
            #expect(html.bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        }
    }
}
