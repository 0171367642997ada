import Objects
import TestSupport
import Testing

/// Write locks as RFC 4918 §6 and §7 have them, held against every face.
@Suite struct WriteLockTests {
    private func lock(
        _ objects: Objects, _ path: String, isDeep: Bool = false, isShared: Bool = false, seconds: Int64 = 600,
        by account: String = "ada"
    ) async throws -> WriteLock {
        try await objects.lock(
            collection: "eo1", path: path, isDeep: isDeep, isShared: isShared, owner: "", seconds: seconds, by: account)
    }

    private func isRefused(_ body: () async throws -> Void) async -> Bool {
        do {
            try await body()
            return false
        } catch {
            return (error as? ObjectsError)?.code == .writeLocked
        }
    }

    private func put(
        _ objects: Objects, _ key: String, _ tokens: Set<String> = [], by account: String = "ada"
    ) async throws {
        _ = try await objects.put(
            collection: "eo1", key: key, description: ObjectDescription(), expecting: BodyExpectations(), by: account,
            holding: tokens, body: Pieces([1]))
    }

    @Test("a locked file is written and removed by its holder only", arguments: TestEngine.allCases)
    func files(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await put(objects, "a/k")
            let held = try await lock(objects, "a/k")
            #expect(await isRefused { try await put(objects, "a/k") })
            #expect(await isRefused { try await put(objects, "a/k", [held.token], by: "bob") })
            #expect(await isRefused { try await put(objects, "a/k", ["urn:uuid:other"]) })
            let refused = try await objects.delete(collection: "eo1", [("a/k", nil), ("a/other", nil)], by: "bob")
            #expect(refused.map(\.failure?.code) == [.writeLocked, nil])
            try await put(objects, "a/k", [held.token])
            try await put(objects, "a/other")
            #expect(await isRefused { _ = try await lock(objects, "a/k") })
            #expect(await isRefused { _ = try await lock(objects, "a", isDeep: true) })
            #expect(await isRefused { _ = try await lock(objects, "a/k", isShared: true, by: "bob") })
            #expect(
                await isRefused {
                    try await objects.unlock(collection: "eo1", path: "a/k", token: held.token, by: "bob")
                })
            try await objects.unlock(collection: "eo1", path: "a/k", token: held.token, by: "bob", breaks: true)
            try await put(objects, "a/k")
            #expect(try await objects.locks(collection: "eo1", path: "a/k").isEmpty)
        }
    }

    @Test("a folder's lock is for the list of what is in it, or for all below", arguments: TestEngine.allCases)
    func folders(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await put(objects, "a/k")
            let flat = try await lock(objects, "a")
            try await put(objects, "a/k")
            #expect(await isRefused { try await put(objects, "a/new") })
            #expect(await isRefused { _ = try await objects.createFolder(collection: "eo1", path: "a/new", by: "ada") })
            try await put(objects, "a/deep/new")
            #expect(
                try await objects.delete(collection: "eo1", [("a/k", nil)], by: "ada").first?.failure?.code
                    == .writeLocked)
            try await put(objects, "a/new", [flat.token])
            try await objects.unlock(collection: "eo1", path: "a", token: flat.token, by: "ada")

            let deep = try await lock(objects, "a", isDeep: true)
            #expect(await isRefused { try await put(objects, "a/deep/new") })
            #expect(await isRefused { _ = try await lock(objects, "a/deep/new") })
            try await put(objects, "ab")
            try await put(objects, "a/deep/new", [deep.token])
            #expect(try await objects.locks(collection: "eo1", path: "a/deep/new").map(\.token) == [deep.token])
            let tree = Tree(collection: "eo1", path: "a")
            let keys = Set(try await objects.keys(of: tree))
            #expect(await isRefused { try await objects.delete(tree, permitted: keys, by: "ada") })
            try await objects.delete(tree, permitted: keys, by: "ada", holding: [deep.token])
            #expect(try await objects.locks(collection: "eo1", inOrBelow: "").isEmpty)
        }
    }

    @Test("shared locks stand beside each other; locks end by themselves", arguments: TestEngine.allCases)
    func sharing(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let first = try await lock(objects, "k", isShared: true)
            let second = try await lock(objects, "k", isShared: true, by: "bob")
            #expect(await isRefused { _ = try await lock(objects, "k") })
            #expect(await isRefused { try await put(objects, "k") })
            try await put(objects, "k", [first.token])
            try await put(objects, "k", [second.token], by: "bob")
            let refreshed = try await objects.refreshLock(
                collection: "eo1", path: "k", tokens: [first.token], seconds: 7000, by: "ada")
            #expect(refreshed.expires > first.expires && refreshed.token == first.token)
            await #expect(throws: ObjectsError.self) {
                _ = try await objects.refreshLock(
                    collection: "eo1", path: "k", tokens: [second.token], seconds: 7000, by: "ada")
            }
            for lock in [first, second] {
                try await objects.unlock(collection: "eo1", path: "k", token: lock.token, by: lock.account)
            }
            let short = try await lock(objects, "k")
            #expect(await isRefused { try await put(objects, "k") })
            _ = try await objects.refreshLock(
                collection: "eo1", path: "k", tokens: [short.token], seconds: 1, by: "ada")
            #expect(try await eventually { await !isRefused { try await put(objects, "k") } })
        }
    }
}
