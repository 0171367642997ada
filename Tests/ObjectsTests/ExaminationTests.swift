import Blobs
import Database
import Journal
import NIOCore
import Objects
import TestSupport
import Testing

@Suite struct ExaminationTests {
    private static let sizes = [0, 1, 100, 16 << 10, (16 << 10) + 1, 65_536, 200_000, 3 << 20]

    @Test("what is as it was stored is sound, whatever its size", arguments: TestEngine.allCases)
    func sound(_ engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            for size in Self.sizes {
                let version = try await objects.put("\(size)", noise(size))
                #expect(try await objects.examine(version) == .sound, "\(size)")
            }
            let version = try await objects.put("gone", noise(10))
            try await objects.delete(collection: "eo1", [("gone", nil)], by: "ada")
            _ = try await objects.purgeRemoved(olderThan: 0)
            #expect(try await objects.examine(version) == .gone)
        }
    }

    @Test("a flipped bit in an inline row is found, also where nobody ever reads a byte", arguments: [0, 1, 5000])
    func inline(_ size: Int) async throws {
        try await withObjects { objects in
            let version = try await objects.put("a", noise(size))
            try await objects.journal.database.write { transaction in
                let bytes = try transaction.first("SELECT bytes FROM inline_bytes") { $0.blob(0) }
                var flipped = try #require(bytes)
                flipped[flipped.count / 2] ^= 1
                try transaction.run("UPDATE inline_bytes SET bytes = ?", .init(flipped))
            }
            guard case .damaged = try await objects.examine(version) else {
                Issue.record("it was not found")
                return
            }
            if size > 0 { #expect(await outcome { _ = try await objects.get("a") } == .damaged) }
        }
    }

    @Test(
        "what a row says and its bytes do not is found",
        arguments: [
            "size = size + 1", "etag = '0123456789abcdef0123456789abcdef'", "digest = sealed_key",
            "sealed_key = digest", "blob = NULL", "id = sealed_key",
        ])
    func rows(_ change: String) async throws {
        try await withObjects { objects in
            let version = try await objects.put("a", noise(100_000))
            try await objects.journal.database.write { try $0.run("UPDATE versions SET \(change)") }
            guard case .damaged = try await objects.examine(version) else {
                Issue.record("'\(change)' was not found")
                return
            }
        }
    }

    @Test("a blob that is missing is found, and told from a version that was removed")
    func missing() async throws {
        try await withObjects { objects in
            let version = try await objects.put("a", noise(100_000))
            let blob = try #require(try await objects.blobs.list(after: nil, limit: 1).first)
            try await objects.blobs.delete(blob.id)
            #expect(try await objects.examine(version) == .damaged("a stored blob is missing"))
            #expect(await outcome { _ = try await objects.get("a") } == .damaged)
            #expect(objects.takeSuspects().map(\.number) == [version.number])
            #expect(objects.takeSuspects().isEmpty)
        }
    }

    @Test(
        "how far the scrub is outlives the node, and another pass begins from the start", arguments: TestEngine.allCases
    )
    func state(_ engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            #expect(try await objects.scrubState().began == nil)
            try await objects.beginScrub()
            var state = try await objects.scrubState()
            state.cursor = 7
            state.versions = 3
            #expect(try await objects.store(state, by: "system:scrubber"))
            #expect(try await objects.scrubState().cursor == 7)
            try await objects.beginScrub()
            #expect(try await objects.scrubState().cursor == 0)
            #expect(try await !objects.store(state, by: "system:scrubber"), "of the pass before")
        }
    }
}
