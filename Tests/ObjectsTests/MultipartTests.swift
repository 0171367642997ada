import Ciphers
import Objects
import TestSupport
import Testing
import Wire

@Suite struct MultipartTests {
    private let mebibyte = 1 << 20

    private func begin(
        _ objects: Objects, _ checksum: (ChecksumAlgorithm, ObjectChecksum.Kind)? = nil
    ) async throws -> Upload {
        try await objects.createUpload(
            collection: "eo1", key: "big", description: ObjectDescription(), checksum: checksum.map { ($0.0, $0.1) },
            by: "ada")
    }

    private func put(_ objects: Objects, _ upload: Upload, _ number: Int, _ bytes: [UInt8]) async throws
        -> PartReference
    {
        let part = try await objects.putPart(
            upload, collection: "eo1", number: number, expecting: BodyExpectations(), body: Pieces(bytes, 1 << 20))
        return PartReference(number: number, etag: part.etag, checksum: part.checksum)
    }

    private func complete(
        _ objects: Objects, _ upload: Upload, _ parts: [PartReference], checksum: String? = nil
    ) async throws -> ObjectVersion {
        try await objects.completeUpload(
            collection: "eo1", key: "big", id: upload.id.text, parts: parts, checksum: checksum, size: nil, by: "ada")
    }

    @Test("parts become one object, read across their borders; unused ones go", arguments: TestEngine.allCases)
    func assembly(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let upload = try await begin(objects, (.crc32c, .fullObject))
            let a = noise(5 * mebibyte, seed: 1)
            let b = noise(6 * mebibyte + 17, seed: 2)
            let c = noise(100, seed: 3)
            let third = try await put(objects, upload, 7, c)
            _ = try await put(objects, upload, 3, noise(10))
            let second = try await put(objects, upload, 3, b)
            _ = try await put(objects, upload, 9, noise(10))
            let first = try await put(objects, upload, 1, a)
            #expect(try await objects.parts(upload).map(\.number) == [1, 3, 7, 9])
            var crc = CRC(.crc32c)
            crc.update(a + b + c)
            let version = try await complete(
                objects, upload, [first, second, third], checksum: Base64.encode(crc.bytes))
            #expect(version.size == Int64(a.count + b.count + c.count))
            #expect(version.etag.hasSuffix("-3") && version.id == upload.id)
            #expect(version.checksum?.value == Base64.encode(crc.bytes))
            let whole = a + b + c
            #expect(try await objects.get("big") == whole)
            let border = Int64(a.count)
            #expect(
                try await objects.get("big", range: border - 10..<border + 10)
                    == Array(whole[(a.count - 10)..<(a.count + 10)]))
            _ = try await objects.collectGarbage(olderThan: -1)
            #expect(try await objects.blobCount() == 3)
            let again = try await complete(objects, upload, [first, second, third])
            #expect(again.id == version.id, "a client that lost the answer gets it again")
        }
    }

    @Test("an upload is completed only with what has come, in order, and not too small")
    func refusals() async throws {
        try await withObjects { objects in
            let upload = try await begin(objects, (.sha256, .composite))
            let first = try await put(objects, upload, 1, noise(mebibyte))
            let second = try await put(objects, upload, 2, noise(mebibyte))
            func code(_ parts: [PartReference]) async -> ObjectsError.Code? {
                await outcome { _ = try await complete(objects, upload, parts) }
            }
            #expect(await code([]) == .invalidPart)
            #expect(await code([second, first]) == .invalidPartOrder)
            #expect(await code([first, first]) == .invalidPartOrder)
            #expect(await code([first, second]) == .partTooSmall)
            #expect(await code([PartReference(number: 1, etag: "00", checksum: nil)]) == .invalidPart)
            #expect(await code([PartReference(number: 5, etag: first.etag, checksum: nil)]) == .invalidPart)
            #expect(await code([PartReference(number: 1, etag: first.etag, checksum: "AAAA")]) == .invalidPart)
            let version = try await complete(objects, upload, [first])
            #expect(version.checksum?.kind == .composite && version.checksum?.value.hasSuffix("-1") == true)
        }
    }

    @Test("an aborted upload leaves nothing", arguments: TestEngine.allCases)
    func abort(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let upload = try await begin(objects)
            _ = try await put(objects, upload, 1, noise(1000))
            #expect(try await objects.uploads(collection: "eo1").uploads.map(\.key) == ["big"])
            try await objects.abortUpload(collection: "eo1", key: "big", id: upload.id.text, by: "ada")
            #expect(try await objects.uploads(collection: "eo1").uploads.isEmpty)
            await #expect(throws: ObjectsError.self) { _ = try await put(objects, upload, 2, [1]) }
            _ = try await objects.collectGarbage(olderThan: -1)
            #expect(try await objects.blobCount() == 0)
        }
    }

    @Test("a multipart object is copied with its parts", arguments: TestEngine.allCases)
    func copy(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let upload = try await begin(objects)
            let a = noise(5 * mebibyte, seed: 1)
            let b = noise(1000, seed: 2)
            let parts = [try await put(objects, upload, 1, a), try await put(objects, upload, 2, b)]
            let version = try await complete(objects, upload, parts)
            _ = try await objects.copy(from: "eo1", key: "big", to: "eo1", key: "copy", replacing: nil, by: "ada")
            try await objects.delete(collection: "eo1", [("big", nil)], by: "ada")
            _ = try await objects.purgeRemoved(olderThan: -1)
            _ = try await objects.collectGarbage(olderThan: -1)
            #expect(try await objects.get("copy") == a + b)
            #expect(try await objects.head(collection: "eo1", key: "copy").etag == version.etag)
        }
    }
}
