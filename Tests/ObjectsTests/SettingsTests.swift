import BucketConfiguration
import Database
import Journal
import Objects
import Policy
import TestSupport
import Testing
import Wire

@Suite struct SettingsTests {
    private let cors = SettingName("cors")

    @Test("a setting is kept, replaced and taken away, each with its event", arguments: TestEngine.allCases)
    func changes(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            #expect(try await objects.setting(cors, of: "eo1") == nil)
            try await objects.putSetting(cors, of: "eo1", to: "<a/>", by: "ada")
            #expect(try await objects.setting(cors, of: "eo1") == "<a/>")
            try await objects.putSetting(cors, of: "eo1", to: "<b/>", by: "ada")
            #expect(try await objects.setting(cors, of: "eo1") == "<b/>")
            #expect(try await objects.setting(.policy, of: "eo1") == nil)
            try await objects.deleteSetting(cors, of: "eo1", by: "ada")
            try await objects.deleteSetting(cors, of: "eo1", by: "ada")
            #expect(try await objects.setting(cors, of: "eo1") == nil)
            let events = try await objects.journal.events(of: "eo1", limit: 10).filter {
                $0.kind == .collectionConfigured
            }
            #expect(events.count == 3 && events.allSatisfy { $0.detail == #"{"setting":"cors"}"# })
        }
    }

    @Test("settings go with their collection", arguments: TestEngine.allCases)
    func cascade(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            try await objects.putSetting(cors, of: "eo1", to: "<a/>", by: "ada")
            try await objects.deleteCollection("eo1", by: "ada")
            await #expect(throws: ObjectsError.self) { try await objects.setting(cors, of: "eo1") }
            await #expect(throws: ObjectsError.self) {
                try await objects.putSetting(cors, of: "eo1", to: "<a/>", by: "ada")
            }
            try await objects.createCollection("eo1", owner: "ada")
            #expect(try await objects.setting(cors, of: "eo1") == nil)
        }
    }

    @Test("what the gate asks is read at once after a change", arguments: TestEngine.allCases)
    func access(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            #expect(try await !objects.access(ofCollection: "eo1").isPublic)
            try await objects.putSetting(.acl, of: "eo1", to: "public-read", by: "ada")
            #expect(try await objects.access(ofCollection: "eo1").isPublic)
            var block = PublicAccessBlock()
            block.ignoresPublicACLs = true
            let text = String(decoding: block.bytes, as: UTF8.self)
            try await objects.putSetting(.publicAccessBlock, of: "eo1", to: text, by: "ada")
            #expect(try await !objects.access(ofCollection: "eo1").isPublic)
            #expect(try await !objects.access(ofCollection: "absent").isPublic)
        }
    }

    @Test("an ACL is of one version", arguments: TestEngine.allCases)
    func objectACL(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let first = try await objects.put("k", [1])
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "eo1") == .private)
            try await objects.setACL(.publicRead, of: first, in: "eo1", by: "ada")
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "eo1") == .publicRead)
            #expect(try await objects.acl(ofObject: "k2", version: nil, in: "eo1") == .private)
            try await objects.put("k", [2])
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "eo1") == .private)
            try await objects.setACL(.publicRead, of: first, in: "eo1", by: "ada")
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "eo1") == .private)
            _ = try await objects.purgeRemoved(olderThan: -10)
            try await objects.setACL(.publicRead, of: first, in: "eo1", by: "ada")
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "eo1") == .private)
            #expect(try await objects.acl(ofObject: "k", version: "nonsense", in: "eo1") == .private)
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "absent") == .private)
            var description = ObjectDescription()
            description.acl = .publicRead
            try await objects.put("k", [3], description: description)
            #expect(try await objects.acl(ofObject: "k", version: nil, in: "eo1") == .publicRead)
            let copy = try await objects.copy(
                from: "eo1", key: "k", to: "eo1", key: "copy", replacing: nil, by: "ada")
            #expect(copy.acl == .private)
        }
    }
}
