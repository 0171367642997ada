import Objects
import TestSupport
import Testing

/// What AWS's documents say of versions ("Using versioning in S3 buckets").
@Suite struct VersioningTests {
    private func names(_ objects: Objects, _ key: String? = nil) async throws -> [String] {
        try await objects.listVersions(collection: "eo1").versions.filter { key == nil || $0.key == key }.map {
            ($0.isDeleteMarker ? "marker" : "\($0.size)") + ($0.isNull ? " null" : "")
                + ($0.isCurrent ? " current" : "")
        }
    }

    @Test("without versioning a key has one version, and what was there is gone", arguments: TestEngine.allCases)
    func off(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(1))
            try await objects.put("k", noise(2))
            #expect(try await names(objects) == ["2 null current"])
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
            #expect(try await names(objects) == [])
            // Nothing, not even a marker, keeps the collection from being deleted.
            try await objects.deleteCollection("eo1", by: "ada")
        }
    }

    @Test("with versioning everything is kept, and a deletion is a version too", arguments: TestEngine.allCases)
    func enabled(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(1))
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let second = try await objects.put("k", noise(2))
            try await objects.put("k", noise(40_000))
            #expect(try await names(objects) == ["40000 current", "2", "1 null"])
            let deletion = try await objects.delete(collection: "eo1", [("k", nil)], by: "ada").first
            #expect(try await names(objects) == ["marker current", "40000", "2", "1 null"])
            #expect(try await objects.keys() == [])
            await #expect { _ = try await objects.open(collection: "eo1", key: "k") } throws: {
                ($0 as? ObjectsError)?.code == .noSuchKey && ($0 as? ObjectsError)?.deleteMarker != nil
            }
            let found = try await objects.open(collection: "eo1", key: "k", version: second.name)
            let bytes = try await objects.bytes(of: found, limit: 100)
            #expect(bytes == noise(2))
            let first = try await objects.head(collection: "eo1", key: "k", version: "null")
            #expect(first.size == 1)
            let marker = try #require(deletion?.marker)
            await #expect { _ = try await objects.head(collection: "eo1", key: "k", version: marker.name) } throws: {
                ($0 as? ObjectsError)?.code == .methodNotAllowed
            }
            // The marker's removal brings the object back; that of the current version the one before it.
            try await objects.delete(collection: "eo1", [("k", marker.name)], by: "ada")
            #expect(try await names(objects) == ["40000 current", "2", "1 null"])
            #expect(try await objects.keys() == ["k"])
            let current = try await objects.head(collection: "eo1", key: "k")
            try await objects.delete(collection: "eo1", [("k", current.name), ("k", "null")], by: "ada")
            #expect(try await names(objects) == ["2 current"])
            #expect(try await objects.get("k") == noise(2))
            let gone = try await objects.delete(collection: "eo1", [("k", current.name)], by: "ada").first
            #expect(gone?.existed == false)
            await #expect { try await objects.deleteCollection("eo1", by: "ada") } throws: {
                ($0 as? ObjectsError)?.code == .collectionNotEmpty
            }
        }
    }

    @Test("while versioning is suspended there is one version 'null' beside the others", arguments: TestEngine.allCases)
    func suspended(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(1))
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            try await objects.put("k", noise(2))
            try await objects.setVersioning(.suspended, of: "eo1", by: "ada")
            try await objects.put("k", noise(3))
            #expect(try await names(objects) == ["3 null current", "2"])
            try await objects.put("k", noise(4))
            #expect(try await names(objects) == ["4 null current", "2"])
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
            #expect(try await names(objects) == ["marker null current", "2"])
            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
            #expect(try await names(objects) == ["marker null current", "2"])
            await #expect { try await objects.setVersioning(.off, of: "eo1", by: "ada") } throws: {
                ($0 as? ObjectsError)?.code == .invalidState
            }
        }
    }

    @Test("a name that is none keeps no other version from being removed", arguments: TestEngine.allCases)
    func misnamed(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.put("k", noise(1))
            let deletions = try await objects.delete(
                collection: "eo1", [("k", "nonsense"), ("k", "null")], by: "ada")
            #expect(deletions.map(\.failure?.code) == [.noSuchVersion, nil])
            #expect(deletions.last?.removed?.name == "null")
            #expect(try await names(objects) == [])
            #expect(try await objects.delete(collection: "eo1", [], by: "ada").isEmpty)
        }
    }

    @Test("pages of versions join to the whole, wherever they are cut", arguments: TestEngine.allCases)
    func pages(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            for round in 0..<3 {
                for key in ["a", "a/1", "a/2", "b", "b/x/1", "c"] where round != 1 || key != "b" {
                    try await objects.put(key, noise(round + 1))
                }
            }
            try await objects.delete(collection: "eo1", [("a/1", nil), ("c", nil)], by: "ada")
            try await objects.put("c", noise(9))
            let whole = try await objects.listVersions(collection: "eo1").versions.map { "\($0.key) \($0.name)" }
            #expect(whole.count == 20)
            for delimiter in ["", "/"] {
                let all = try await objects.listVersions(collection: "eo1", delimiter: delimiter)
                for limit in 1...7 {
                    var versions: [String] = []
                    var prefixes: [String] = []
                    var place: (key: String, version: String?) = ("", nil)
                    while true {
                        let page = try await objects.listVersions(
                            collection: "eo1", delimiter: delimiter, after: place.key, afterVersion: place.version,
                            limit: limit)
                        versions += page.versions.map { "\($0.key) \($0.name)" }
                        prefixes += page.commonPrefixes
                        #expect(page.versions.count + page.commonPrefixes.count <= limit)
                        guard let next = page.next else { break }
                        place = next
                    }
                    #expect(versions == all.versions.map { "\($0.key) \($0.name)" }, "limit \(limit) '\(delimiter)'")
                    #expect(prefixes == all.commonPrefixes)
                }
            }
            #expect(try await objects.listVersions(collection: "eo1", prefix: "a/").versions.count == 7)
        }
    }

    @Test("two who write a key at once make two versions, one of them current", arguments: TestEngine.allCases)
    func races(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        if number.isMultiple(of: 4) {
                            try await objects.delete(collection: "eo1", [("k", nil)], by: "ada")
                        } else {
                            try await objects.put("k", noise(100 + number))
                        }
                    }
                }
                try await group.waitForAll()
            }
            let versions = try await objects.listVersions(collection: "eo1").versions
            #expect(versions.count == 40)
            #expect(versions.filter(\.isCurrent).count == 1 && versions.first?.isCurrent == true)
        }
    }

    @Test(
        "what was removed frees its bytes when its time has come; what is kept does not", arguments: TestEngine.allCases
    )
    func purging(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let first = try await objects.put("k", noise(100_000))
            try await objects.put("k", noise(100_001))
            #expect(try await objects.purgeRemoved(olderThan: -1) == 0)
            try await objects.delete(collection: "eo1", [("k", first.name)], by: "ada")
            #expect(try await objects.purgeRemoved(olderThan: -1) == 1)
            #expect(try await objects.collectGarbage(olderThan: -1) == 1)
            #expect(try await objects.blobCount() == 1)
            #expect(try await objects.get("k") == noise(100_001))
        }
    }
}
