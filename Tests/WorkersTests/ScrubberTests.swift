import Blobs
import Database
import Journal
import NIOCore
import NIOPosix
import Objects
import TestSupport
import Testing
import Vault
import Wire

@testable import Workers

@Suite struct ScrubberTests {
    private func withObjects(_ body: (Objects) async throws -> Void) async throws {
        try await withFolder { folder in
            try await TestEngine.sqlite.withDatabase(Journal.migrations + Objects.migrations) { database in
                let blobs = try await DiskBlobs.open(folder + "/blobs")
                let objects = Objects(
                    journal: Journal(database: database, node: "test"), stores: BlobStores(standard: blobs),
                    master: try MasterKey.open(path: folder + "/master.key", creates: true), pool: .singleton)
                do {
                    try await objects.createCollection("eo1", owner: "ada")
                    try await body(objects)
                    await blobs.close()
                } catch {
                    await blobs.close()
                    throw error
                }
            }
        }
    }

    private func put(_ key: String, in objects: Objects) async throws {
        _ = try await objects.put(
            collection: "eo1", key: key, description: ObjectDescription(), expecting: BodyExpectations(), by: "ada",
            body: OneBuffer(ByteBuffer(string: key)))
    }

    /// Runs a scrubber until a pass has ended.
    private func pass(_ objects: Objects) async throws -> ScrubState {
        let task = Task { try await Scrubber(objects: objects, bytesPerSecond: 1 << 30).run() }
        defer { task.cancel() }
        var state = ScrubState()
        let hasEnded = try await eventually {
            state = try await objects.scrubState()
            return state.ended != nil
        }
        #expect(hasEnded)
        return state
    }

    @Test("a pass goes on where it was, puts into quarantine what is damaged, and the next one releases what is not")
    func passes() async throws {
        try await withObjects { objects in
            for number in 0..<250 { try await put("\(1000 + number)", in: objects) }
            let listed = try await objects.versions(collection: objects.collection("eo1").id, prefix: "")
            let (early, late) = (listed[10], listed[200])
            for version in [early, late] {
                try await objects.journal.database.write { transaction in
                    try transaction.run(
                        "UPDATE versions SET etag = ? WHERE number = ?",
                        .init("d41d8cd98f00b204e9800998ecf8427e"), .init(version.number))
                }
            }
            // As if a node had ended after the first half.
            try await objects.beginScrub()
            var state = try await objects.scrubState()
            (state.cursor, state.versions) = (listed[99].number, 100)
            #expect(try await objects.store(state, by: "test"))
            state = try await pass(objects)
            #expect((state.versions, state.damaged) == (250, 1))
            #expect(try await objects.quarantined().map(\.version.key) == [late.key])

            try await objects.journal.database.write { transaction in
                try transaction.run(
                    "UPDATE versions SET etag = ? WHERE number = ?", .init(late.etag), .init(late.number))
            }
            try await objects.beginScrub()
            state = try await pass(objects)
            #expect((state.versions, state.damaged) == (250, 1))
            #expect(try await objects.quarantined().map(\.version.key) == [early.key])
            let events = try await objects.journal.events(of: "eo1/\(late.key)", limit: 10).map(\.kind)
            #expect(events == [.objectReleased, .objectQuarantined, .objectPut])
            #expect(try await objects.journal.events(of: "scrub", limit: 10).count == 2)
        }
    }

    @Test("malware is not released by a scrub")
    func malware() async throws {
        try await withObjects { objects in
            try await put("a", in: objects)
            let version = try await objects.head(collection: "eo1", key: "a")
            try await objects.quarantine(version, .malware, reason: "Eicar", by: "test")
            #expect(try await pass(objects).versions == 1)
            #expect(try await objects.quarantined().map(\.quarantine.reason) == ["Eicar"])
        }
    }
}
