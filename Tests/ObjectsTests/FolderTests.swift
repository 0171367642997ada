import Objects
import TestSupport
import Testing

/// Keys as paths of files in folders.
@Suite struct FolderTests {
    private func names(_ objects: Objects, _ folder: String, limit: Int = 1000, isDeep: Bool = false) async throws
        -> [String]
    {
        var out: [String] = []
        var after = ""
        while true {
            let page = try await objects.entries(
                collection: "eo1", folder: folder, after: after, isDeep: isDeep, limit: limit)
            out += page.entries.map { $0.path + ($0.isFolder ? "/" : "") }
            guard let next = page.next else { return out }
            after = next
        }
    }

    @Test("a folder is there by its marker or by what is in it", arguments: TestEngine.allCases)
    func entries(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("a/b/c.txt", [1])
            try await objects.put("a/b.txt", [1])
            try await objects.put("a//odd", [1])
            #expect(try await objects.entry(collection: "eo1", path: "")?.isFolder == true)
            #expect(try await objects.entry(collection: "eo1", path: "a")?.isFolder == true)
            #expect(try await objects.entry(collection: "eo1", path: "a/b")?.object == nil)
            #expect(try await objects.entry(collection: "eo1", path: "a/b.txt")?.size == 1)
            #expect(try await objects.entry(collection: "eo1", path: "a/b.tx") == nil)
            let made = try await objects.createFolder(collection: "eo1", path: "a/empty", by: "ada")
            #expect(made.key == "a/empty/" && made.size == 0)
            #expect(try await objects.get("a/empty/") == [])
            #expect(try await objects.entry(collection: "eo1", path: "a/empty")?.object == made.object)
            #expect(try await names(objects, "") == ["a/"])
            #expect(Set(try await names(objects, "a")) == ["a/b/", "a/empty/", "a/b.txt"])
            #expect(try await names(objects, "a/empty") == [])
            for limit in [1, 2, 1000] {
                #expect(
                    try await names(objects, "a", limit: limit, isDeep: true) == [
                        "a/b.txt", "a/b/", "a/b/c.txt", "a/empty/",
                    ])
                #expect(try await names(objects, "a", limit: limit).count == 3)
            }
        }
    }

    @Test("a folder is made where there is one to lie in, and nothing yet", arguments: TestEngine.allCases)
    func making(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            func failure(_ path: String) async -> ObjectsError.Code? {
                do {
                    _ = try await objects.createFolder(collection: "eo1", path: path, by: "ada")
                    return nil
                } catch {
                    return (error as? ObjectsError)?.code
                }
            }
            try await objects.put("file", [1])
            try await objects.put("implied/x", [1])
            #expect(await failure("file") == .alreadyExists)
            #expect(await failure("implied") == .alreadyExists)
            #expect(await failure("none/deep") == .noSuchFolder)
            #expect(await failure("file/deep") == .noSuchFolder)
            #expect(await failure("implied/deep") == nil)
            #expect(await failure("implied/deep") == .alreadyExists)
            #expect(await failure(".martlet/x") == .invalidKey)
        }
    }

    @Test("properties survive edits, are all set or none, and end with the object", arguments: TestEngine.allCases)
    func properties(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            func change(_ path: String, _ changes: PropertyChange...) async throws {
                try await objects.changeProperties(
                    collection: "eo1", path: path, prefersFolder: false, changes, by: "ada")
            }
            func found(_ path: String) async throws -> [String] {
                guard let entry = try await objects.entry(collection: "eo1", path: path) else { return ["nothing"] }
                return try await objects.properties(collection: "eo1", of: entry).map(\.element)
            }
            func set(_ name: String, _ element: String) -> PropertyChange {
                .set(ObjectProperty(namespace: "urn:x", name: name, element: element))
            }
            try await objects.put("k", [1])
            try await change("k", set("a", "1"), set("b", "2"))
            try await objects.put("k", [2])
            try await change("k", set("a", "3"), .remove(namespace: "urn:x", name: "b"))
            #expect(try await found("k") == ["3"])
            await #expect(throws: ObjectsError.self) {
                try await change("k", set("a", "4"), set("c", String(repeating: "x", count: 300 << 10)))
            }
            #expect(try await found("k") == ["3"])
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
            try await objects.put("k", [3])
            #expect(try await found("k") == [])
            // A folder without a marker gets one; the collection itself has properties too.
            try await objects.put("d/x", [1])
            try await change("d", set("a", "5"))
            try await change("", set("a", "6"))
            #expect(try await found("d") == ["5"])
            #expect(try await found("") == ["6"])
            #expect(try await objects.head(collection: "eo1", key: "d/").size == 0)
            let page = try await objects.entries(collection: "eo1", folder: "", withProperties: true)
            #expect(page.properties.values.flatMap { $0 }.map(\.element) == ["5"])
        }
    }
}
