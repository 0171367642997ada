import BucketConfiguration
import Database
import Journal
import Objects
import TestSupport
import Testing
import Wire

/// What lifecycle rules do to what is stored; when they do it is `BucketConfigurationTests`' matter.
@Suite struct LifecycleTests {
    private static let later = Timestamp.now.adding(seconds: 10 * 86_400)

    private func setRules(_ rules: String..., of objects: Objects) async throws {
        let document = "<LifecycleConfiguration>" + rules.joined() + "</LifecycleConfiguration>"
        _ = try LifecycleConfiguration(parsing: Array(document.utf8))
        try await objects.putSetting(.lifecycle, of: "eo1", to: document, by: "ada")
    }

    private static func rule(_ id: String, _ actions: String, filter: String = "<Filter/>") -> String {
        "<Rule><ID>\(id)</ID><Status>Enabled</Status>\(filter)\(actions)</Rule>"
    }

    private static let day = "<Expiration><Days>1</Days></Expiration>"

    /// Walks through everything that is due.
    @discardableResult
    private func carryOut(_ objects: Objects, now: Timestamp = later) async throws -> Int {
        var count = 0
        var last: Int64 = 0
        while var walk = try await objects.nextLifecycleWalk(after: last, now: now) {
            last = walk.collection.id
            while !walk.isDone { count += try await objects.advance(&walk, now: now)?.expired ?? 0 }
        }
        return count
    }

    private func versions(_ objects: Objects) async throws -> [String] {
        try await objects.listVersions(collection: "eo1").versions.map { $0.key + ($0.isDeleteMarker ? "!" : "") }
    }

    @Test("objects expire by prefix, tag and size; the journal says by which rule", arguments: TestEngine.allCases)
    func expiration(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for key in ["a/1", "a/2", "b/1", "c", "d"] { try await objects.put(key, [1]) }
            try await objects.put("b/big", noise(200))
            try await objects.setTags(
                [HeaderField(name: "k", value: "v")], collection: "eo1", key: "c", version: nil, by: "ada")
            try await setRules(
                Self.rule("a", Self.day, filter: "<Filter><Prefix>a/</Prefix></Filter>"),
                Self.rule(
                    "big", Self.day,
                    filter:
                        "<Filter><And><Prefix>b/</Prefix><ObjectSizeGreaterThan>100</ObjectSizeGreaterThan></And></Filter>"
                ),
                Self.rule("tag", Self.day, filter: "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>"),
                of: objects)
            #expect(try await carryOut(objects, now: .now) == 0)
            #expect(try await carryOut(objects) == 4)
            #expect(try await objects.keys() == ["b/1", "d"])
            let event = try #require(try await objects.journal.events(of: "eo1/a/1", limit: 1).first)
            #expect(event.kind == .objectDeleted && event.actor == Objects.lifecycleActor)
            #expect(event.detail == #"{"rule":"a"}"#)
            #expect(try await carryOut(objects) == 0)
        }
    }

    @Test("a day is walked through once; new rules begin a new walk", arguments: TestEngine.allCases)
    func walks(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", [1])
            try await setRules(Self.rule("x", Self.day, filter: "<Prefix>x</Prefix>"), of: objects)
            #expect(try await carryOut(objects) == 0)
            #expect(try await objects.nextLifecycleWalk(after: 0, now: Self.later) == nil)
            let tomorrow = Self.later.adding(seconds: 86_400)
            var walk = try #require(try await objects.nextLifecycleWalk(after: 0, now: tomorrow))
            // The rules change in the midst of it: this walk is over, and another sees the new ones.
            try await setRules(Self.rule("k", Self.day), of: objects)
            #expect(try await objects.advance(&walk, now: tomorrow) == nil)
            #expect(try await carryOut(objects) == 1)
            try await objects.deleteSetting(.lifecycle, of: "eo1", by: "ada")
            #expect(try await objects.nextLifecycleWalk(after: 0, now: tomorrow) == nil)
        }
    }

    @Test("a walk goes on where it was left, beyond one batch", arguments: TestEngine.allCases)
    func batches(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for index in 0..<520 { try await objects.put("k\(1000 + index)", []) }
            try await objects.put("z", [])
            try await setRules(
                Self.rule("k", Self.day, filter: "<Prefix>k</Prefix>"),
                Self.rule("k2", Self.day, filter: "<Prefix>k2</Prefix>"), of: objects)
            var walk = try #require(try await objects.nextLifecycleWalk(after: 0, now: Self.later))
            #expect(try await objects.advance(&walk, now: Self.later)?.expired == 500)
            walk = try #require(try await objects.nextLifecycleWalk(after: 0, now: Self.later))
            #expect(try await objects.advance(&walk, now: Self.later)?.expired == 20)
            #expect(try await objects.keys() == ["z"])
        }
    }

    @Test(
        "where versions are kept a marker hides what expires, and goes when it hides nothing",
        arguments: TestEngine.allCases)
    func versioned(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            try await objects.put("k", [1])
            try await objects.put("k", [2])
            try await setRules(Self.rule("e", Self.day), of: objects)
            #expect(try await carryOut(objects) == 1)
            #expect(try await versions(objects) == ["k!", "k", "k"])
            // The marker is not old enough, and hides something.
            try await setRules(
                Self.rule(
                    "n",
                    """
                    <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>
                    <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>
                    """), of: objects)
            #expect(try await carryOut(objects) == 2)
            #expect(try await versions(objects) == ["k!"])
            #expect(try await carryOut(objects, now: Self.later.adding(seconds: 86_400)) == 1)
            #expect(try await versions(objects) == [])
        }
    }

    @Test("so many noncurrent versions are kept, and those that are locked", arguments: TestEngine.allCases)
    func noncurrent(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.enableObjectLock(of: "eo1", by: "ada")
            var made: [ObjectVersion] = []
            for byte in 0..<6 { made.append(try await objects.put("k", [UInt8(byte)])) }
            try await objects.setLegalHold(true, collection: "eo1", key: "k", version: made[1].name, by: "ada")
            try await objects.setRetention(
                ObjectRetention(mode: .governance, until: .now.adding(seconds: 86_400)), collection: "eo1", key: "k",
                version: made[0].name, bypasses: false, by: "ada")
            try await setRules(
                Self.rule(
                    "n",
                    """
                    <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>
                    <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>
                    """), of: objects)
            #expect(try await carryOut(objects, now: .now) == 0)
            #expect(try await carryOut(objects) == 1)
            let left = try await objects.listVersions(collection: "eo1").versions.map(\.name)
            #expect(left == [5, 4, 3, 1, 0].map { made[$0].name })
        }
    }

    @Test("uploads that were not completed are aborted, their parts become garbage", arguments: TestEngine.allCases)
    func uploads(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for index in 0..<25 {
                let upload = try await objects.createUpload(
                    collection: "eo1", key: "up/\(index % 3)", description: ObjectDescription(), checksum: nil,
                    by: "ada")
                guard index == 0 else { continue }
                _ = try await objects.putPart(
                    upload, collection: "eo1", number: 1, expecting: BodyExpectations(), body: Pieces(noise(100)))
            }
            _ = try await objects.createUpload(
                collection: "eo1", key: "other", description: ObjectDescription(), checksum: nil, by: "ada")
            try await setRules(
                Self.rule(
                    "u",
                    "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
                    filter: "<Filter><Prefix>up/</Prefix></Filter>"), of: objects)
            #expect(try await carryOut(objects) == 25)
            #expect(try await objects.uploads(collection: "eo1").uploads.map(\.key) == ["other"])
            #expect(try await objects.blobCount() == 1)
            _ = try await objects.collectGarbage(olderThan: -10)
            #expect(try await objects.blobCount() == 0)
        }
    }

    @Test("what is told of an object's end is what the rules say")
    func header() async throws {
        try await withObjects { objects in
            let first = try await objects.put("k", [1])
            #expect(try await objects.expiration(of: first, in: "eo1") == nil)
            try await setRules(Self.rule("r", Self.day), of: objects)
            let header = try await objects.expiration(of: first, in: "eo1")
            #expect(header?.hasSuffix(#"00:00:00 GMT", rule-id="r""#) == true)
            try await objects.deleteSetting(.lifecycle, of: "eo1", by: "ada")
            #expect(try await objects.expiration(of: first, in: "eo1") == nil)
        }
    }
}
