import Database
import Journal
import NIOCore
import Objects
import TestSupport
import Testing
import Wire

@Suite struct TransactionTests {
    static func put(
        _ objects: Objects, _ key: String, _ bytes: [UInt8], in id: TransactionID?,
        condition: @escaping WriteCondition = { _ in }
    ) async throws {
        _ = try await objects.put(
            collection: "eo1", key: key, description: ObjectDescription(), expecting: BodyExpectations(), by: "ada",
            in: id, condition: condition, body: Pieces(bytes))
    }

    private static func bytes(_ objects: Objects, _ key: String, in id: TransactionID?) async throws -> [UInt8] {
        let object = try await objects.open(collection: "eo1", key: key, in: id)
        let buffer = try await objects.bytes(of: object, range: 0..<object.version.size)
        return Array(buffer.readableBytesView)
    }

    @Test(
        "what a transaction writes is seen by itself alone, and then by everybody at once",
        arguments: TestEngine.allCases)
    func visibility(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("old", noise(1))
            try await objects.put("gone", noise(2))
            let before = try await objects.head(collection: "eo1", key: "old").tid
            let id = try await objects.openTransaction(owner: "ada").id
            try await Self.put(objects, "old", noise(10), in: id)
            try await Self.put(objects, "large", noise(100_000), in: id)
            try await Self.put(objects, "large", noise(100_001), in: id)
            try await objects.delete(collection: "eo1", [("gone", nil)], by: "ada", in: id)
            #expect(try await objects.keys() == ["gone", "old"])
            #expect(try await objects.listVersions(collection: "eo1").versions.count == 2)
            #expect(try await objects.get("old") == noise(1))
            #expect(try await Self.bytes(objects, "old", in: id) == noise(10))
            #expect(try await Self.bytes(objects, "large", in: id) == noise(100_001))
            #expect(await outcome { _ = try await objects.open(collection: "eo1", key: "gone", in: id) } == .noSuchKey)
            #expect(await outcome { _ = try await objects.open(collection: "eo1", key: "large") } == .noSuchKey)
            let staged = try await objects.stagedWrites(of: id, limit: 2)
            #expect(staged.writes.map(\.key) == ["gone", "large"])
            let rest = try await objects.stagedWrites(of: id, after: staged.next, limit: 2)
            #expect(rest.writes.map(\.key) == ["old"] && rest.next == nil)
            #expect(try await objects.transaction(id).writes == 3)

            let tid = try await objects.commit(id, by: "ada")
            #expect(try await objects.keys() == ["large", "old"])
            #expect(try await objects.get("old") == noise(10))
            #expect(try await objects.get("large") == noise(100_001))
            for key in ["large", "old"] { #expect(try await objects.head(collection: "eo1", key: key).tid == tid) }
            #expect(try await objects.list(collection: "eo1", asOf: before).entries.map(\.key).contains("old"))
            #expect(try await objects.list(collection: "eo1", asOf: tid).entries.map(\.key) == ["large", "old"])
            // Whoever lost the answer asks again, and gets the same.
            #expect(try await objects.commit(id, by: "ada") == tid)
            #expect(await outcome { try await Self.put(objects, "late", noise(1), in: id) } == .transactionEnded)
            #expect(await outcome { try await objects.abort(id, by: "ada") } == .transactionEnded)
            let events = try await objects.journal.events(after: JournalPosition(tid: tid, sequence: -1), limit: 10)
            #expect(
                events.map(\.kind) == [.objectDeleted, .objectPut, .objectPut, .transactionCommitted]
                    && events.allSatisfy { $0.tid == tid })
        }
    }

    @Test("a key that others wrote meanwhile is a conflict, and nothing is committed", arguments: TestEngine.allCases)
    func conflicts(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for key in ["put", "deleted", "kept"] { try await objects.put(key, noise(1)) }
            let id = try await objects.openTransaction(owner: "ada").id
            for key in ["put", "deleted", "new", "kept", "other"] { try await Self.put(objects, key, noise(2), in: id) }
            try await objects.put("put", noise(3))
            try await objects.delete(collection: "eo1", [("deleted", nil)], by: "bob")
            try await objects.put("new", noise(3))
            // Written again in the transaction, it is still a conflict: nobody has looked at what came.
            try await Self.put(objects, "put", noise(4), in: id)
            await #expect { _ = try await objects.commit(id, by: "ada") } throws: { error in
                (error as? TransactionConflict)?.keys.map(\.key) == ["deleted", "new", "put"]
            }
            #expect(try await objects.get("put") == noise(3))
            #expect(try await objects.get("kept") == noise(1))
            #expect(try await objects.keys() == ["kept", "new", "put"])
            // Without them it goes.
            for key in ["put", "deleted", "new"] { try await objects.unstage(key, in: "eo1", from: id) }
            _ = try await objects.commit(id, by: "ada")
            #expect(try await objects.get("kept") == noise(2))
            #expect(try await objects.get("other") == noise(2))
            #expect(try await objects.get("put") == noise(3))
        }
    }

    @Test("conditions look at what the transaction sees, and hold until its commit", arguments: TestEngine.allCases)
    func conditions(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            struct Taken: Error {}
            let isNew: WriteCondition = { if $0 != nil { throw Taken() } }
            let first = try await objects.openTransaction(owner: "ada").id
            let second = try await objects.openTransaction(owner: "bob").id
            try await Self.put(objects, "k", noise(1), in: first, condition: isNew)
            await #expect(throws: Taken.self) {
                try await Self.put(objects, "k", noise(2), in: first, condition: isNew)
            }
            try await Self.put(objects, "k", noise(3), in: second, condition: isNew)
            _ = try await objects.commit(second, by: "bob")
            await #expect(throws: TransactionConflict.self) { _ = try await objects.commit(first, by: "ada") }
            #expect(try await objects.get("k") == noise(3))
            try await objects.delete(collection: "eo1", [("k", nil)], by: "bob")
            let third = try await objects.openTransaction(owner: "ada").id
            try await Self.put(objects, "k", noise(1), in: third)
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada", in: third)
            try await Self.put(objects, "k", noise(5), in: third, condition: isNew)
            _ = try await objects.commit(third, by: "ada")
            #expect(try await objects.get("k") == noise(5))
        }
    }

    @Test("with versioning a transaction makes versions and markers like anybody", arguments: TestEngine.allCases)
    func versions(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(1))
            try await objects.put("d", noise(1))
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let id = try await objects.openTransaction(owner: "ada").id
            try await Self.put(objects, "k", noise(2), in: id)
            let deletions = try await objects.delete(
                collection: "eo1", [("d", nil), ("k", "null")], by: "ada", in: id)
            #expect(deletions.map(\.failure?.code) == [nil, .notInTransaction])
            _ = try await objects.commit(id, by: "ada")
            let versions = try await objects.listVersions(collection: "eo1").versions
            #expect(
                versions.map { "\($0.key) \($0.isDeleteMarker ? "marker" : "\($0.size)") \($0.isCurrent)" } == [
                    "d marker true", "d 1 false", "k 2 true", "k 1 false",
                ])
            #expect(versions[2].name != "null" && versions[3].name == "null")
        }
    }

    @Test("uploads in parts and copies are part of a transaction too", arguments: TestEngine.allCases)
    func uploads(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let id = try await objects.openTransaction(owner: "ada").id
            try await Self.put(objects, "source", noise(50_000), in: id)
            _ = try await objects.copy(
                from: "eo1", key: "source", to: "eo1", key: "copy", replacing: nil, by: "ada", in: id)
            let upload = try await objects.createUpload(
                collection: "eo1", key: "parts", description: ObjectDescription(), checksum: nil, by: "ada")
            let part = try await objects.putPart(
                upload, collection: "eo1", number: 1, expecting: BodyExpectations(), body: Pieces(noise(70_000)))
            for _ in 0..<2 {
                // The second time by a client that lost the answer.
                let version = try await objects.completeUpload(
                    collection: "eo1", key: "parts", id: upload.id.text,
                    parts: [PartReference(number: 1, etag: part.etag, checksum: nil)], checksum: nil, size: nil,
                    by: "ada", in: id)
                #expect(version.size == 70_000)
            }
            #expect(try await objects.keys() == [])
            // Nothing of it is garbage.
            _ = try await objects.purgeRemoved(olderThan: -1)
            _ = try await objects.collectGarbage(olderThan: -1)
            #expect(try await objects.sweepOrphans(madeBefore: .now.adding(seconds: 60)) == 0)
            _ = try await objects.commit(id, by: "ada")
            #expect(try await objects.get("source") == noise(50_000))
            #expect(try await objects.get("copy") == noise(50_000))
            #expect(try await objects.get("parts") == noise(70_000))
        }
    }

    @Test("what is given up leaves nothing, by its owner or by time", arguments: TestEngine.allCases)
    func ends(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for isAborted in [true, false] {
                let id = try await objects.openTransaction(owner: "ada").id
                try await Self.put(objects, "a", noise(100_000), in: id)
                try await Self.put(objects, "a", noise(100_001), in: id)
                try await Self.put(objects, "b", noise(10), in: id)
                if isAborted {
                    try await objects.abort(id, by: "ada")
                    try await objects.abort(id, by: "ada")
                } else {
                    #expect(try await objects.expireTransactions() == 0)
                    try await objects.journal.database.write { try $0.run("UPDATE transactions SET expires = 1") }
                    #expect(await outcome { try await Self.put(objects, "c", noise(1), in: id) } == .noSuchTransaction)
                    #expect(try await objects.expireTransactions() == 1)
                }
                #expect(await outcome { _ = try await objects.commit(id, by: "ada") } == .noSuchTransaction)
                #expect(
                    await outcome { _ = try await objects.open(collection: "eo1", key: "a", in: id) }
                        == .noSuchTransaction)
                while try await objects.purgeRemoved(olderThan: -1) > 0 {}
                while try await objects.collectGarbage(olderThan: -1) > 0 {}
                #expect(try await objects.blobCount() == 0)
                #expect(try await objects.keys() == [])
            }
            // It was never there, so nothing of the past is lost.
            let now = try await objects.journal.database.read { try $0.firstUnended() - 1 }
            #expect(try await objects.horizon(of: "eo1") <= now)
            try await objects.deleteCollection("eo1", by: "ada")
        }
    }

    @Test("a collection that is gone is a conflict, also where another has its name", arguments: TestEngine.allCases)
    func goneCollection(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let id = try await objects.openTransaction(owner: "ada").id
            try await Self.put(objects, "k", noise(1), in: id)
            try await objects.deleteCollection("eo1", by: "ada")
            await #expect(throws: TransactionConflict.self) { _ = try await objects.commit(id, by: "ada") }
            try await objects.createCollection("eo1", owner: "ada")
            await #expect(throws: TransactionConflict.self) { _ = try await objects.commit(id, by: "ada") }
            #expect(try await objects.keys() == [])
        }
    }

    @Test("a quota counts what is committed, and refuses a commit that would not fit", arguments: TestEngine.allCases)
    func quotas(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("old", noise(100))
            _ = try await objects.setQuota(.collection("eo1"), bytesMax: 1000, objectsMax: nil, by: "ada")
            func used() async throws -> [Int64?] {
                let quota = try await objects.quota(.collection("eo1"))
                return [quota?.bytes, quota?.objects]
            }
            let id = try await objects.openTransaction(owner: "ada").id
            for size in [500, 600] { try await Self.put(objects, "new", noise(size), in: id) }
            try await Self.put(objects, "old", noise(50), in: id)
            #expect(try await used() == [100, 1])
            let other = try await objects.openTransaction(owner: "ada").id
            try await Self.put(objects, "more", noise(500), in: other)
            _ = try await objects.commit(id, by: "ada")
            #expect(try await used() == [650, 2])
            #expect(await outcome { _ = try await objects.commit(other, by: "ada") } == .quotaExceeded)
            #expect(try await used() == [650, 2])
            try await objects.abort(other, by: "ada")
            #expect(try await used() == [650, 2])
            let last = try await objects.openTransaction(owner: "ada").id
            try await objects.delete(collection: "eo1", [("new", nil)], by: "ada", in: last)
            _ = try await objects.commit(last, by: "ada")
            #expect(try await used() == [50, 1])
        }
    }

    @Test("limits hold")
    func limits() async throws {
        try await withObjects { objects in
            for seconds: Int64 in [0, -1, TransactionLimits.secondsMax + 1] {
                #expect(
                    await outcome { _ = try await objects.openTransaction(owner: "ada", seconds: seconds) }
                        == .transactionLimit)
            }
            for _ in 0..<TransactionLimits.openMax { _ = try await objects.openTransaction(owner: "ada") }
            #expect(await outcome { _ = try await objects.openTransaction(owner: "ada") } == .transactionLimit)
            let id = try await objects.openTransaction(owner: "bob").id
            // As many deletions as fit; one more is refused.
            for start in stride(from: 0, to: TransactionLimits.writesMax, by: 1000) {
                try await objects.delete(
                    collection: "eo1", (start..<start + 1000).map { ("k\($0)", nil) }, by: "bob", in: id)
            }
            #expect(await outcome { try await Self.put(objects, "k", noise(1), in: id) } == .transactionLimit)
            try await Self.put(objects, "k5", noise(1), in: id)
            _ = try await objects.commit(id, by: "bob")
            #expect(try await objects.keys() == ["k5"])
        }
    }

    @Test("of two who commit the same keys at once one wins whole", arguments: TestEngine.allCases)
    func races(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for round in 0..<6 {
                let keys = (0..<5).map { "r\(round)/\($0)" }
                let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for writer in 0..<4 {
                        group.addTask {
                            let id = try await objects.openTransaction(owner: "w\(writer)").id
                            for key in writer.isMultiple(of: 2) ? keys : keys.reversed() {
                                try await Self.put(objects, key, noise(writer + 1), in: id)
                            }
                            do {
                                _ = try await objects.commit(id, by: "w\(writer)")
                                return true
                            } catch is TransactionConflict {
                                try await objects.abort(id, by: "w\(writer)")
                                return false
                            }
                        }
                    }
                    return try await group.reduce(into: [Bool]()) { $0.append($1) }
                }
                #expect(outcomes.contains(true))
                let versions = try await objects.list(collection: "eo1", prefix: "r\(round)/").entries
                #expect(versions.count == 5 && Set(versions.map(\.size)).count == 1)
            }
        }
    }

    @Test("what was is restored: copies of what was there, deletions of what was not", arguments: TestEngine.allCases)
    func restoring(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for number in 0..<7 { try await objects.put("d/\(number)", noise(number + 1)) }
            try await objects.put("d/large", noise(60_000))
            try await objects.put("other", noise(1))
            let then = try await objects.head(collection: "eo1", key: "other").tid
            try await objects.put("d/1", noise(50))
            try await objects.put("d/2", noise(3))
            try await objects.put("d/new", noise(51))
            try await objects.put("other", noise(52))
            try await objects.delete(collection: "eo1", [("d/3", nil), ("d/large", nil)], by: "eve")
            let id = try await objects.openTransaction(owner: "ada").id
            var after = ""
            var changed: [String] = []
            while true {
                let page = try await objects.differences(
                    collection: "eo1", prefix: "d/", asOf: then, after: after, limit: 3)
                changed += page.differences.map(\.key)
                try await objects.restore(page.differences, of: "eo1", asOf: then, to: "eo1", in: id, by: "ada")
                guard let next = page.next else { break }
                after = next
            }
            // The same bytes again are no difference.
            #expect(changed == ["d/1", "d/3", "d/large", "d/new"])
            _ = try await objects.commit(id, by: "ada")
            #expect(try await objects.keys() == (0..<7).map { "d/\($0)" } + ["d/large", "other"])
            for number in 0..<7 { #expect(try await objects.get("d/\(number)") == noise(number + 1)) }
            #expect(try await objects.get("d/large") == noise(60_000))
            #expect(try await objects.get("other") == noise(52))
            #expect(try await objects.differences(collection: "eo1", prefix: "d/", asOf: then).differences.isEmpty)

            try await objects.createCollection("copy", owner: "ada")
            try await objects.put("d/0", noise(99), in: "copy")
            try await objects.put("mine", noise(99), in: "copy")
            let second = try await objects.openTransaction(owner: "ada").id
            let page = try await objects.differences(collection: "eo1", asOf: then, from: "copy")
            try await objects.restore(page.differences, of: "eo1", asOf: then, to: "copy", in: second, by: "ada")
            _ = try await objects.commit(second, by: "ada")
            #expect(try await objects.get("d/0", in: "copy") == noise(1))
            #expect(try await objects.get("other", in: "copy") == noise(1))
            #expect(try await objects.get("mine", in: "copy") == noise(99))
        }
    }

    @Test("a history tells who did what, page by page, newest first", arguments: TestEngine.allCases)
    func history(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.createCollection("noise", owner: "ada")
            for number in 0..<5 {
                try await objects.put("k", noise(number))
                try await objects.put("other", noise(1), in: "noise")
                try await objects.put("d/\(number)", noise(1))
            }
            let collection = try await objects.collection("eo1").id
            for limit in [1, 3, 100] {
                for (subject, prefix, count) in [("eo1/k", "", 5), (nil, "eo1/d/", 5), (nil, "", 11)]
                    as [(String?, String, Int)]
                {
                    var events: [Event] = []
                    var before: JournalPosition?
                    while true {
                        let page = try await objects.journal.history(
                            of: collection, subject: subject, prefix: prefix, before: before, limit: limit)
                        #expect(page.events.count <= limit)
                        events += page.events
                        guard let next = page.next else { break }
                        before = next
                    }
                    #expect(events.count == count, "\(subject ?? "") \(prefix) pages of \(limit)")
                    #expect(events.map(\.tid) == events.map(\.tid).sorted(by: >))
                }
            }
        }
    }
}
