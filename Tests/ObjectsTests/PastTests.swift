import Database
import Journal
import NIOCore
import Objects
import TestSupport
import Testing

@Suite struct PastTests {
    /// What a key stood for: its ETag; nothing where there was no object.
    private typealias State = [String: String]

    /// A TID that is not below that of anything that has ended.
    private static func now(_ objects: Objects) async throws -> Int64 {
        try await objects.journal.database.read { try $0.firstUnended() - 1 }
    }

    private static func state(_ objects: Objects) async throws -> State {
        let listing = try await objects.list(collection: "eo1")
        return Dictionary(listing.entries.map { ($0.key, $0.etag) }) { first, _ in first }
    }

    /// One random change.
    private static func change(
        _ objects: Objects, _ chance: inout SeededGenerator, _ keys: [String], _ step: Int
    ) async throws {
        let key = keys.randomElement(using: &chance) ?? "a"
        switch Int.random(in: 0..<12, using: &chance) {
        case 0..<5: try await objects.put(key, noise(step + 1, seed: UInt64(step + 1)))
        case 5: try await objects.put(key, noise(20_000 + step, seed: UInt64(step + 1)))
        case 6, 7: try await objects.delete(collection: "eo1", [(key, nil)], by: "ada")
        case 8, 9:
            let versions = try await objects.listVersions(collection: "eo1", prefix: key).versions
            guard let found = versions.randomElement(using: &chance) else { return }
            try await objects.delete(collection: "eo1", [(found.key, found.name)], by: "ada")
        case 10:
            let versioning: Versioning = Bool.random(using: &chance) ? .enabled : .suspended
            try await objects.setVersioning(versioning, of: "eo1", by: "ada")
        default:
            guard let source = try await state(objects).keys.sorted().randomElement(using: &chance) else { return }
            _ = try await objects.copy(
                from: "eo1", key: source, to: "eo1", key: key, replacing: ObjectDescription(), by: "ada")
        }
    }

    @Test("every state there was can be read again, whatever happened since", arguments: TestEngine.allCases)
    func model(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            var chance = SeededGenerator(seed: 7)
            let keys = ["a", "a/1", "a/2", "a/b/3", "b", "b/x", "c", "d/1", "d/2", "é"]
            var states: [(tid: Int64, state: State)] = []
            for step in 0..<160 {
                try await Self.change(objects, &chance, keys, step)
                states.append((try await Self.now(objects), try await Self.state(objects)))
            }
            for (tid, state) in states {
                for key in keys {
                    let found = try? await objects.head(collection: "eo1", key: key, asOf: tid)
                    #expect(found?.etag == state[key], "'\(key)' as of \(tid)")
                }
                let limit = Int.random(in: 1...6, using: &chance)
                let delimiter = Bool.random(using: &chance) ? "/" : ""
                let prefix = ["", "", "a/", "d"].randomElement(using: &chance) ?? ""
                try await Self.compare(objects, tid, state, prefix: prefix, delimiter: delimiter, limit: limit)
            }
            let (tid, state) = states[states.count / 2]
            for key in state.keys {
                let object = try await objects.open(collection: "eo1", key: key, asOf: tid)
                let bytes = try await objects.bytes(of: object, range: 0..<object.version.size)
                #expect(bytes.readableBytes == Int(object.version.size))
            }
            // What is purged cannot be told any more, and everything that can still be told is still right.
            while try await objects.purgeRemoved(olderThan: -1, limit: 7) > 0 {}
            let before = await Self.failure { try await objects.list(collection: "eo1", asOf: states[0].tid) }
            #expect(before == .notKept)
            for (tid, state) in states.suffix(20) {
                do {
                    let listing = try await objects.list(collection: "eo1", asOf: tid)
                    #expect(Dictionary(uniqueKeysWithValues: listing.entries.map { ($0.key, $0.etag) }) == state)
                } catch let error as PastError {
                    #expect(error.code == .notKept)
                }
            }
            #expect(try await Self.state(objects) == states.last?.state)
        }
    }

    @Test("a collection with a long past goes bit by bit, and says so if it stays", arguments: TestEngine.allCases)
    func deletion(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for step in 0..<12 { try await objects.put("k", noise(20_000, seed: UInt64(step))) }
            let past = try await Self.now(objects)
            let writing = try await objects.openTransaction(owner: "ada").id
            try await TransactionTests.put(objects, "staged", noise(1), in: writing)
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
            let id = try await objects.collection("eo1").id
            #expect(try await objects.purgePast(of: id, limit: 5) == 5)
            #expect(try await objects.purgePast(of: id) == 7)
            #expect(try await objects.purgePast(of: id) == 0)
            #expect(await Self.failure { try await objects.list(collection: "eo1", asOf: past) } == .notKept)
            // What a transaction has written is no past.
            _ = try await objects.commit(writing, by: "ada")
            #expect(try await objects.keys() == ["staged"])
            try await objects.delete(collection: "eo1", [("staged", nil)], by: "ada")
            try await objects.deleteCollection("eo1", by: "ada")
            #expect(try await objects.collections().isEmpty)
        }
    }

    private static func compare(
        _ objects: Objects, _ tid: Int64, _ state: State, prefix: String, delimiter: String, limit: Int
    ) async throws {
        let matching = state.keys.filter { $0.hasPrefix(prefix) }
        func common(_ key: String) -> String? {
            guard !delimiter.isEmpty, let end = key.dropFirst(prefix.count).firstIndex(of: "/") else { return nil }
            return String(key[...end])
        }
        let entries = matching.filter { common($0) == nil }
        let prefixes = Set(matching.compactMap(common))
        var listed: [String] = []
        var rolledUp: [String] = []
        var after = ""
        while true {
            let page = try await objects.list(
                collection: "eo1", prefix: prefix, delimiter: delimiter, after: after, limit: limit, asOf: tid)
            #expect(page.entries.count + page.commonPrefixes.count <= limit)
            listed += page.entries.map(\.key)
            rolledUp += page.commonPrefixes
            #expect(page.entries.allSatisfy { state[$0.key] == $0.etag })
            guard let next = page.next else { break }
            after = next
        }
        let where_ = "as of \(tid), prefix '\(prefix)', delimiter '\(delimiter)', pages of \(limit)"
        #expect(listed == entries.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }, "\(where_)")
        #expect(rolledUp == prefixes.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }, "\(where_)")
    }

    @Test(
        "a state that is not there is refused: of the future, and of before the collection",
        arguments: TestEngine.allCases)
    func refusals(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(1))
            let tid = try await Self.now(objects)
            for future in [tid + 1_000_000, Int64.max] {
                #expect(
                    await Self.failure { try await objects.head(collection: "eo1", key: "k", asOf: future) } == .notYet)
            }
            try await objects.createCollection("later", owner: "ada")
            #expect(await outcome { _ = try await objects.list(collection: "later", asOf: tid) } == .noSuchCollection)
            #expect(await outcome { _ = try await objects.list(collection: "never", asOf: tid) } == .noSuchCollection)
        }
    }

    @Test("a version by its name is there only while it was", arguments: TestEngine.allCases)
    func named(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let before = try await Self.now(objects)
            let first = try await objects.put("k", noise(1))
            let second = try await objects.put("k", noise(2))
            try await objects.delete(collection: "eo1", [("k", second.name)], by: "ada")
            let after = try await Self.now(objects)
            func size(_ name: String?, _ tid: Int64) async -> Int64? {
                try? await objects.head(collection: "eo1", key: "k", version: name, asOf: tid).size
            }
            #expect(await size(nil, before) == nil)
            #expect(await size(first.name, before) == nil)
            #expect(await size(nil, first.tid) == 1)
            #expect(await size(second.name, first.tid) == nil)
            #expect(await size(nil, second.tid) == 2)
            #expect(await size(second.name, second.tid) == 2)
            #expect(await size(nil, after) == 1)
            #expect(await size(second.name, after) == nil)
            #expect(await size(first.name, after) == 1)
        }
    }

    private static func failure<T>(_ body: () async throws -> T) async -> PastError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? PastError)?.code
        }
    }
}
