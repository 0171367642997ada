import NIOCore
import Objects
import TestSupport
import Testing

/// Moving, copying and removing files and folders.
@Suite struct TreeTests {
    private func transfer(
        _ objects: Objects, _ source: String, _ target: String, isMove: Bool, overwrites: Bool = false,
        from: String = "eo1", to: String = "eo1", holding: Set<String> = []
    ) async throws -> Bool {
        let source = Tree(collection: from, path: source)
        let target = Tree(collection: to, path: target)
        return try await objects.transfer(
            source, to: target, isMove: isMove, overwrites: overwrites,
            permitted: (Set(try await objects.keys(of: source)), Set(try await objects.keys(of: target))), by: "ada",
            holding: holding)
    }

    /// An object of two parts.
    private func putParts(_ objects: Objects, _ key: String) async throws -> [UInt8] {
        let bytes = noise(6 << 20)
        let upload = try await objects.createUpload(
            collection: "eo1", key: key, description: ObjectDescription(), checksum: nil, by: "ada")
        var references: [PartReference] = []
        for (number, range) in [(1, 0..<(5 << 20)), (2, (5 << 20)..<(6 << 20))] {
            let part = try await objects.putPart(
                upload, collection: "eo1", number: number, expecting: BodyExpectations(),
                body: Pieces(Array(bytes[range])))
            references.append(PartReference(number: number, etag: part.etag, checksum: nil))
        }
        _ = try await objects.completeUpload(
            collection: "eo1", key: key, id: upload.id.text, parts: references, checksum: nil, size: nil, by: "ada")
        return bytes
    }

    @Test(
        "a moved object keeps its ids, ETag and time, and its bytes outlive its old row", arguments: TestEngine.allCases
    )
    func move(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let large = noise(100_000)
            let parts = try await putParts(objects, "a/parts")
            let versions = [
                try await objects.put("a/small", noise(10)), try await objects.put("a/large", large),
                try await objects.head(collection: "eo1", key: "a/parts"),
            ]
            #expect(try await transfer(objects, "a", "b", isMove: true))
            for version in versions {
                let moved = try await objects.head(
                    collection: "eo1", key: version.key.replacingPrefix("a/", with: "b/"))
                #expect(moved.id == version.id && moved.object == version.object && moved.etag == version.etag)
                #expect(moved.created == version.created && moved.number > version.number)
            }
            #expect(try await objects.keys() == ["b/large", "b/parts", "b/small"])
            // What was moved away is purged, and takes nothing with it.
            #expect(try await objects.purgeRemoved(olderThan: -10) == 3)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await objects.get("b/small") == noise(10))
            #expect(try await objects.get("b/large") == large)
            #expect(try await objects.get("b/parts") == parts)
            // Written again it is the same object, deleted and made again another.
            let again = try await objects.put("b/small", [1])
            #expect(again.object == versions[0].object && again.id != versions[0].id)
            try await objects.delete(collection: "eo1", [("b/small", nil)], by: "ada")
            #expect(try await objects.put("b/small", [1]).object != again.object)
            try await objects.delete(collection: "eo1", [("b/large", nil), ("b/parts", nil)], by: "ada")
            _ = try await objects.purgeRemoved(olderThan: -10)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await objects.blobCount() == 0)
        }
    }

    @Test("between collections too, whose keys differ", arguments: TestEngine.allCases)
    func betweenCollections(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.createCollection("eo2", owner: "ada")
            let parts = try await putParts(objects, "a/parts")
            let small = try await objects.put("a/small", noise(10))
            try await objects.changeProperties(
                collection: "eo1", path: "a/small", prefersFolder: false,
                [.set(ObjectProperty(namespace: "", name: "p", element: "<p/>"))], by: "ada")
            #expect(try await transfer(objects, "a", "c", isMove: false, to: "eo2"))
            #expect(try await transfer(objects, "a", "m", isMove: true, to: "eo2"))
            #expect(try await objects.keys() == [])
            _ = try await objects.purgeRemoved(olderThan: -10)
            _ = try await objects.collectGarbage(olderThan: -10)
            for folder in ["c", "m"] {
                #expect(try await objects.get(folder + "/parts", in: "eo2") == parts)
                #expect(try await objects.get(folder + "/small", in: "eo2") == noise(10))
                let entry = try #require(try await objects.entry(collection: "eo2", path: folder + "/small"))
                #expect(try await objects.properties(collection: "eo2", of: entry).map(\.element) == ["<p/>"])
                #expect((entry.object == small.object) == (folder == "m"))
            }
        }
    }

    @Test("with versioning the past stays at the old key", arguments: TestEngine.allCases)
    func versioned(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let first = try await objects.put("a", [1])
            #expect(try await transfer(objects, "a", "b", isMove: true))
            let moved = try await objects.head(collection: "eo1", key: "b")
            #expect(moved.name == first.name)
            await #expect(throws: ObjectsError.self) { _ = try await objects.head(collection: "eo1", key: "a") }
            #expect(try await objects.head(collection: "eo1", key: "a", version: first.name).size == 1)
            #expect(try await transfer(objects, "b", "a", isMove: true))
            let listed = try await objects.listVersions(collection: "eo1", prefix: "a").versions
            #expect(listed.map(\.isDeleteMarker) == [false, true] && listed.first?.name == first.name)
            #expect(try await objects.get("a") == [1])
            // Removed for good at one key, it stays at the other.
            try await objects.delete(collection: "eo1", [("a", first.name)], by: "ada")
            _ = try await objects.purgeRemoved(olderThan: -10)
            let past = try await objects.open(collection: "eo1", key: "b", version: first.name)
            #expect(Array(try await objects.bytes(of: past, range: 0..<1).readableBytesView) == [1])
        }
    }

    @Test("what stands in the way is refused or replaced", arguments: TestEngine.allCases)
    func conflicts(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            func fails(_ from: String, _ to: String, overwrites: Bool = false) async -> ObjectsError.Code? {
                await outcome { _ = try await transfer(objects, from, to, isMove: true, overwrites: overwrites) }
            }
            try await objects.put("a/x", [1])
            try await objects.put("b/y", [2])
            try await objects.put("file", [3])
            #expect(await fails("a", "b") == .alreadyExists)
            #expect(await fails("a", "a") == .cannotContainItself)
            #expect(await fails("a", "a/c") == .cannotContainItself)
            #expect(await fails("none", "c") == .noSuchKey)
            #expect(await fails("a", "none/c") == .noSuchFolder)
            #expect(try await transfer(objects, "a", "b", isMove: false, overwrites: true) == false)
            #expect(try await objects.keys() == ["a/x", "b/x", "file"])
            #expect(try await transfer(objects, "file", "b/x", isMove: true, overwrites: true) == false)
            #expect(try await objects.get("b/x") == [3])
            // The folder that the last file was moved out of stays.
            #expect(try await transfer(objects, "b/x", "x", isMove: true))
            #expect(try await objects.keys() == ["a/x", "b/", "x"])
            // What came meanwhile is not touched.
            let tree = Tree(collection: "eo1", path: "a")
            let permitted = Set(try await objects.keys(of: tree))
            try await objects.put("a/late", [1])
            #expect(
                await outcome { try await objects.delete(tree, permitted: permitted, by: "ada") } == .changedMeanwhile)
            try await objects.delete(tree, permitted: permitted.union(["a/late"]), by: "ada")
            #expect(try await objects.keys() == ["b/", "x"])
        }
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
    }
}
