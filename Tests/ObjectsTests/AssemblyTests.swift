import Objects
import TestSupport
import Testing
import Wire

/// Files that come in chunks, and tags of folders.
@Suite struct AssemblyTests {
    private func put(_ objects: Objects, _ upload: ChunkedUpload, _ name: String, _ bytes: [UInt8]) async throws {
        try await objects.put(chunk: name, of: upload, expecting: BodyExpectations(), body: Pieces(bytes))
    }

    @Test("chunks become parts without their bytes being moved, small ones too", arguments: TestEngine.allCases)
    func assembling(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let upload = ChunkedUpload(account: "ada", id: "1/x")
            let chunks = [noise(100_000, seed: 1), noise(10, seed: 2), noise(70_000, seed: 3)]
            await #expect(throws: ObjectsError.self) { try await put(objects, upload, "1", chunks[0]) }
            try await objects.begin(upload)
            for (name, chunk) in [("300", chunks[2]), ("2", chunks[0]), ("010", chunks[1])] {
                try await put(objects, upload, name, chunk)
            }
            #expect(try await objects.chunks(of: upload)?.map(\.name) == ["2", "010", "300"])
            let version = try await objects.assemble(
                upload, to: "eo1", key: "big", description: ObjectDescription(), expecting: BodyExpectations())
            #expect(try await objects.get("big") == chunks.flatMap { $0 })
            #expect(version.partCount == 3 && version.etag.hasSuffix("-3"))
            #expect(try await objects.chunks(of: upload) == nil)
            // The chunks' own rows go; the bytes stay.
            _ = try await objects.purgeRemoved(olderThan: -10)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await objects.get("big") == chunks.flatMap { $0 })
            #expect(try await objects.blobCount() == 3)
            #expect(try await objects.collections().map(\.name) == ["eo1"])
        }
    }

    @Test("uploads that nobody goes on with are given up", arguments: TestEngine.allCases)
    func expiry(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let upload = ChunkedUpload(account: "ada", id: "1")
            try await objects.begin(upload)
            try await put(objects, upload, "1", noise(20_000))
            #expect(try await objects.abandonUploads(olderThan: 3600) == 0)
            #expect(try await objects.abandonUploads(olderThan: -10) == 2)
            #expect(try await objects.chunks(of: upload) == nil)
        }
    }

    @Test("the tag of a folder changes with anything below it, and with nothing else", arguments: TestEngine.allCases)
    func tags(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("a/b/x", [1])
            try await objects.put("c/y", [1])
            func tags() async throws -> [String] {
                let found = try await objects.folderTags(collection: "eo1", paths: ["", "a", "a/b", "c"])
                return ["", "a", "a/b", "c"].compactMap { found[$0] }
            }
            func changes(_ body: () async throws -> Void) async throws -> [Bool] {
                let before = try await tags()
                try await body()
                return zip(before, try await tags()).map { $0 != $1 }
            }
            _ = try await tags()
            #expect(try await changes {} == [false, false, false, false])
            #expect(try await changes { try await objects.put("a/b/x", [2]) } == [true, true, true, false])
            #expect(try await changes { try await objects.put("a/z", [2]) } == [true, true, false, false])
            #expect(
                try await changes { try await objects.delete(collection: "eo1", [("a/b/x", nil)], by: "ada") } == [
                    true, true, true, false,
                ])
            let source = Tree(collection: "eo1", path: "a/z")
            let target = Tree(collection: "eo1", path: "c/z")
            #expect(
                try await changes {
                    _ = try await objects.transfer(
                        source, to: target, isMove: true, overwrites: false, permitted: (["a/z"], []), by: "ada")
                } == [true, true, false, true])
        }
    }
}
