import BucketConfiguration
import Database
import Journal
import NIOCore
import TestSupport
import Testing
import Wire

@testable import Objects

/// Storage classes are blob stores: what is in which, and what it takes to move it.
@Suite struct StorageClassTests {
    private static let large = noise(100_000)
    private static let later = Timestamp.now.adding(seconds: 100 * 86_400)

    private func withClasses(_ engine: TestEngine, _ body: (Objects) async throws -> Void) async throws {
        try await withObjects(engine, classes: [.standardIA, .glacier], body)
    }

    private func description(_ storageClass: StorageClass) -> ObjectDescription {
        var description = ObjectDescription()
        description.storageClass = storageClass
        return description
    }

    private func counts(_ objects: Objects) async throws -> [Int] {
        [
            try await objects.blobCount(), try await objects.blobCount(of: .standardIA),
            try await objects.blobCount(of: .glacier),
        ]
    }

    private func upload(_ key: String, _ objects: Objects, _ storageClass: StorageClass = .standard) async throws
        -> ObjectVersion
    {
        let upload = try await objects.createUpload(
            collection: "eo1", key: key, description: description(storageClass), checksum: nil, by: "ada")
        var references: [PartReference] = []
        for (number, size) in [(1, 5 << 20), (2, 100)] {
            let part = try await objects.putPart(
                upload, collection: "eo1", number: number, expecting: BodyExpectations(),
                body: Pieces(noise(size, seed: UInt64(number)), 1 << 20))
            references.append(PartReference(number: number, etag: part.etag, checksum: nil))
        }
        return try await objects.completeUpload(
            collection: "eo1", key: key, id: upload.id.text, parts: references, checksum: nil, size: nil, by: "ada")
    }

    private func code(_ body: () async throws -> Void) async -> ObjectsError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? ObjectsError)?.code
        }
    }

    @Test("an object's bytes are in the store of its class", arguments: TestEngine.allCases)
    func writes(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            #expect(objects.storageClasses == [.standard, .glacier, .standardIA])
            try await objects.put("a", Self.large)
            try await objects.put("b", Self.large, description: description(.glacier))
            try await objects.put("c", [1], description: description(.standardIA))
            _ = try await upload("d", objects, .standardIA)
            #expect(try await counts(objects) == [1, 2, 1])
            let entries = try await objects.list(collection: "eo1").entries
            #expect(entries.map(\.storageClass) == [.standard, .glacier, .standardIA, .standardIA])
            #expect(try await objects.head(collection: "eo1", key: "b").storageClass == .glacier)
            #expect(try await objects.get("b") == Self.large)
            #expect(try await objects.get("c") == [1])
            #expect(try await objects.get("d", range: (5 << 20)..<(5 << 20) + 100) == noise(100, seed: 2))
            #expect(
                await code { try await objects.put("e", [1], description: description(.deepArchive)) }
                    == .noSuchStorageClass)
            try await objects.delete(collection: "eo1", ["a", "b", "c", "d"].map { ($0, nil) }, by: "ada")
            _ = try await objects.purgeRemoved(olderThan: -10)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [0, 0, 0])
        }
    }

    @Test("a version is moved as it is, and what it leaves is garbage", arguments: TestEngine.allCases)
    func moves(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            let version = try await objects.put("a", Self.large)
            let small = try await objects.put("b", [1, 2])
            let parts = try await upload("c", objects)
            let open = try await objects.open(version)
            for version in [version, small, parts] {
                #expect(try await objects.move(version: version.number, to: .glacier, by: "ada"))
                #expect(try await !objects.move(version: version.number, to: .glacier, by: "ada"))
                let moved = try await objects.head(collection: "eo1", key: version.key)
                #expect(moved.storageClass == .glacier && moved.number == version.number && moved.etag == version.etag)
            }
            #expect(try await counts(objects) == [3, 0, 3])
            // Who has begun to read goes on.
            #expect(try await objects.bytes(of: open, range: 0..<100_000).readableBytes == 100_000)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [0, 0, 3])
            #expect(try await objects.get("a") == Self.large)
            #expect(try await objects.get("b") == [1, 2])
            #expect(try await objects.get("c", range: 0..<5 << 20) == noise(5 << 20, seed: 1))
            let event = try #require(try await objects.journal.events(of: "eo1/a", limit: 1).first)
            #expect(event.kind == .objectTransitioned && event.detail.contains(#""storageClass":"GLACIER""#))
            #expect(try await objects.move(version: version.number, to: .standard, by: "ada"))
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [1, 0, 2])
            #expect(try await objects.get("a") == Self.large)
        }
    }

    @Test("copies share bytes within a class and have their own in another", arguments: TestEngine.allCases)
    func copies(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            func copy(_ key: String, to target: String, _ storageClass: StorageClass) async throws -> ObjectVersion {
                try await objects.copy(
                    from: "eo1", key: key, to: "eo1", key: target, replacing: nil, storageClass: storageClass, by: "ada"
                )
            }
            let first = try await objects.put("a", Self.large)
            _ = try await upload("p", objects)
            _ = try await copy("a", to: "b", .standard)
            _ = try await copy("a", to: "c", .glacier)
            _ = try await copy("p", to: "q", .glacier)
            #expect(try await counts(objects) == [3, 0, 3])
            for key in ["a", "b", "c"] { #expect(try await objects.get(key) == Self.large) }
            #expect(try await objects.get("q", range: 0..<5 << 20) == noise(5 << 20, seed: 1))
            // What another version names stays when one is moved.
            #expect(try await objects.move(version: first.number, to: .standardIA, by: "ada"))
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [3, 1, 3])
            #expect(try await objects.get("b") == Self.large)
            // Onto itself.
            _ = try await copy("a", to: "a", .glacier)
            _ = try await objects.purgeRemoved(olderThan: -10)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [3, 0, 4])
            #expect(try await objects.get("a") == Self.large)
            #expect(await code { _ = try await copy("a", to: "x", .deepArchive) } == .noSuchStorageClass)
        }
    }

    @Test("garbage that a copy has come to name is no garbage", arguments: TestEngine.allCases)
    func namedGarbage(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            try await objects.put("a", Self.large)
            try await objects.journal.database.write {
                try $0.run("INSERT INTO garbage (blob, since) SELECT blob, 0 FROM versions WHERE blob IS NOT NULL")
            }
            #expect(try await objects.collectGarbage(olderThan: -10) == 1)
            #expect(try await objects.collectGarbage(olderThan: -10) == 0)
            #expect(try await objects.get("a") == Self.large)
        }
    }

    @Test("blobs that no row names are swept in every store", arguments: TestEngine.allCases)
    func orphans(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            try await objects.put("a", Self.large, description: description(.glacier))
            let version = try await objects.put("b", Self.large)
            // A move that a crash ended before its transaction.
            guard case .blob(let blob, _) = version.storage else { return }
            _ = try await objects.transfer(BlobPlace(id: blob, storageClass: .standard), to: .glacier)
            #expect(try await counts(objects) == [1, 0, 2])
            for storageClass in objects.storageClasses {
                let count = try await objects.sweepOrphans(
                    in: storageClass, madeBefore: Timestamp.now.adding(seconds: 10))
                #expect(count == (storageClass == .glacier ? 1 : 0))
            }
            #expect(try await objects.get("a") == Self.large)
            #expect(try await objects.get("b") == Self.large)
        }
    }

    @Test("a version that goes while it is moved leaves nothing", arguments: TestEngine.allCases)
    func races(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            struct Ended: Error {}
            let version = try await objects.put("a", noise(3 << 20))
            // Ended in the midst.
            await #expect(throws: Ended.self) {
                _ = try await objects.move(version: version.number, to: .glacier, by: "ada") { throw Ended() }
            }
            #expect(try await counts(objects) == [1, 0, 0])
            // Removed for good in the midst.
            let isMoved = try await objects.move(version: version.number, to: .glacier, by: "ada") {
                try await objects.delete(collection: "eo1", [("a", nil)], by: "ada")
                _ = try await objects.purgeRemoved(olderThan: -10)
            }
            #expect(!isMoved)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [0, 0, 0])
        }
    }

    @Test("rules move current and noncurrent versions down, and only down", arguments: TestEngine.allCases)
    func rules(engine: TestEngine) async throws {
        try await withClasses(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            try await objects.put("a", Self.large)
            try await objects.put("a", Self.large)
            try await objects.put("cold", Self.large, description: description(.glacier))
            let document = """
                <LifecycleConfiguration><Rule><ID>m</ID><Status>Enabled</Status><Filter/>
                <Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>
                <NoncurrentVersionTransition><NoncurrentDays>1</NoncurrentDays><StorageClass>GLACIER</StorageClass>
                </NoncurrentVersionTransition></Rule></LifecycleConfiguration>
                """
            try await objects.putSetting(.lifecycle, of: "eo1", to: document, by: "ada")
            var walk = try #require(try await objects.nextLifecycleWalk(after: 0, now: Self.later))
            var moved = 0
            while !walk.isDone {
                let step = try #require(try await objects.advance(&walk, now: Self.later))
                #expect(step.failures.isEmpty && step.expired == 0)
                moved += step.moved
            }
            #expect(moved == 2)
            let versions = try await objects.listVersions(collection: "eo1").versions
            #expect(versions.map(\.storageClass) == [.standardIA, .glacier, .glacier])
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await counts(objects) == [0, 1, 2])
            let event = try await objects.journal.events(of: "eo1/a", limit: 1).first
            #expect(event?.actor == Objects.lifecycleActor && event?.detail.contains(#""rule":"m""#) == true)
        }
    }

    @Test("what is in a store that the node does not have is not there now, and its garbage waits")
    func missingStore() async throws {
        try await withObjects { objects in
            let version = try await objects.put("a", Self.large)
            let other = try await objects.put("b", Self.large)
            try await objects.journal.database.write { transaction in
                try transaction.run("UPDATE versions SET store = 'GLACIER'")
            }
            #expect(await code { _ = try await objects.get("a") } == .storeMissing)
            #expect(
                await code { _ = try await objects.move(version: version.number, to: .standard, by: "ada") }
                    == .storeMissing)
            #expect(try await objects.head(collection: "eo1", key: other.key).storageClass == .glacier)
            try await objects.delete(collection: "eo1", [("a", nil)], by: "ada")
            _ = try await objects.purgeRemoved(olderThan: -10)
            #expect(try await objects.collectGarbage(olderThan: -10) == 0)
        }
    }
}
