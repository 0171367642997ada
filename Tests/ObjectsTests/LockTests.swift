import BucketConfiguration
import Objects
import TestSupport
import Testing
import Wire

/// Object Lock as AWS describes it ("Locking objects with Object Lock").
@Suite struct LockTests {
    private func removal(_ objects: Objects, _ version: ObjectVersion, bypasses: Bool = false) async throws
        -> ObjectsError.Code?
    {
        try await objects.delete(
            collection: "eo1", [(version.key, version.name)], by: "ada", bypassesGovernance: bypasses
        ).first?.failure?.code
    }

    @Test("what is retained stays, however it is asked for", arguments: TestEngine.allCases)
    func retention(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let soon = Timestamp.now.adding(seconds: 3600)
            let later = Timestamp.now.adding(seconds: 7200)
            func retain(
                _ version: ObjectVersion, _ mode: RetentionMode?, _ until: Timestamp, bypasses: Bool = false
            )
                async -> ObjectsError.Code?
            {
                await outcome {
                    try await objects.setRetention(
                        mode.map { ObjectRetention(mode: $0, until: until) }, collection: "eo1", key: version.key,
                        version: version.name, bypasses: bypasses, by: "ada")
                }
            }
            let early = try await objects.put("early", noise(1))
            #expect(await retain(early, .governance, soon) == .noObjectLock)
            try await objects.enableObjectLock(of: "eo1", by: "ada")
            #expect(
                await outcome { try await objects.setVersioning(.suspended, of: "eo1", by: "ada") } == .invalidState)

            let first = try await objects.put("k", noise(1))
            #expect(await retain(first, .governance, soon) == nil)
            #expect(try await removal(objects, first) == .locked)
            #expect(await retain(first, .governance, later) == nil)
            #expect(await retain(first, .governance, soon) == .locked)
            #expect(await retain(first, nil, soon) == .locked)
            #expect(await retain(first, .governance, soon, bypasses: true) == nil)
            // A deletion without a version only hides.
            #expect(try await objects.delete(collection: "eo1", [("k", nil)], by: "ada").first?.marker != nil)
            #expect(try await removal(objects, first) == .locked)
            #expect(try await removal(objects, first, bypasses: true) == nil)
            #expect(
                await outcome { _ = try await objects.head(collection: "eo1", key: "k", version: first.name) } != nil)

            let second = try await objects.put("c", noise(2))
            #expect(await retain(second, .compliance, soon) == nil)
            #expect(try await removal(objects, second, bypasses: true) == .locked)
            #expect(await retain(second, .compliance, Timestamp.now, bypasses: true) == .locked)
            #expect(await retain(second, .governance, later, bypasses: true) == .locked)
            #expect(await retain(second, nil, later, bypasses: true) == .locked)
            #expect(await retain(second, .compliance, later) == nil)
            #expect(await outcome { try await objects.deleteCollection("eo1", by: "ada") } == .collectionNotEmpty)
        }
    }

    @Test("a legal hold stays until it is taken off; what has run out holds nothing", arguments: TestEngine.allCases)
    func holds(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.enableObjectLock(of: "eo1", by: "ada")
            let version = try await objects.put("k", noise(1))
            try await objects.setLegalHold(true, collection: "eo1", key: "k", version: nil, by: "ada")
            #expect(try await removal(objects, version, bypasses: true) == .locked)
            // One that is locked does not keep the others.
            let other = try await objects.put("other", noise(1))
            let both = try await objects.delete(
                collection: "eo1", [("k", version.name), ("other", other.name)], by: "ada")
            #expect(both.map(\.failure?.code) == [.locked, nil])
            try await objects.setRetention(
                ObjectRetention(mode: .compliance, until: Timestamp.now.adding(seconds: -1)), collection: "eo1",
                key: "k",
                version: nil, bypasses: false, by: "ada")
            try await objects.setLegalHold(false, collection: "eo1", key: "k", version: version.name, by: "ada")
            #expect(try await removal(objects, version) == nil)
        }
    }

    @Test("tags are changed without a new version", arguments: TestEngine.allCases)
    func tags(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let version = try await objects.put("k", noise(1))
            try await objects.setTags(
                [HeaderField(name: "a", value: "1"), HeaderField(name: "ü", value: "")], collection: "eo1", key: "k",
                version: nil, by: "ada")
            let tagged = try await objects.head(collection: "eo1", key: "k")
            #expect(tagged.tags.map(\.name) == ["a", "ü"] && tagged.number == version.number)
            try await objects.setTags([], collection: "eo1", key: "k", version: "null", by: "ada")
            #expect(try await objects.head(collection: "eo1", key: "k").tags == [])
        }
    }
}
