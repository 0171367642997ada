import Blobs
import Database
import Glibc
import Journal
import NIOPosix
import Objects
import TestSupport
import Testing
import Vault
import Wire

/// What the files of SQLite hold when a key is gone.
@Suite struct KeysFileTests {
    private func contains(_ path: String, _ bytes: [UInt8]) -> Bool {
        guard let file = fopen(path, "r") else { return false }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 8 << 20)
        let count = fread(&text, 1, text.count, file)
        guard let first = bytes.first, count >= bytes.count else { return false }
        return (0...(count - bytes.count)).contains { start in
            text[start] == first && text[start..<(start + bytes.count)].elementsEqual(bytes)
        }
    }

    @Test("neither the database nor its log holds a copy of a wrapped key that was destroyed or replaced")
    func noCopy() async throws {
        try await withFolder { folder in
            let path = folder + "/metadata.sqlite"
            let database = try await Database.open(
                .sqlite(path: path), migrations: Journal.migrations + Objects.migrations)
            let journal = Journal(database: database, node: "test")
            let objects = Objects(
                journal: journal, blobs: try await DiskBlobs.open(folder + "/blobs"),
                master: try MasterKey.open(path: folder + "/master.key", creates: true), pool: .singleton)
            for number in 0..<40 { try await objects.createCollection("c\(100 + number)", owner: "ada") }
            for number in 0..<40 { try await objects.put("k", [1], in: "c\(100 + number)") }
            _ = try await objects.rotateKey(ofCollection: "c120", by: "ada")
            let keys = try await journal.read { reader in
                try reader.rows(
                    """
                    SELECT k.sealed_key FROM collection_keys k JOIN collections c ON c.id = k.collection
                    WHERE c.name IN ('c120', 'c130') ORDER BY c.name, k.generation
                    """
                ) { $0.blob(0) }
            }
            #expect(keys.count == 3)
            func found() -> Int {
                keys.filter { contains(path, $0) || contains(path + "-wal", $0) }.count
            }
            #expect(found() == 3)
            _ = try await objects.destroyKey(ofCollection: "c120", by: "ada")
            #expect(found() == 1)
            _ = try await objects.rotateKey(ofCollection: "c130", by: "ada")
            for _ in 0..<20 { _ = try await objects.rewrapStep(settleSeconds: 0) }
            #expect(found() == 0)
            #expect(try await objects.get("k", in: "c130") == [1])
            await objects.blobs.close()
            await database.close()
        }
    }
}
