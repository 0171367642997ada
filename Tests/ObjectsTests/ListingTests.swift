import Objects
import TestSupport
import Testing

@Suite struct ListingTests {
    @Test("keys come in the order of their bytes, page after page, without loss", arguments: TestEngine.allCases)
    func paging(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            var keys =
                (0..<60).map { "dir/\($0)" } + [
                    "a", "ä", "Z", "dir", "dir-2", "dir/", "dir0", "zz/😀", "zz/\u{FFFD}", "%", "+", "a b", "a//b",
                ]
            for key in keys { try await objects.put(key, [1]) }
            keys.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for limit in [1, 7, 50, 1000] {
                var seen: [String] = []
                var after = ""
                while true {
                    let page = try await objects.list(collection: "eo1", after: after, limit: limit)
                    #expect(page.entries.count <= limit)
                    seen += page.entries.map(\.key)
                    guard let next = page.next else { break }
                    after = next
                }
                #expect(seen == keys, "pages of \(limit)")
            }
        }
    }

    @Test("below a delimiter folders count as one, whatever is in them", arguments: TestEngine.allCases)
    func delimiters(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for key in ["a/1", "a/2", "a/b/3", "b", "c/1", "c0", "d//x", "ü/1", "z"] + (0..<100).map({ "m/\($0)" }) {
                try await objects.put(key, [1])
            }
            for limit in [1, 2, 3, 1000] {
                var entries: [String] = []
                var prefixes: [String] = []
                var after = ""
                while true {
                    let page = try await objects.list(collection: "eo1", delimiter: "/", after: after, limit: limit)
                    #expect(page.entries.count + page.commonPrefixes.count <= limit)
                    entries += page.entries.map(\.key)
                    prefixes += page.commonPrefixes
                    guard let next = page.next else { break }
                    after = next
                }
                #expect(entries == ["b", "c0", "z"], "pages of \(limit)")
                #expect(prefixes == ["a/", "c/", "d/", "m/", "ü/"], "pages of \(limit)")
            }
            let below = try await objects.list(collection: "eo1", prefix: "a/", delimiter: "/")
            #expect(below.entries.map(\.key) == ["a/1", "a/2"] && below.commonPrefixes == ["a/b/"])
            #expect(try await objects.list(collection: "eo1", prefix: "d/", delimiter: "/").commonPrefixes == ["d//"])
            #expect(try await objects.list(collection: "eo1", prefix: "nothing").entries.isEmpty)
            #expect(try await objects.list(collection: "eo1", limit: 0).next == nil)
        }
    }

    @Test("the node's own objects are seen by nobody who does not ask for them")
    func systemObjects() async throws {
        try await withObjects { objects in
            for key in [".hidden", "a"] { try await objects.put(key, [1]) }
            for key in [".martlet/previews/a.png", ".martlet/previews/b.png"] {
                _ = try await objects.put(
                    collection: "eo1", key: key, description: ObjectDescription(), expecting: BodyExpectations(),
                    by: "system",
                    isSystem: true, body: Pieces([1]))
            }
            #expect(try await objects.keys() == [".hidden", "a"])
            #expect(try await objects.list(collection: "eo1", delimiter: "/").commonPrefixes.isEmpty)
            #expect(try await objects.keys(prefix: ".martlet/").count == 2)
            try await objects.delete(collection: "eo1", [(".hidden", nil), ("a", nil)], by: "ada")
            try await objects.deleteCollection("eo1", by: "ada")
        }
    }
}
