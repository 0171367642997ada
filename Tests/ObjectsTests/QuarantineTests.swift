import Journal
import Objects
import TestSupport
import Testing

@Suite struct QuarantineTests {
    @Test(
        "what is in quarantine is read by nobody, and again by everybody once it is released",
        arguments: TestEngine.allCases)
    func quarantine(_ engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let version = try await objects.put("a", noise(100))
            try await objects.put("b", noise(200))
            #expect(try await objects.quarantine(version, .malware, reason: "Eicar", by: "system:scanner"))
            #expect(try await !objects.quarantine(version, .damage, reason: "again", by: "system:janitor"))

            #expect(await outcome { _ = try await objects.get("a") } == .quarantined)
            #expect(await outcome { _ = try await objects.head(collection: "eo1", key: "a") } == .quarantined)
            #expect(await outcome { _ = try await objects.open(version) } == .quarantined)
            #expect(
                await outcome {
                    _ = try await objects.copy(
                        from: "eo1", key: "a", to: "eo1", key: "c", replacing: nil, by: "ada")
                } == .quarantined)
            #expect(try await objects.head(collection: "eo1", key: "a", readable: false).size == 100)
            #expect(try await objects.keys() == ["a", "b"])
            #expect(try await objects.get("b") == noise(200))

            let listed = try await objects.quarantined()
            #expect(listed.map(\.version.key) == ["a"])
            let found = try #require(listed.first)
            #expect(found.collection == "eo1")
            #expect(found.quarantine.cause == .malware)
            #expect(found.quarantine.reason == "Eicar")
            #expect(found.quarantine.actor == "system:scanner")
            #expect(try await objects.quarantined(after: found.version.number).isEmpty)

            try await objects.release(number: version.number, by: "ada")
            #expect(try await objects.get("a") == noise(100))
            #expect(await outcome { try await objects.release(number: version.number, by: "ada") } == .noSuchVersion)
            let events = try await objects.journal.events(of: "eo1/a", limit: 10).map(\.kind)
            #expect(events == [.objectReleased, .objectQuarantined, .objectPut])
        }
    }

    @Test("an object in quarantine can be replaced and deleted", arguments: TestEngine.allCases)
    func replace(_ engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let first = try await objects.put("a", noise(100))
            try await objects.quarantine(first, .malware, reason: "Eicar", by: "system:scanner")
            let second = try await objects.put("a", noise(50))
            #expect(try await objects.get("a") == noise(50))
            #expect(try await objects.quarantined().isEmpty)
            try await objects.quarantine(second, .malware, reason: "Eicar", by: "system:scanner")
            try await objects.delete(collection: "eo1", [("a", nil)], by: "ada")
            #expect(await outcome { _ = try await objects.get("a") } == .noSuchKey)
        }
    }
}
