import BucketConfiguration
import Ciphers
import Database
import Glibc
import Journal
import Objects
import Synchronization
import TestSupport
import Testing
import Vault
import Wire

@Suite struct KeysTests {
    private func code(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "done"
        } catch let error as ObjectsError {
            return "\(error.code)"
        } catch let error as KeysError {
            return "\(error.code)"
        } catch {
            return "\(error)"
        }
    }

    private let samples: [(key: String, bytes: [UInt8])] = [
        ("empty", []), ("inline", noise(1000)), ("blob", noise(200_000)), ("prefix/other", noise(17, seed: 3)),
    ]

    private func store(_ objects: Objects) async throws {
        for sample in samples { try await objects.put(sample.key, sample.bytes) }
        let upload = try await objects.upload(to: "parts", [noise(5 << 20, seed: 7), noise(99, seed: 8)])
        _ = try await objects.complete(upload)
    }

    private func check(_ objects: Objects) async throws {
        for sample in samples { #expect(try await objects.get(sample.key) == sample.bytes, "\(sample.key)") }
        #expect(try await objects.get("parts") == noise(5 << 20, seed: 7) + noise(99, seed: 8))
    }

    /// Works until nothing is left to do but what is damaged; without pauses between the steps.
    private func rewrap(_ objects: Objects) async throws {
        // Transactions of other tests, in the same cluster of PostgreSQL, hold the horizon back.
        let hasEnded = try await eventually {
            while try await objects.rewrapStep(settleSeconds: 0) {}
            return try await objects.journal.read { reader in
                // What is damaged is looked at again in an hour.
                try reader.scalar(
                    "SELECT count(*) FROM collection_keys WHERE retired IS NOT NULL AND coalesce(swept, 0) <= ?",
                    .init(Timestamp.now.microseconds)) == 0
            }
        }
        #expect(hasEnded)
    }

    @Test("what is moved while a key is replaced is sealed under the new one", arguments: TestEngine.allCases)
    func moveWhileRotating(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            func moved(_ key: String) -> String { "moved-" + key.replacing("/", with: "-") }
            try await store(objects)
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            for key in samples.map(\.key) + ["parts"] {
                _ = try await objects.transfer(
                    Tree(collection: "eo1", path: key), to: Tree(collection: "eo1", path: moved(key)),
                    isMove: true, overwrites: false, permitted: ([key], []), by: "ada")
            }
            try await rewrap(objects)
            for sample in samples { #expect(try await objects.get(moved(sample.key)) == sample.bytes) }
            #expect(try await objects.get(moved("parts")).count == 5 << 20 + 99)
            #expect(try await objects.collectionKey("eo1").generations.map(\.generation) == [2])
        }
    }

    @Test("a rotated collection is read before, while and after it is rewrapped", arguments: TestEngine.allCases)
    func rotateCollection(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await store(objects)
            let pending = try await objects.upload(to: "late", [noise(100, seed: 9)])
            let blobs = try await objects.blobCount()
            #expect(try await objects.rotateKey(ofCollection: "eo1", by: "ada") == 2)
            #expect(await code { _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada") } == "underWay")
            try await objects.put("new", [1])
            var status = try await objects.collectionKey("eo1")
            #expect(status.generations.map(\.generation) == [1, 2])
            #expect(status.generations.map(\.sealed) == [7, 1], "4 objects, 3 parts; 1 new object")
            try await check(objects)
            try await rewrap(objects)
            status = try await objects.collectionKey("eo1")
            #expect(status.generations.map(\.generation) == [2])
            try await check(objects)
            _ = try await objects.complete(pending)
            #expect(try await objects.get("late") == noise(100, seed: 9))
            #expect(try await objects.get("new") == [1])
            #expect(try await objects.blobCount() == blobs, "no data are rewritten")
            let events = try await objects.journal.events(of: "collection eo1", limit: 10)
            #expect(events.map(\.kind) == [.keyRemoved, .keyRotated])
            let proof = try JSONValue(parsing: try #require(events.first).detail)
            #expect(proof["wrappedKeySHA256"]?.string?.count == 64)
            #expect(
                proof["labelSHA256"]?.string
                    == Hex.encode(DigestAlgorithm.sha256.hash(Array((proof["label"]?.string ?? "").utf8))))
            // And a second time, so that nothing rests on the first generation's form.
            #expect(try await objects.rotateKey(ofCollection: "eo1", by: "ada") == 3)
            try await rewrap(objects)
            try await check(objects)
        }
    }

    @Test("a copy of an object is sealed by its own collection's key, whatever rotates", arguments: TestEngine.allCases)
    func copies(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.createCollection("copies", owner: "ada")
            try await store(objects)
            for key in ["inline", "blob", "parts"] {
                _ = try await objects.copy(
                    from: "eo1", key: key, to: "copies", key: key, replacing: nil, by: "ada")
            }
            _ = try await objects.rotateKey(ofCollection: "copies", by: "ada")
            try await rewrap(objects)
            _ = try await objects.destroyKey(ofCollection: "eo1", by: "ada")
            #expect(try await objects.get("blob", in: "copies") == noise(200_000))
            #expect(try await objects.get("parts", in: "copies").count == (5 << 20) + 99)
            #expect(
                await code {
                    _ = try await objects.copy(
                        from: "eo1", key: "inline", to: "copies", key: "x", replacing: nil, by: "ada")
                } == "keyDestroyed")
        }
    }

    @Test("rewrapping goes on where it was ended", arguments: TestEngine.allCases)
    func bounded(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for number in 0..<1100 { try await objects.put("k\(number)", [UInt8(truncatingIfNeeded: number)]) }
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            var seen: [Int64] = []
            for _ in 0..<50 {
                _ = try await objects.rewrapStep(settleSeconds: 0)
                let old = try await objects.collectionKey("eo1").generations.first { $0.retired != nil }
                guard let old else { break }
                #expect(old.sealed + old.rewrapped == 1100)
                if seen.last != old.rewrapped { seen.append(old.rewrapped) }
            }
            #expect(seen == [0, 500, 1000, 1100], "no more than 500 at once")
            #expect(try await objects.collectionKey("eo1").generations.map(\.sealed) == [1100])
            #expect(try await objects.get("k77") == [77])
        }
    }

    @Test("nothing comes in under a key that is about to go", arguments: TestEngine.allCases)
    func closed(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("a", [1])
            let parts = try await objects.upload(to: "parts", [noise(100, seed: 7)])
            let database = objects.journal.database
            // As for a request that has sealed before a rotation, and comes to its end after the key was closed.
            try await database.write { try $0.run("UPDATE collections SET key_floor = 2") }
            #expect(await code { try await objects.put("refused", [3]) } == "unavailable")
            #expect(await code { try await objects.put("refused", noise(100_000)) } == "unavailable")
            #expect(await code { _ = try await objects.upload(to: "x", [noise(10)]) } == "unavailable")
            for key in ["a", "parts"] {
                #expect(
                    await code {
                        _ = try await objects.copy(from: "eo1", key: key, to: "eo1", key: "b", replacing: nil, by: "a")
                    } == (key == "a" ? "unavailable" : "noSuchKey"))
            }
            #expect(try await objects.keys() == ["a"])
            // What has come before may be completed and deleted: the sweep reaches it.
            _ = try await objects.complete(parts)
            #expect(try await objects.get("parts") == noise(100, seed: 7))
            #expect(
                await code {
                    _ = try await objects.copy(from: "eo1", key: "parts", to: "eo1", key: "b", replacing: nil, by: "a")
                } == "unavailable")
            try await objects.delete(collection: "eo1", [("parts", nil)], by: "ada")
            try await database.write { try $0.run("UPDATE collections SET key_floor = 1") }
            try await objects.put("b", [1])
            // And it is a rotation that closes.
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            _ = try await objects.rewrapStep(settleSeconds: 0)
            #expect(try await database.read { try $0.scalar("SELECT key_floor FROM collections") } == 2)
            try await objects.put("c", [1])
            try await rewrap(objects)
            #expect(try await objects.collectionKey("eo1").generations.map(\.sealed) == [4])
        }
    }

    @Test("a key waits for transactions that have found it open")
    func lateCommit() async throws {
        try await withObjects(.postgres) { objects in
            try await objects.put("a", [1])
            let sealed = try await objects.journal.read { reader in
                try reader.first("SELECT sealed_key FROM versions") { $0.blob(0) }
            }
            let old = try #require(sealed)
            // A connection's first TID may raise the ceiling of TIDs, under a lock: let each have had its first.
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        _ = try? await objects.journal.database.write { transaction in
                            _ = try transaction.tid
                            usleep(100_000)
                        }
                    }
                }
            }
            let (hasRead, mayWrite) = (Moment(), Moment())
            // What a write does, held up between its look at the floor and its row.
            async let late: Void = objects.journal.database.write { transaction in
                let number = try transaction.tid << 20
                _ = try transaction.scalar("SELECT key_floor FROM collections")
                hasRead.come()
                for _ in 0..<60_000 where !mayWrite.isThere { usleep(1000) }
                try transaction.run(
                    """
                    INSERT INTO versions (number, id, collection, key, kind, is_null, current, created, size, etag,
                        content_type, part_count, sealed_key, object)
                    SELECT ?, id, collection, 'late', 0, 1, 1, created, size, etag, content_type, 0, ?, object
                    FROM versions WHERE key = 'a'
                    """,
                    .init(number), .init(old))
                try transaction.run(
                    "INSERT INTO inline_bytes SELECT ?, bytes FROM inline_bytes LIMIT 1", .init(number))
            }
            #expect(try await eventually { hasRead.isThere })
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            for _ in 0..<10 { _ = try await objects.rewrapStep(settleSeconds: 0) }
            #expect(try await objects.collectionKey("eo1").generations.map(\.sealed) == [0, 1])
            mayWrite.come()
            try await late
            try await rewrap(objects)
            #expect(try await objects.collectionKey("eo1").generations.map(\.generation) == [2])
            #expect(try await objects.get("late") == [1])
        }
    }

    @Test("a damaged row keeps its key, and nobody else's", arguments: TestEngine.allCases)
    func damaged(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await store(objects)
            let database = objects.journal.database
            let sealed = try await database.read { reader in
                try reader.first("SELECT sealed_key FROM versions WHERE key = 'inline'") { $0.blob(0) }
            }
            var altered = try #require(sealed)
            altered[30] ^= 1
            try await database.write { [altered] in
                try $0.run("UPDATE versions SET sealed_key = ? WHERE key = 'inline'", .init(altered))
            }
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            try await rewrap(objects)
            #expect(try await objects.collectionKey("eo1").generations.map(\.sealed) == [1, 5])
            #expect(await code { _ = try await objects.get("inline") } == "damaged")
            #expect(try await objects.get("blob") == noise(200_000))
        }
    }

    @Test("a rotated space has its collections' keys rewrapped, and its old key goes", arguments: TestEngine.allCases)
    func rotateSpace(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await store(objects)
            try await objects.createCollection("eo2", owner: "ada")
            #expect(await code { _ = try await objects.rotateKey(ofSpace: "none", by: "ada") } == "notFound")
            #expect(try await objects.rotateKey(ofSpace: "main", by: "ada") == 2)
            #expect(await code { _ = try await objects.rotateKey(ofSpace: "main", by: "ada") } == "underWay")
            #expect(try await objects.spaceKeys().first?.generations.map(\.sealed) == [2, 0])
            try await objects.createCollection("eo3", owner: "ada")
            try await rewrap(objects)
            #expect(try await objects.spaceKeys().first?.generations.map(\.generation) == [2])
            #expect(try await objects.spaceKeys().first?.generations.map(\.sealed) == [3])
            try await check(objects)
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            try await rewrap(objects)
            try await check(objects)
        }
    }

    @Test("what may not be deleted yet keeps its key", arguments: TestEngine.allCases)
    func retained(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.enableObjectLock(of: "eo1", by: "ada")
            try await objects.put("a", [1])
            let until = Timestamp.now.adding(seconds: 3600)
            try await objects.setRetention(
                ObjectRetention(mode: .governance, until: until), collection: "eo1", key: "a", version: nil,
                bypasses: false,
                by: "ada")
            #expect(await code { _ = try await objects.destroyKey(ofCollection: "eo1", by: "ada") } == "retained")
            try await objects.setRetention(nil, collection: "eo1", key: "a", version: nil, bypasses: true, by: "ada")
            try await objects.setLegalHold(true, collection: "eo1", key: "a", version: nil, by: "ada")
            #expect(await code { _ = try await objects.destroyKey(ofCollection: "eo1", by: "ada") } == "retained")
            #expect(try await objects.get("a") == [1])
            try await objects.setLegalHold(false, collection: "eo1", key: "a", version: nil, by: "ada")
            #expect(try await objects.destroyKey(ofCollection: "eo1", by: "ada").versions == 1)
        }
    }

    @Test("versions that are not current are rewrapped too", arguments: TestEngine.allCases)
    func pastVersions(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.enableObjectLock(of: "eo1", by: "ada")
            let first = try await objects.put("a", [1])
            try await objects.put("a", [2])
            try await objects.delete(collection: "eo1", [("a", nil)], by: "ada")
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            try await rewrap(objects)
            #expect(try await objects.collectionKey("eo1").generations.map(\.sealed) == [2])
            let object = try await objects.open(first)
            #expect(try await objects.bytes(of: object, limit: 10) == [1])
        }
    }

    @Test("what a destroyed key has sealed is gone, but can be listed and deleted", arguments: TestEngine.allCases)
    func destroy(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await store(objects)
            try await objects.createCollection("other", owner: "ada")
            try await objects.put("kept", [1], in: "other")
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            let wrapped = try await objects.journal.read { reader in
                try reader.rows(
                    """
                    SELECT k.sealed_key FROM collection_keys k JOIN collections c ON c.id = k.collection
                    WHERE c.name = 'eo1' ORDER BY k.generation
                    """
                ) { $0.blob(0) }
            }
            let proof = try await objects.destroyKey(ofCollection: "eo1", by: "ada")
            #expect(proof.keys.map(\.sha256) == wrapped.map { DigestAlgorithm.sha256.hash($0) })
            #expect(proof.versions == 5)
            #expect(proof.isLogEmpty)
            for key in ["inline", "blob", "parts"] {
                #expect(await code { _ = try await objects.get(key) } == "keyDestroyed", "\(key)")
            }
            #expect(await code { try await objects.put("new", [1]) } == "keyDestroyed")
            #expect(await code { _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada") } == "destroyed")
            #expect(await code { _ = try await objects.destroyKey(ofCollection: "eo1", by: "ada") } == "destroyed")
            #expect(
                await code { _ = try await objects.destroyKey(ofCollection: "none", by: "a") } == "noSuchCollection")
            #expect(try await objects.keys().count == 5)
            #expect(try await objects.get("kept", in: "other") == [1])
            let event = try #require(try await objects.journal.events(of: "collection eo1", limit: 1).first)
            #expect(event.kind == .keyDestroyed && event.actor == "ada")
            #expect(try JSONValue(parsing: event.detail)["versions"]?.integer == 5)
            try await objects.delete(
                collection: "eo1",
                [("empty", nil), ("inline", nil), ("blob", nil), ("prefix/other", nil), ("parts", nil)], by: "ada")
            try await objects.deleteCollection("eo1", by: "ada")
        }
    }
}

extension Objects {
    /// An upload with its parts.
    struct Begun: Sendable {
        var upload: Upload
        var parts: [PartReference]
    }

    func upload(to key: String, _ parts: [[UInt8]]) async throws -> Begun {
        let upload = try await createUpload(
            collection: "eo1", key: key, description: ObjectDescription(), checksum: nil, by: "ada")
        var references: [PartReference] = []
        for (index, bytes) in parts.enumerated() {
            let part = try await putPart(
                upload, collection: "eo1", number: index + 1, expecting: BodyExpectations(), body: Pieces(bytes))
            references.append(PartReference(number: part.number, etag: part.etag, checksum: nil))
        }
        return Begun(upload: upload, parts: references)
    }

    func complete(_ begun: Begun) async throws -> ObjectVersion {
        try await completeUpload(
            collection: "eo1", key: begun.upload.key, id: begun.upload.id.text, parts: begun.parts, checksum: nil,
            size: nil, by: "ada")
    }
}

/// Something that one side waits for and the other says has come.
private final class Moment: Sendable {
    private let hasCome = Mutex(false)

    func come() { hasCome.withLock { $0 = true } }
    var isThere: Bool { hasCome.withLock { $0 } }
}
