import Journal
import Objects
import TestSupport
import Testing

@Suite struct QuarantineTests {
    private func isRefused(_ code: ObjectsError.Code, _ body: () async throws -> Void) async throws -> Bool {
        do {
            try await body()
            return false
        } catch let error as ObjectsError where error.code == code {
            return true
        }
    }

    @Test("a quarantined version is read by nobody until it is released", arguments: TestEngine.allCases)
    func reading(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let small = try await objects.put("small", noise(10))
            let large = try await objects.put("large", noise(100_000))
            for version in [small, large] {
                try await objects.quarantine(
                    collection: "eo1", key: version.key, version: nil, reason: "infected: X", by: "root")
                #expect(try await isRefused(.quarantined) { _ = try await objects.get(version.key) })
                #expect(
                    try await isRefused(.quarantined) {
                        _ = try await objects.open(collection: "eo1", key: version.key, version: "null")
                    })
                #expect(try await isRefused(.quarantined) { _ = try await objects.open(version) })
                #expect(
                    try await isRefused(.quarantined) {
                        _ = try await objects.copy(
                            from: "eo1", key: version.key, to: "eo1", key: "copy", replacing: nil, by: "ada")
                    })
                let head = try await objects.head(collection: "eo1", key: version.key)
                #expect(head.quarantine == "infected: X")
            }
            let listed = try await objects.quarantined()
            #expect(listed.map(\.version.key) == ["small", "large"] && listed.allSatisfy { $0.collection == "eo1" })
            #expect(try await objects.quarantined(after: small.number).map(\.version.key) == ["large"])
            #expect(try await objects.keys() == ["large", "small"])

            try await objects.release(collection: "eo1", key: "large", version: large.id.text, by: "root")
            #expect(try await objects.get("large") == noise(100_000))
            #expect(
                try await isRefused(.invalidState) {
                    try await objects.release(collection: "eo1", key: "large", version: large.id.text, by: "root")
                })
            #expect(
                try await isRefused(.invalidState) {
                    try await objects.deleteQuarantined(
                        collection: "eo1", key: "large", version: large.id.text, by: "root")
                })
            try await objects.deleteQuarantined(collection: "eo1", key: "small", version: small.id.text, by: "root")
            #expect(try await objects.quarantined().isEmpty)
            #expect(try await objects.keys() == ["large"])
            let kinds = try await objects.journal.events(of: "eo1/large", limit: 10).map(\.kind)
            #expect(kinds == [.objectReleased, .objectQuarantined, .objectPut])
        }
    }

    @Test("a new version in its place can be read", arguments: TestEngine.allCases)
    func replacing(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.setVersioning(.enabled, of: "eo1", by: "ada")
            let bad = try await objects.put("k", noise(10))
            try await objects.quarantine(collection: "eo1", key: "k", version: nil, reason: "damaged", by: "root")
            try await objects.put("k", noise(20))
            #expect(try await objects.get("k") == noise(20))
            #expect(
                try await isRefused(.quarantined) {
                    _ = try await objects.open(collection: "eo1", key: "k", version: bad.name)
                })
        }
    }

    @Test("the node's own tags are kept, whatever clients write", arguments: TestEngine.allCases)
    func tags(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            var description = ObjectDescription()
            description.tags = [HeaderField(name: "martlet:scan", value: "clean")]
            let forged = description
            #expect(
                try await isRefused(.invalidTag) {
                    _ = try await objects.put(
                        collection: "eo1", key: "k", description: forged, expecting: BodyExpectations(), by: "ada",
                        body: Pieces([1]))
                })
            try await objects.put("k", [1])
            #expect(
                try await isRefused(.invalidTag) {
                    try await objects.setTags(forged.tags, collection: "eo1", key: "k", version: nil, by: "ada")
                })
            try await objects.setTags(
                [HeaderField(name: "a", value: "b")], collection: "eo1", key: "k", version: nil, by: "ada")
            #expect(try await objects.head(collection: "eo1", key: "k").tags == [HeaderField(name: "a", value: "b")])
        }
    }
}
