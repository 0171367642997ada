import Objects
import TestSupport
import Testing

@Suite struct SystemTagTests {
    private func isRefused(_ body: () async throws -> Void) async throws -> Bool {
        do {
            try await body()
            return false
        } catch let error as ObjectsError where error.code == .invalidTag {
            return true
        }
    }

    @Test("the node's own tags are not for clients to give", arguments: TestEngine.allCases)
    func tags(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            var description = ObjectDescription()
            description.tags = [HeaderField(name: "martlet:scan", value: "clean")]
            let forged = description
            #expect(
                try await isRefused {
                    _ = try await objects.put(
                        collection: "eo1", key: "k", description: forged, expecting: BodyExpectations(), by: "ada",
                        body: Pieces([1]))
                })
            try await objects.put("k", [1])
            #expect(
                try await isRefused {
                    try await objects.setTags(forged.tags, collection: "eo1", key: "k", version: nil, by: "ada")
                })
            #expect(
                try await isRefused {
                    _ = try await objects.copy(
                        from: "eo1", key: "k", to: "eo1", key: "l", replacing: nil, tags: forged.tags, by: "ada")
                })
            try await objects.setTags(
                [HeaderField(name: "a", value: "b")], collection: "eo1", key: "k", version: nil, by: "ada")
            let found = try await objects.head(collection: "eo1", key: "k").tags
            #expect(found == [HeaderField(name: "a", value: "b")])
        }
    }
}
