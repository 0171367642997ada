import Archives
import Testing

@Suite struct GlobPatternTests {
    @Test(
        "patterns match whole paths",
        arguments: [
            ("*", "a/b.jp2", true), ("*.jp2", "a/b.jp2", true), ("*.jp2", "a/b.jp2.txt", false), ("?", "ä", true),
            ("?", "ab", false), ("a[b-d]e", "ace", true), ("a[!b-d]e", "ace", false), ("[]]", "]", true),
            ("{a,b{c,d}}/*", "bd/x", true), ("{a,b{c,d}}/*", "b/x", false), (#"\*"#, "*", true), (#"\*"#, "x", false),
            ("a,b", "a,b", true), ("", "", true), ("", "a", false), ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaac", false),
        ])
    func matching(pattern: String, path: String, expected: Bool) throws {
        #expect(try GlobPattern(pattern).matches(path) == expected)
    }

    @Test("what is not closed, or has too many choices, is refused", arguments: ["[a", "{a", "a}", "\\", "[]"])
    func refusals(pattern: String) {
        #expect(throws: ArchiveError.self) { try GlobPattern(pattern) }
        #expect(throws: ArchiveError.self) { try GlobPattern(String(repeating: "{a,b}", count: 20)) }
    }
}
