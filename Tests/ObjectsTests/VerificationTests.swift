import Blobs
import Database
import Journal
import Objects
import TestSupport
import Testing

private actor Findings {
    var all: [Finding] = []

    func add(_ finding: Finding) { all.append(finding) }
}

@Suite struct VerificationTests {
    private func verify(_ objects: Objects) async throws -> (counts: ObjectCounts, subjects: [String]) {
        let findings = Findings()
        let counts = try await objects.verify(found: { await findings.add($0) }, progress: { _, _ in })
        return (counts, await findings.all.map { "\($0.check): \($0.subject)" })
    }

    /// Objects of all kinds: inline, a blob, of parts, versions, a marker, a copy, an upload under way, garbage.
    private func fill(_ objects: Objects) async throws {
        try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
        try await objects.put("a", noise(100))
        try await objects.put("a", noise(100_000))
        try await objects.put("b", noise(200_000))
        try await objects.delete(collection: "eo1", [("b", nil)], by: "ada")
        for key in ["parts", "open"] {
            let upload = try await objects.createUpload(
                collection: "eo1", key: key, description: ObjectDescription(), checksum: nil, by: "ada")
            let part = try await objects.putPart(
                upload, collection: "eo1", number: 3, expecting: BodyExpectations(), body: Pieces(noise(70_000)))
            guard key == "parts" else { continue }
            _ = try await objects.completeUpload(
                collection: "eo1", key: key, id: upload.id.text,
                parts: [PartReference(number: 3, etag: part.etag, checksum: nil)], checksum: nil, size: nil, by: "ada")
        }
        _ = try await objects.copy(from: "eo1", key: "parts", to: "eo1", key: "copy", replacing: nil, by: "ada")
        let gone = try await objects.put("gone", noise(90_000))
        try await objects.delete(collection: "eo1", [("gone", gone.name)], by: "ada")
        _ = try await objects.purgeRemoved(olderThan: 0)
    }

    @Test("a store that is as it was made has no findings", arguments: TestEngine.allCases)
    func sound(_ engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await fill(objects)
            let (counts, subjects) = try await verify(objects)
            #expect(subjects == [])
            #expect((counts.versions, counts.uploads, counts.garbage, counts.orphans) == (6, 1, 1, 0))
            #expect(counts.bytes == 100 + 100_000 + 200_000 + 70_000 + 70_000)
            #expect(try await objects.storedBytes() == counts.bytes)
        }
    }

    @Test("what a transaction holds ready is no finding, before and after", arguments: TestEngine.allCases)
    func transactions(_ engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let id = try await objects.openTransaction(owner: "ada").id
            try await TransactionTests.put(objects, "inline", noise(10), in: id)
            try await TransactionTests.put(objects, "blob", noise(100_000), in: id)
            #expect(try await verify(objects).subjects == [])
            _ = try await objects.commit(id, by: "ada")
            let (counts, subjects) = try await verify(objects)
            #expect(subjects == [])
            #expect(counts.versions == 2)
        }
    }

    @Test("blobs that nothing names are counted, and are no damage")
    func orphans() async throws {
        try await withObjects { objects in
            let writer = try await objects.blobs.create(.random())
            try await writer.finish()
            let (counts, subjects) = try await verify(objects)
            #expect(subjects == [])
            #expect(counts.orphans == 1)
        }
    }

    @Test(
        "what contradicts itself is found",
        arguments: [
            ("DELETE FROM inline_bytes", "objects: version "),
            ("DELETE FROM parts WHERE version IN (SELECT id FROM versions WHERE key = 'copy')", "objects: version "),
            ("UPDATE parts SET start = 1 WHERE start = 0", "objects: version "),
            ("UPDATE parts SET sealed_key = blob WHERE start IS NULL", "uploads: part 3 of upload "),
            ("DELETE FROM uploads", "objects: part 3 of "),
            ("INSERT INTO garbage (blob, since) SELECT blob, 0 FROM versions WHERE blob IS NOT NULL", "garbage: blob "),
            ("DELETE FROM garbage", ""),
            ("DELETE FROM versions WHERE key = 'b' AND current = 1", "objects: version "),
            ("UPDATE collection_keys SET sealed_key = label FROM space_keys", "keys: collection eo1"),
            ("UPDATE versions SET size = -1 WHERE key = 'parts'", "objects: version "),
            ("DELETE FROM events WHERE subject = 'eo1/copy'", "journal: transaction "),
        ])
    func contradictions(change: String, subject: String) async throws {
        try await withObjects { objects in
            try await fill(objects)
            try await objects.journal.database.write { try $0.run(change) }
            // Keys that were opened before are forgotten after a second.
            if change.contains("collection_keys") { try await Task.sleep(for: .seconds(1.1)) }
            let (counts, subjects) = try await verify(objects)
            if subject.isEmpty {
                #expect(counts.orphans == 1)
                #expect(subjects == [])
            } else {
                #expect(subjects.contains { $0.hasPrefix(subject) }, "\(subjects)")
            }
        }
    }
}
