import Journal
import NIOCore
import Objects
import TestSupport
import Testing

@Suite struct QuotaTests {
    private static let collection = QuotaScope.collection("eo1")

    private func used(_ objects: Objects, _ scope: QuotaScope = collection) async throws -> [Int64] {
        let quota = try #require(try await objects.quota(scope))
        return [quota.bytes, quota.objects]
    }

    private func isRefused(_ body: () async throws -> Void) async throws -> Bool {
        do {
            try await body()
            return false
        } catch let error as ObjectsError where error.code == .quotaExceeded {
            return true
        }
    }

    @Test("what is there is counted once, and what comes and goes after that", arguments: TestEngine.allCases)
    func counting(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            #expect(try await objects.quota(Self.collection) == nil)
            try await objects.put("a", noise(100))
            try await objects.put("b", noise(50_000))
            try await objects.put(".martlet/preview", noise(7000), isSystem: true)
            let set = try await objects.setQuota(Self.collection, bytesMax: 1_000_000, objectsMax: 10, by: "root")
            #expect([set.bytes, set.objects] == [50_100, 2])
            try await objects.put("a", noise(200))
            #expect(try await used(objects) == [50_200, 2])
            try await objects.put(".martlet/preview", noise(8000), isSystem: true)
            _ = try await objects.copy(
                from: "eo1", key: "b", to: "eo1", key: "c", replacing: nil, by: "ada")
            #expect(try await used(objects) == [100_200, 3])
            try await objects.delete(collection: "eo1", [("c", nil), ("a", nil), ("absent", nil)], by: "ada")
            #expect(try await used(objects) == [50_000, 1])

            // Every version that is kept counts, and none that is not.
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let second = try await objects.put("b", noise(10))
            try await objects.delete(collection: "eo1", [("b", nil)], by: "ada")
            #expect(try await used(objects) == [50_010, 2])
            try await objects.delete(collection: "eo1", [("b", second.name)], by: "ada")
            #expect(try await used(objects) == [50_000, 1])
            try await objects.setVersioning(.suspended, of: "eo1", by: "ada")
            try await objects.put("b", noise(1))
            #expect(try await used(objects) == [1, 1], "the null version is replaced, also below a marker")

            // Counted anew, it comes to the same.
            try await objects.removeQuota(Self.collection, by: "root")
            #expect(try await objects.quota(Self.collection) == nil)
            try await objects.put("d", noise(5))
            let again = try await objects.setQuota(Self.collection, bytesMax: nil, objectsMax: 5, by: "root")
            #expect([again.bytes, again.objects] == [6, 2])
            let kinds = try await objects.journal.events(of: "eo1", limit: 10).map(\.kind)
            #expect(kinds.filter { $0 == .quotaSet }.count == 2 && kinds.contains(.quotaRemoved))
        }
    }

    @Test("what would be too much is refused and leaves nothing behind", arguments: TestEngine.allCases)
    func enforcing(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("a", noise(60_000))
            _ = try await objects.setQuota(Self.collection, bytesMax: 100_000, objectsMax: 2, by: "root")
            #expect(try await isRefused { try await objects.put("b", noise(40_001)) })
            #expect(try await objects.blobCount() == 1)
            // In place of what is there it fits.
            try await objects.put("a", noise(100_000))
            #expect(try await isRefused { try await objects.put("b", noise(1)) })
            try await objects.put("a", noise(10))
            try await objects.put("b", noise(10))
            #expect(try await isRefused { try await objects.put("c", []) })
            #expect(
                try await isRefused {
                    _ = try await objects.copy(from: "eo1", key: "a", to: "eo1", key: "c", replacing: nil, by: "ada")
                })
            // Below what there is, things can only become fewer.
            _ = try await objects.setQuota(Self.collection, bytesMax: 5, objectsMax: 1, by: "root")
            #expect(try await isRefused { try await objects.put("a", noise(11)) })
            try await objects.put("a", noise(5))
            try await objects.delete(collection: "eo1", [("b", nil)], by: "ada")
            #expect(try await used(objects) == [5, 1])
        }
    }

    @Test("a body is refused before it is stored: by its length, or as soon as it is too long")
    func early() async throws {
        try await withObjects { objects in
            _ = try await objects.setQuota(Self.collection, bytesMax: 1_000_000, objectsMax: nil, by: "root")
            struct Asked: Error {}
            struct Unread: AsyncSequence, AsyncIteratorProtocol, Sendable {
                func makeAsyncIterator() -> Unread { self }
                func next() async throws -> ByteBuffer? { throw Asked() }
            }
            var expectations = BodyExpectations()
            expectations.length = 1_000_001
            let announced = expectations
            #expect(
                try await isRefused {
                    _ = try await objects.put(
                        collection: "eo1", key: "k", description: ObjectDescription(), expecting: announced, by: "ada",
                        body: Unread())
                })
            // Of ten times as much no more is taken than what shows that it is too long.
            #expect(try await isRefused { try await objects.put("k", noise(10_000_000)) })
            #expect(try await objects.blobCount() == 0)
        }
    }

    @Test("a multipart upload counts when it is complete", arguments: TestEngine.allCases)
    func multipart(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            _ = try await objects.setQuota(Self.collection, bytesMax: 6 << 20, objectsMax: nil, by: "root")
            func upload(_ sizes: [Int]) async throws {
                let upload = try await objects.createUpload(
                    collection: "eo1", key: "m", description: ObjectDescription(), checksum: nil, by: "ada")
                var parts: [PartReference] = []
                for (index, size) in sizes.enumerated() {
                    let part = try await objects.putPart(
                        upload, collection: "eo1", number: index + 1, expecting: BodyExpectations(),
                        body: Pieces(noise(size)))
                    parts.append(PartReference(number: part.number, etag: part.etag, checksum: nil))
                }
                _ = try await objects.completeUpload(
                    collection: "eo1", key: "m", id: upload.id.text, parts: parts, checksum: nil, size: nil, by: "ada")
            }
            #expect(try await isRefused { try await upload([7 << 20]) }, "a part that cannot fit")
            #expect(try await isRefused { try await upload([5 << 20, 2 << 20]) })
            #expect(try await used(objects) == [0, 0])
            try await upload([5 << 20, 1 << 20])
            #expect(try await used(objects) == [6 << 20, 1])
            try await objects.delete(collection: "eo1", [("m", nil)], by: "ada")
            #expect(try await used(objects) == [0, 0])
        }
    }

    @Test("a space's quota is for all of its collections, also for new ones", arguments: TestEngine.allCases)
    func spaces(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let space = QuotaScope.space("main")
            try await objects.put("a", noise(1000))
            _ = try await objects.setQuota(space, bytesMax: 3000, objectsMax: nil, by: "root")
            _ = try await objects.setQuota(Self.collection, bytesMax: 1500, objectsMax: nil, by: "root")
            try await objects.createCollection("eo2", owner: "ada")
            try await objects.put("a", noise(1500), in: "eo2")
            #expect(try await used(objects, space) == [2500, 2])
            #expect(try await isRefused { try await objects.put("b", noise(501), in: "eo2") }, "of the space")
            #expect(try await isRefused { try await objects.put("b", noise(501)) }, "of the collection")
            // The nearer limit is what is left.
            let left = try await objects.quota(of: objects.collection("eo1"))?.bytesLeft
            #expect(left == 500)
            #expect(try await objects.quotas().map(\.scope) == [space, Self.collection])
            try await objects.removeQuota(space, by: "root")
            try await objects.put("b", noise(5000), in: "eo2")
            #expect(try await objects.quota(of: objects.collection("eo2")) == nil)
            #expect(try await used(objects) == [1000, 1])
            await #expect { try await objects.removeQuota(.collection("absent"), by: "root") } throws: {
                ($0 as? ObjectsError)?.code == .noSuchCollection
            }
        }
    }

    @Test("of many writers as many succeed as there is room for", arguments: TestEngine.allCases)
    func writersAtOnce(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            _ = try await objects.setQuota(Self.collection, bytesMax: 1000, objectsMax: 7, by: "root")
            let stored = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        try await !isRefused { try await objects.put("k\(number)", noise(100)) }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(stored == 7)
            #expect(try await used(objects) == [700, 7])
        }
    }

    @Test("a quota that is set among writers counts each of them once", arguments: TestEngine.allCases)
    func settingAmongWriters(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<60 { group.addTask { try await objects.put("k\(number % 20)", noise(number)) } }
                for _ in 0..<3 {
                    group.addTask {
                        _ = try await objects.setQuota(Self.collection, bytesMax: nil, objectsMax: 50, by: "root")
                        try await objects.removeQuota(Self.collection, by: "root")
                    }
                }
                group.addTask {
                    _ = try await objects.setQuota(.space("main"), bytesMax: 1 << 40, objectsMax: nil, by: "root")
                }
                try await group.waitForAll()
            }
            let listed = try await objects.list(collection: "eo1").entries
            #expect(try await used(objects, .space("main")) == [listed.reduce(0) { $0 + $1.size }, 20])
        }
    }
}

extension Objects {
    fileprivate func put(_ key: String, _ bytes: [UInt8], isSystem: Bool) async throws {
        _ = try await put(
            collection: "eo1", key: key, description: ObjectDescription(), expecting: BodyExpectations(), by: "ada",
            isSystem: isSystem, body: Pieces(bytes))
    }
}
