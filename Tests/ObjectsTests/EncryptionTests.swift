import BucketConfiguration
import Database
import Journal
import NIOCore
import Objects
import TestSupport
import Testing
import Wire

@Suite struct EncryptionTests {
    private func code(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "done"
        } catch let error as ObjectsError {
            return "\(error.code)"
        } catch let error as KeysError {
            return "\(error.code)"
        } catch {
            return "\(error)"
        }
    }

    private func customer(_ seed: UInt64) throws -> ObjectUnlock {
        ObjectUnlock(customerKey: try CustomerKey(noise(32, seed: seed)))
    }

    private static let sizes = [0, 1000, 200_000]

    @Test("what a customer's key encrypts is read with that key alone", arguments: TestEngine.allCases)
    func customerKey(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let (mine, other) = (try customer(1), try customer(2))
            for size in Self.sizes {
                let bytes = noise(size)
                let version = try await objects.put("o", bytes, .customer(try #require(mine.customerKey)))
                #expect(try await objects.get("o", mine) == bytes)
                #expect(await code { _ = try await objects.get("o") } == "keyRequired")
                #expect(await code { _ = try await objects.get("o", .node) } == "keyRequired")
                #expect(await code { _ = try await objects.get("o", other) } == "wrongKey")
                #expect(!version.isReadableByNode)
                // Nothing is kept that tells of the content.
                let plain = try await objects.put("plain", bytes)
                #expect(version.digest == nil && version.etag != plain.etag && version.etag.count == 32)
                #expect(await code { _ = try await objects.get("plain", mine) } == "keyNotApplicable")
                #expect(await code { _ = try await objects.digest(of: version) } == "keyRequired")
            }
            let events = try await objects.journal.events(of: "eo1/o", limit: 1)
            #expect(try JSONValue(parsing: try #require(events.first).detail)["blake3"] == nil)
        }
    }

    @Test("neither rows nor blobs hold a customer's key or what it opens", arguments: TestEngine.allCases)
    func nothingAtRest(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let key = noise(32, seed: 5)
            _ = try await objects.put("o", noise(1000), .customer(try CustomerKey(key)))
            let stored = try await objects.journal.read { reader in
                try reader.first("SELECT encryption, kms_key IS NULL, sealed_key FROM versions") {
                    (text: $0.text(0), hasNone: $0.bool(1), sealed: $0.blob(2))
                }
            }
            let row = try #require(stored)
            #expect(row.hasNone)
            let json = try JSONValue(parsing: row.text)
            #expect(json.object?.members.map(\.name) == ["customer"])
            #expect(json["customer"]?.string?.count == 64 && json["customer"]?.string != Hex.encode(key))
            // With all that the node has, the row taken for one without a customer's key does not open.
            try await objects.journal.database.write { try $0.run("UPDATE versions SET encryption = NULL") }
            #expect(await code { _ = try await objects.get("o") } == "damaged")
            try await objects.journal.database.write { try $0.run("UPDATE versions SET encryption = '{}'") }
            #expect(await code { _ = try await objects.get("o") } == "damaged")
        }
    }

    @Test("an upload takes parts under its own key only", arguments: TestEngine.allCases)
    func parts(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let mine = try customer(1)
            let plan = try await objects.encryptionPlan(.customer(try #require(mine.customerKey)), in: "eo1")
            var description = ObjectDescription()
            description.encryption = plan
            let upload = try await objects.createUpload(
                collection: "eo1", key: "p", description: description, checksum: nil, by: "ada")
            let bodies = [noise(5 << 20, seed: 3), noise(77, seed: 4)]
            var references: [PartReference] = []
            for (index, bytes) in bodies.enumerated() {
                for (unlock, expected) in [(ObjectUnlock.none, "keyRequired"), (try customer(9), "wrongKey")] {
                    #expect(await code { _ = try await objects.part(upload, index + 1, [1], unlock) } == expected)
                }
                let part = try await objects.part(upload, index + 1, bytes, mine)
                references.append(PartReference(number: part.number, etag: part.etag, checksum: nil))
            }
            let version = try await objects.completeUpload(
                collection: "eo1", key: "p", id: upload.id.text, parts: references, checksum: nil, size: nil, by: "ada")
            #expect(version.etag.hasSuffix("-2"))
            #expect(try await objects.get("p", mine) == bodies[0] + bodies[1])
            #expect(await code { _ = try await objects.get("p", try customer(9)) } == "wrongKey")
            #expect(try await objects.blobCount() == 2, "what was refused is not left behind")
        }
    }

    @Test("a copy under another key is written anew, and opens with its own", arguments: TestEngine.allCases)
    func copies(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let (mine, other) = (try customer(1), try customer(2))
            let bytes = noise(100_000)
            var description = ObjectDescription()
            description.encryption = try await objects.encryptionPlan(
                .customer(try #require(mine.customerKey)), in: "eo1")
            description.tags = [HeaderField(name: "a", value: "b")]
            description.headers = [HeaderField(name: "x-amz-meta-x", value: "y")]
            _ = try await objects.put(
                collection: "eo1", key: "o", description: description, expecting: BodyExpectations(), by: "ada",
                body: Pieces(bytes))
            func copy(_ from: String, _ to: String, _ unlock: ObjectUnlock, _ choice: EncryptionChoice) async throws {
                var lock = ObjectDescription()
                lock.encryption = try await objects.encryptionPlan(choice, in: "eo1")
                _ = try await objects.copy(
                    from: "eo1", key: from, to: "eo1", key: to, replacing: nil, lock: lock, by: "ada",
                    unlock: { _ in unlock })
            }
            #expect(await code { try await copy("o", "x", .none, .byDefault) } == "keyRequired")
            #expect(await code { try await copy("o", "x", other, .byDefault) } == "wrongKey")
            try await copy("o", "other", mine, .customer(try #require(other.customerKey)))
            try await copy("o", "plain", mine, .byDefault)
            try await copy("plain", "again", .none, .customer(try #require(mine.customerKey)))
            #expect(try await objects.get("other", other) == bytes)
            #expect(try await objects.get("plain") == bytes)
            #expect(try await objects.get("again", mine) == bytes)
            let head = try await objects.head(collection: "eo1", key: "again")
            #expect(head.tags.first?.value == "b" && head.headers.first?.value == "y")
            #expect(try await objects.blobCount() == 4)
        }
    }

    @Test("rotation reseals what is under further keys, and destruction takes it too", arguments: TestEngine.allCases)
    func rotation(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let mine = try customer(1)
            _ = try await objects.kms.create("genomes", by: "ada")
            _ = try await objects.put("c", [1, 2], .customer(try #require(mine.customerKey)))
            _ = try await objects.put("k", [3, 4], .kms(key: "genomes", context: nil, usesBucketKey: false))
            _ = try await objects.rotateKey(ofCollection: "eo1", by: "ada")
            _ = try await objects.rotateKey(ofSpace: "main", by: "ada")
            let hasEnded = try await eventually {
                while try await objects.rewrapStep(settleSeconds: 0) {}
                return try await objects.journal.read { reader in
                    try reader.scalar(
                        """
                        SELECT (SELECT count(*) FROM collection_keys WHERE retired IS NOT NULL)
                        + (SELECT count(*) FROM space_keys WHERE retired IS NOT NULL)
                        """) == 0
                }
            }
            #expect(hasEnded)
            #expect(try await objects.collectionKey("eo1").generations.map(\.generation) == [2])
            #expect(
                try await objects.spaceKeys().first?.generations.map(\.sealed) == [2], "a collection's, a named one")
            #expect(try await objects.get("c", mine) == [1, 2])
            #expect(try await objects.get("k", .node) == [3, 4])
            _ = try await objects.destroyKey(ofCollection: "eo1", by: "ada")
            #expect(await code { _ = try await objects.get("c", mine) } == "keyDestroyed")
            #expect(await code { _ = try await objects.get("k", .node) } == "keyDestroyed")
        }
    }

    @Test("named keys are made, rotated, disabled and destroyed", arguments: TestEngine.allCases)
    func namedKeys(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let key = try await objects.kms.create("genomes", by: "ada")
            for name in ["", "aws/s3", "a b", "alias/x", "ä"] {
                #expect(await code { _ = try await objects.kms.create(name, by: "ada") } == "invalidName", "\(name)")
            }
            #expect(await code { _ = try await objects.kms.create("genomes", by: "ada") } == "exists")
            let names = [
                "genomes", "alias/genomes", key.id, key.arn, "arn:aws:kms:eu-west-1:123456789012:alias/genomes",
            ]
            for (index, name) in names.enumerated() {
                _ = try await objects.put("o\(index)", [1], .kms(key: name, context: nil, usesBucketKey: true))
            }
            #expect(try await objects.kms.rotate("genomes", by: "ada") == 2)
            let bound = #"{"project":"x"}"#
            let version = try await objects.put(
                "new", noise(70_000), .kms(key: "genomes", context: bound, usesBucketKey: false))
            guard case .kms(let use) = version.encryption else {
                Issue.record("\(version.encryption)")
                return
            }
            #expect(use.key == key.id && use.generation == 2 && use.context == bound && !use.usesBucketKey)
            for index in names.indices { #expect(try await objects.get("o\(index)", .node) == [1]) }
            #expect(try await objects.get("new", .node) == noise(70_000))
            #expect(await code { _ = try await objects.get("new") } == "kmsDenied")
            #expect(version.etag.count == 32 && version.digest != nil)
            // Bound to its context.
            try await objects.journal.database.write {
                try $0.run(#"UPDATE versions SET encryption = '{"generation":2,"context":"{}"}' WHERE key = 'new'"#)
            }
            #expect(await code { _ = try await objects.get("new", .node) } == "damaged")

            try await objects.kms.setEnabled(false, "genomes", by: "ada")
            #expect(await code { _ = try await objects.get("o0", .node) } == "kmsDisabled")
            #expect(
                await code {
                    _ = try await objects.put("x", [1], .kms(key: key.id, context: nil, usesBucketKey: false))
                } == "kmsDisabled")
            try await objects.kms.setEnabled(true, key.arn, by: "ada")
            #expect(try await objects.get("o0", .node) == [1])
            #expect(try await objects.kms.all().map(\.versions) == [6])
            let proof = try await objects.kms.destroy("genomes", by: "ada")
            #expect(proof.versions == 6 && proof.keys.map(\.generation) == [1, 2])
            #expect(await code { _ = try await objects.get("o0", .node) } == "kmsDestroyed")
            #expect(await code { _ = try await objects.kms.key("genomes") } == "kmsNotFound")
            #expect(await code { _ = try await objects.kms.rotate(key.id, by: "ada") } == "destroyed")
            #expect(await code { try await objects.kms.setEnabled(true, key.id, by: "ada") } == "destroyed")
            let again = try await objects.kms.create("genomes", by: "ada")
            #expect(again.id != key.id)
            let kinds = try await objects.journal.events(of: "kms genomes", limit: 10).map(\.kind)
            #expect(
                kinds == [.kmsKeyCreated, .keyDestroyed, .kmsKeyEnabled, .kmsKeyDisabled, .keyRotated, .kmsKeyCreated])
        }
    }

    @Test("what may not be deleted yet keeps its named key", arguments: TestEngine.allCases)
    func retained(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            _ = try await objects.kms.create("k", by: "ada")
            try await objects.enableObjectLock(of: "eo1", by: "ada")
            _ = try await objects.put("a", [1], .kms(key: "k", context: nil, usesBucketKey: false))
            try await objects.setLegalHold(true, collection: "eo1", key: "a", version: nil, by: "ada")
            #expect(await code { _ = try await objects.kms.destroy("k", by: "ada") } == "retained")
            #expect(try await objects.get("a", .node) == [1])
            try await objects.setLegalHold(false, collection: "eo1", key: "a", version: nil, by: "ada")
            #expect(try await objects.kms.destroy("k", by: "ada").versions == 1)
        }
    }

    @Test("trees move and copy what is under further keys without them", arguments: TestEngine.allCases)
    func trees(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            let mine = try customer(1)
            let key = try await objects.kms.create("k", by: "ada")
            try await objects.createCollection("other", owner: "ada")
            let bytes = ["small": noise(100), "large": noise(100_000), "kms": noise(50_000)]
            for name in ["small", "large"] {
                let body = try #require(bytes[name])
                _ = try await objects.put("a/\(name)", body, .customer(try #require(mine.customerKey)))
            }
            _ = try await objects.put(
                "a/kms", try #require(bytes["kms"]), .kms(key: "k", context: "{}", usesBucketKey: false))
            for (source, from, target, to, isMove) in [
                ("a", "eo1", "b", "eo1", true), ("b", "eo1", "c", "eo1", false), ("b", "eo1", "d", "other", true),
                ("d", "other", "e", "eo1", false),
            ] {
                let source = Tree(collection: from, path: source)
                _ = try await objects.transfer(
                    source, to: Tree(collection: to, path: target), isMove: isMove, overwrites: false,
                    permitted: (Set(try await objects.keys(of: source)), []), by: "ada")
            }
            for (collection, folder) in [("eo1", "c"), ("other", "d"), ("eo1", "e")] {
                for (name, body) in bytes {
                    var object = try await objects.open(collection: collection, key: "\(folder)/\(name)")
                    object.unlock = name == "kms" ? .node : mine
                    #expect(try await objects.bytes(of: object, limit: 1 << 20) == body, "\(folder)/\(name)")
                    object.unlock = name == "kms" ? .none : try customer(2)
                    #expect(
                        await code { _ = try await objects.bytes(of: object, limit: 1 << 20) }
                            == (name == "kms" ? "kmsDenied" : "wrongKey"))
                }
            }
            #expect(try await objects.kms.destroy(key.id, by: "ada").versions > 1)
        }
    }

    @Test("a collection's settings decide where the client says nothing", arguments: TestEngine.allCases)
    func byDefault(engine: TestEngine) async throws {
        try await withObjects(engine) { objects in
            func set(_ xml: String) async throws {
                let rule =
                    "<Rule><ApplyServerSideEncryptionByDefault>\(xml)</ApplyServerSideEncryptionByDefault></Rule>"
                try await objects.putSetting(
                    .encryption, of: "eo1",
                    to: "<ServerSideEncryptionConfiguration>\(rule)</ServerSideEncryptionConfiguration>", by: "ada")
            }
            try await set("<SSEAlgorithm>AES256</SSEAlgorithm>")
            #expect(try await objects.put("a", [1]).encryption == .collection)
            // The node's own key is made when it is first needed.
            try await set("<SSEAlgorithm>aws:kms</SSEAlgorithm>")
            guard case .kms(let use) = try await objects.put("b", [1]).encryption else {
                Issue.record("not encrypted by the collection's setting")
                return
            }
            #expect(try await objects.kms.key("alias/aws/s3").id == use.key)
            let upload = try await objects.upload(to: "parts", [])
            #expect(upload.upload.encryption == .kms(use))
            #expect(try await objects.put("c", [1], .collection).encryption == .collection)
            // A key that is not for everybody is used where the gate was asked about it, and nowhere else.
            _ = try await objects.kms.create("theirs", by: "ada")
            try await set("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>theirs</KMSMasterKeyID>")
            #expect(await code { try await objects.put("d", [1]) } == "kmsDenied")
            #expect(await code { _ = try await objects.upload(to: "d", []) } == "kmsDenied")
            #expect(try await objects.put("d", [1], .byDefault).isReadableByNode)
            try await set("<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>none</KMSMasterKeyID>")
            #expect(await code { try await objects.put("d", [1]) } == "kmsNotFound")
            // A copy is encrypted as a new object is.
            try await set("<SSEAlgorithm>AES256</SSEAlgorithm>")
            let copy = try await objects.copy(
                from: "eo1", key: "b", to: "eo1", key: "e", replacing: nil, by: "ada", unlock: { _ in .node })
            #expect(copy.encryption == .collection)
            #expect(try await objects.get("e") == [1])
        }
    }
}

extension Objects {
    fileprivate func put(_ key: String, _ bytes: [UInt8], _ choice: EncryptionChoice) async throws -> ObjectVersion {
        var description = ObjectDescription()
        description.encryption = try await encryptionPlan(choice, in: "eo1")
        return try await put(
            collection: "eo1", key: key, description: description, expecting: BodyExpectations(), by: "ada",
            body: Pieces(bytes))
    }

    fileprivate func get(_ key: String, _ unlock: ObjectUnlock) async throws -> [UInt8] {
        var object = try await open(collection: "eo1", key: key)
        object.unlock = unlock
        try object.version.check(unlock)
        return try await bytes(of: object, limit: 10 << 20)
    }

    fileprivate func part(_ upload: Upload, _ number: Int, _ bytes: [UInt8], _ unlock: ObjectUnlock) async throws
        -> Part
    {
        try await putPart(
            upload, collection: "eo1", number: number, unlock: unlock, expecting: BodyExpectations(),
            body: Pieces(bytes))
    }
}
