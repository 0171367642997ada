import BLAKE3
import Blobs
import Ciphers
import Database
import Journal
import NIOCore
import Objects
import TestSupport
import Testing
import Wire

@Suite struct ObjectsTests {
    @Test(
        "an object comes back as it went in, whole and in ranges, around every boundary of storage",
        arguments: TestEngine.allCases)
    func roundTrip(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for size in [
                0, 1, 100, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, 1_048_577, 2_500_000,
            ] {
                let bytes = noise(size, seed: UInt64(size))
                let version = try await objects.put("k/\(size)", bytes)
                #expect(version.size == Int64(size))
                #expect(version.etag == Hex.encode(DigestAlgorithm.md5.hash(bytes)))
                #expect(version.digest == BLAKE3.hash(bytes))
                #expect(try await objects.get("k/\(size)") == bytes, "\(size) bytes")
                guard size > 2 else { continue }
                let n = Int64(size)
                for range in [0..<1, n - 1..<n, n / 2..<n, 1..<n - 1, n / 3..<n / 2 + 1] as [Range<Int64>] {
                    #expect(
                        try await objects.get("k/\(size)", range: range)
                            == Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
                }
            }
        }
    }

    @Test("small objects make no file, larger ones do, and nothing stored shows a plain byte")
    func encryption() async throws {
        try await withObjects { objects in
            let text = Array(String(repeating: "confidential ", count: 10_000).utf8)
            try await objects.put("small", Array(text.prefix(1000)))
            #expect(try await objects.blobCount() == 0)
            try await objects.put("large", text)
            let blobs = try await objects.blobs.list(after: nil, limit: 10)
            let blob = try #require(blobs.first)
            let stored = try await objects.blobs.open(blob.id).read(0..<blob.size)
            #expect(!String(decoding: stored.readableBytesView, as: UTF8.self).contains("confidential"))
            let inline = try await objects.journal.read { reader in
                try reader.first("SELECT bytes FROM inline_bytes") { $0.blob(0) }
            }
            #expect(!String(decoding: try #require(inline), as: UTF8.self).contains("confidential"))
        }
    }

    @Test("a body that is not what was announced leaves nothing behind", arguments: TestEngine.allCases)
    func expectations(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let bytes = noise(200_000)
            let wrong: [(ObjectsError.Code, (inout BodyExpectations) -> Void)] = [
                (.incompleteBody, { $0.length = 200_001 }),
                (.incompleteBody, { $0.length = 199_999 }),
                (.tooLarge, { $0.lengthMax = 100_000 }),
                (.badDigest, { $0.md5 = [UInt8](repeating: 0, count: 16) }),
                (.badPayloadHash, { $0.sha256 = [UInt8](repeating: 0, count: 32) }),
                (.badChecksum, { $0.checksum = (.crc32c, "AAAAAA==") }),
                (
                    .badChecksum,
                    {
                        $0.checksum = (.crc64nvme, nil); $0.trailing = { (.crc64nvme, "AAAAAAAAAAA=") }
                    }
                ),
            ]
            for (expected, change) in wrong {
                for size in [1000, 200_000]
                where size == 200_000 || expected != .tooLarge && expected != .incompleteBody {
                    var expectations = BodyExpectations()
                    change(&expectations)
                    let body = Pieces(Array(bytes.prefix(size)))
                    let result = await outcome {
                        _ = try await objects.put(
                            collection: "eo1", key: "k", description: ObjectDescription(), expecting: expectations,
                            by: "ada", body: body)
                    }
                    #expect(result == expected)
                }
            }
            await #expect(throws: Pieces.Broken.self) {
                try await objects.put(
                    collection: "eo1", key: "k", description: ObjectDescription(), expecting: BodyExpectations(),
                    by: "ada",
                    body: Pieces(bytes, breaksOff: true))
            }
            let keys = try await objects.keys()
            #expect(keys.isEmpty)
            let blobs = try await objects.blobCount()
            #expect(blobs == 0)
        }
    }

    @Test(
        "each checksum is verified and kept",
        arguments: [
            (ChecksumAlgorithm.crc32, "y/Q5Jg=="), (.crc32c, "4waSgw=="), (.crc64nvme, "rosUhgp5mIg="),
            (.sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="), (.sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ])
    func checksums(algorithm: ChecksumAlgorithm, value: String) async throws {
        try await withObjects { objects in
            var expectations = BodyExpectations()
            expectations.checksum = (algorithm, value)
            let version = try await objects.put(
                collection: "eo1", key: "k", description: ObjectDescription(), expecting: expectations, by: "ada",
                body: Pieces(Array("123456789".utf8), 4))
            #expect(version.checksum == ObjectChecksum(algorithm: algorithm, value: value, kind: .fullObject))
            #expect(try await objects.head(collection: "eo1", key: "k").checksum == version.checksum)
        }
    }

    @Test(
        "keys that no file can have are refused",
        arguments: [
            "", "a/../b", "..", "./a", "a\0b", String(repeating: "k", count: 1025), ".martlet/x",
        ])
    func keys(key: String) async throws {
        try await withObjects { objects in
            let result = await outcome { try await objects.put(key, [1]) }
            #expect(result == (key.utf8.count > 1024 ? .keyTooLong : .invalidKey))
        }
    }

    @Test("of many who all demand that a key be new, exactly one gets it", arguments: TestEngine.allCases)
    func createOnce(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let winners = await withTaskGroup(of: Bool.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        do {
                            _ = try await objects.put(
                                collection: "eo1", key: "lock", description: ObjectDescription(),
                                expecting: BodyExpectations(),
                                by: "\(number)",
                                condition: { if $0 != nil { throw ObjectsError(.preconditionFailed, "there is one") } },
                                body: Pieces(noise(10, seed: UInt64(number))))
                            return true
                        } catch {
                            return false
                        }
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
        }
    }

    @Test(
        "an object that is replaced or removed goes when its time has come, with its bytes",
        arguments: TestEngine.allCases)
    func clearing(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(100_000, seed: 1))
            try await objects.put("k", noise(100_000, seed: 2))
            try await objects.put("gone", noise(100_000, seed: 3))
            #expect(
                try await objects.delete(collection: "eo1", [("gone", nil), ("never", nil)], by: "ada").map(\.existed)
                    == [true, false])
            #expect(try await objects.blobCount() == 3)
            #expect(try await objects.purgeRemoved(olderThan: 3600) == 0, "readers have a while to finish")
            #expect(try await objects.purgeRemoved(olderThan: -1) == 2)
            #expect(try await objects.collectGarbage(olderThan: -1) == 2)
            #expect(try await objects.blobCount() == 1)
            #expect(try await objects.get("k") == noise(100_000, seed: 2))
            #expect(await outcome { _ = try await objects.get("gone") } == .noSuchKey)
        }
    }

    @Test("blobs without a row are removed, those with one stay", arguments: TestEngine.allCases)
    func orphans(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(100_000))
            let upload = try await objects.createUpload(
                collection: "eo1", key: "m", description: ObjectDescription(), checksum: nil, by: "ada")
            _ = try await objects.putPart(
                upload, collection: "eo1", number: 1, expecting: BodyExpectations(), body: Pieces(noise(10)))
            let writer = try await objects.blobs.create(.random())
            try await writer.write(ByteBuffer(string: "left by a crash"))
            try await writer.finish()
            #expect(try await objects.blobCount() == 3)
            #expect(try await objects.sweepOrphans(madeBefore: Timestamp(seconds: 0)) == 0)
            // A node may be there again in the very second in which it was killed.
            try await Task.sleep(for: .milliseconds(20))
            #expect(try await objects.sweepOrphans(madeBefore: .now) == 1)
            #expect(try await objects.blobCount() == 2)
        }
    }

    @Test("a copy shares the bytes and outlives its source", arguments: TestEngine.allCases)
    func copies(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.createCollection("other", owner: "ada")
            for (key, size) in [("small", 500), ("large", 300_000)] {
                let bytes = noise(size)
                let source = try await objects.put(key, bytes)
                let copy = try await objects.copy(
                    from: "eo1", key: key, to: "other", key: "copy-" + key, replacing: nil, by: "ada")
                #expect(copy.etag == source.etag && copy.digest == source.digest && copy.id != source.id)
                try await objects.delete(collection: "eo1", [(key, nil)], by: "ada")
                _ = try await objects.purgeRemoved(olderThan: -1)
                _ = try await objects.collectGarbage(olderThan: -1)
                #expect(try await objects.get("copy-" + key, in: "other") == bytes)
            }
            try await objects.delete(collection: "other", [("copy-large", nil)], by: "ada")
            _ = try await objects.purgeRemoved(olderThan: -1)
            _ = try await objects.collectGarbage(olderThan: -1)
            #expect(try await objects.blobCount() == 0)
        }
    }

    @Test("a collection goes only when it is empty", arguments: TestEngine.allCases)
    func collections(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", [1, 2, 3])
            #expect(await outcome { try await objects.deleteCollection("eo1", by: "ada") } == .collectionNotEmpty)
            #expect(await outcome { try await objects.createCollection("eo1", owner: "bob") } == .collectionExists)
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
            try await objects.deleteCollection("eo1", by: "ada")
            #expect(await outcome { _ = try await objects.collection("eo1") } == .noSuchCollection)
            #expect(await outcome { try await objects.put("k", [1]) } == .noSuchCollection)
            for name in ["ab", "A-b", "a..b", "-ab", "1.2.3.4", "a_b", String(repeating: "a", count: 64)] {
                #expect(await outcome { try await objects.createCollection(name, owner: "ada") } == .invalidName)
            }
        }
    }

    @Test("no object is left of a collection that goes while objects come", arguments: TestEngine.allCases)
    func collectionGoes(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for _ in 0..<8 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<8 {
                        group.addTask {
                            let reason = await outcome { try await objects.put("k\(number)", [1]) }
                            #expect(reason == nil || reason == .noSuchCollection)
                        }
                    }
                    group.addTask {
                        let reason = await outcome { try await objects.deleteCollection("eo1", by: "ada") }
                        #expect(reason == nil || reason == .collectionNotEmpty)
                    }
                    try await group.waitForAll()
                }
                let orphans = try await objects.journal.read { reader in
                    try reader.scalar(
                        "SELECT count(*) FROM versions WHERE collection NOT IN (SELECT id FROM collections)")
                }
                #expect(orphans == 0)
                if await outcome({ try await objects.createCollection("eo1", owner: "ada") }) == .collectionExists {
                    try await objects.delete(collection: "eo1", objects.keys().map { ($0, nil) }, by: "ada")
                }
            }
        }
    }

    @Test("a flipped bit in a blob is found when it is read")
    func damage() async throws {
        try await withObjects { objects in
            let version = try await objects.put("k", noise(300_000))
            let blobs = try await objects.blobs.list(after: nil, limit: 10)
            let blob = try #require(blobs.first)
            var stored = try await objects.blobs.open(blob.id).read(0..<blob.size)
            let place = stored.readerIndex + 200_000
            stored.setInteger((stored.getInteger(at: place, as: UInt8.self) ?? 0) ^ 1, at: place)
            try await objects.blobs.delete(blob.id)
            let writer = try await objects.blobs.create(blob.id)
            try await writer.write(stored)
            try await writer.finish()
            #expect(await outcome { _ = try await objects.get("k") } == .damaged)
            #expect(try await objects.get("k", range: 0..<1000).count == 1000, "frames before the damage still open")
            #expect(version.size == 300_000)
        }
    }
}
