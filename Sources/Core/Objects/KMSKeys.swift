import Ciphers
import Database
package import Journal
import Vault
package import Wire

extension EventKind {
    package static let kmsKeyCreated = EventKind("kms-key.created")
    package static let kmsKeyEnabled = EventKind("kms-key.enabled")
    package static let kmsKeyDisabled = EventKind("kms-key.disabled")
}

/// One of the node's named keys, with which objects are encrypted besides their collection's key (SSE-KMS).
package struct KMSKey: Sendable {
    package enum State: String, Sendable { case enabled, disabled, destroyed }

    /// A UUID.
    package var id: String
    /// What clients may call it by: its alias without `alias/`.
    package var name: String
    package var state: State
    package var created: Timestamp
    /// The generation that new objects get.
    package var newest: Int64
    fileprivate var generations: [Int64: AEADKey] = [:]

    /// As S3 names it. It stands in answers and policies.
    package var arn: String { Self.arn(id) }
    package static func arn(_ id: String) -> String { "arn:aws:kms:us-east-1:martlet:key/\(id)" }
    /// Whether it is the node's own for S3: who may write or read an object may use it.
    package var isManaged: Bool { name == KMSKeys.managedName }

    /// - Throws: ``ObjectsError`` `.kmsDisabled`, `.kmsDestroyed`.
    func checkEnabled() throws {
        switch state {
        case .enabled: break
        case .disabled: throw ObjectsError(.kmsDisabled, "\(arn) is disabled.")
        case .destroyed: throw ObjectsError(.kmsDestroyed, "\(arn) was destroyed: nobody can read what it encrypted.")
        }
    }

    func opened(_ generation: Int64) throws -> AEADKey {
        guard let key = generations[generation] else {
            throw ObjectsError(.unavailable, "generation \(generation) of \(arn) is not there: try again")
        }
        return key
    }
}

/// A named key and what is under it.
package struct KMSKeyStatus: Sendable {
    package var key: KMSKey
    /// Versions of objects that are encrypted with it, of any generation.
    package var versions: Int64

    package init(key: KMSKey, versions: Int64) {
        self.key = key
        self.versions = versions
    }
}

/// The node's named keys: made, disabled and destroyed by its operator (docs/keys.md).
///
/// They lie sealed under a space's key, as collections' keys do. A rotation makes a new generation for new objects; the
/// older ones stay, since what they have encrypted needs them.
package final class KMSKeys: Sendable {
    /// The key that is used where a client asks for `aws:kms` and names none.
    package static let managedName = "aws/s3"
    private static let countMax = 1000

    private let journal: Journal
    private let keyring: Keyring
    private let recent = RecentReads<KMSKey>()

    init(journal: Journal, keyring: Keyring) {
        self.journal = journal
        self.keyring = keyring
    }

    /// A key by its id, its name, `alias/NAME`, or the ARN of one of these, whatever its state.
    ///
    /// - Throws: ``ObjectsError`` `.kmsNotFound`.
    package func key(_ reference: String) async throws -> KMSKey {
        if let known = recent[reference] { return known }
        let found = try await journal.find { [keyring] in try Self.find(reference, keyring, in: $0) }
        guard let found else { throw Self.notFound(reference) }
        recent[reference] = found
        return found
    }

    private static func notFound(_ reference: String) -> ObjectsError {
        ObjectsError(.kmsNotFound, "Invalid keyId '\(reference.prefix(200))'")
    }

    /// The node's own key for S3, made when it is first asked for.
    func managed() async throws -> KMSKey {
        do {
            return try await key("alias/" + Self.managedName)
        } catch let error as ObjectsError where error.code == .kmsNotFound {
            return try await make(Self.managedName, by: "system:s3", mayExist: true)
        }
    }

    // MARK: What an operator does

    /// All keys by name, those that were destroyed among them.
    package func all() async throws -> [KMSKeyStatus] {
        try await journal.read { [keyring] reader in
            let ids = try reader.rows("SELECT id FROM kms_keys ORDER BY name, id LIMIT ?", .init(Self.countMax)) {
                $0.text(0)
            }
            return try ids.compactMap { id in
                guard let key = try Self.find(id, keyring, in: reader) else { return nil }
                let count = try reader.scalar("SELECT count(*) FROM versions WHERE kms_key = ?", .init(id))
                return KMSKeyStatus(key: key, versions: count ?? 0)
            }
        }
    }

    /// Makes a key.
    ///
    /// - Throws: ``KeysError`` `.invalidName`, `.exists`.
    package func create(_ name: String, by actor: String) async throws -> KMSKey {
        let isFine = name.utf8.allSatisfy { c in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(c | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(c)
                || c == UInt8(ascii: "-") || c == UInt8(ascii: "_") || c == UInt8(ascii: "/")
        }
        guard isFine, (1...256).contains(name.utf8.count), !name.hasPrefix("aws/"), !name.hasPrefix("alias/"),
            !name.hasPrefix("key/")
        else {
            throw KeysError(
                .invalidName,
                "'\(name.prefix(80))' is no key's name: 1 to 256 letters, digits, '-', '_' or '/', not beginning with 'aws/'"
            )
        }
        return try await make(name, by: actor, mayExist: false)
    }

    private func make(_ name: String, by actor: String, mayExist: Bool) async throws -> KMSKey {
        let id = randomUUID()
        let made = try await journal.write { [keyring] transaction, events -> KMSKey? in
            try transaction.lock("space \(Keyring.mainSpace)")
            try transaction.lock("kms \(name)")
            if let found = try Self.find("alias/" + name, keyring, in: transaction) {
                guard mayExist else { throw KeysError(.exists, "there is a key '\(name)' already") }
                return found
            }
            let count = try transaction.scalar("SELECT count(*) FROM kms_keys") ?? 0
            guard count < Self.countMax else {
                throw KeysError(.exists, "there are \(count) keys, and more are not kept")
            }
            let now = Timestamp.now
            let space = try keyring.space(Keyring.mainSpace, in: transaction)
            try transaction.run(
                "INSERT INTO kms_keys (id, name, state, created) VALUES (?, ?, ?, ?)", .init(id), .init(name),
                .init(KMSKey.State.enabled.rawValue), .init(now.microseconds))
            try Self.addGeneration(1, of: id, space: space, in: transaction)
            events.record(.kmsKeyCreated, by: actor, on: "kms \(name)") { $0.member("id", id) }
            return try Self.find(id, keyring, in: transaction)
        }
        guard let made else { throw Self.notFound(id) }
        return made
    }

    private static func addGeneration(
        _ generation: Int64, of id: String, space: Keyring.SpaceKey, in transaction: Transaction
    ) throws {
        try transaction.run(
            """
            INSERT INTO kms_generations (kms_key, generation, space, space_generation, sealed_key, created)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            .init(id), .init(generation), .init(space.id), .init(space.generation),
            .init(space.key.wrap(.random(), authenticating: label(id, generation))),
            .init(Timestamp.now.microseconds))
    }

    /// A new generation for new objects. What is there stays readable by the older ones.
    ///
    /// - Returns: the new generation.
    /// - Throws: ``KeysError`` `.destroyed`; ``ObjectsError`` `.kmsNotFound`.
    package func rotate(_ reference: String, by actor: String) async throws -> Int64 {
        try await change(reference) { [keyring] key, transaction, events in
            let space = try keyring.space(Keyring.mainSpace, in: transaction)
            try Self.addGeneration(key.newest + 1, of: key.id, space: space, in: transaction)
            events.record(.keyRotated, by: actor, on: "kms \(key.name)") { $0.member("generation", key.newest + 1) }
            return key.newest + 1
        }
    }

    /// Makes what a key has encrypted unreadable until it is enabled again, and the other way round. On other nodes it
    /// counts within a second.
    ///
    /// - Throws: ``KeysError`` `.destroyed`; ``ObjectsError`` `.kmsNotFound`.
    package func setEnabled(_ isEnabled: Bool, _ reference: String, by actor: String) async throws {
        try await change(reference) { key, transaction, events in
            try transaction.run(
                "UPDATE kms_keys SET state = ? WHERE id = ?",
                .init((isEnabled ? KMSKey.State.enabled : .disabled).rawValue), .init(key.id))
            events.record(isEnabled ? .kmsKeyEnabled : .kmsKeyDisabled, by: actor, on: "kms \(key.name)") {
                $0.member("id", key.id)
            }
        }
    }

    /// Destroys all generations of a key, for good: what it has encrypted cannot be read any more, by anybody. As with
    /// ``Objects/destroyKey(ofCollection:by:)``, the event has the proof.
    ///
    /// - Throws: ``KeysError`` `.retained` where an object under it may not be deleted yet, `.destroyed`;
    ///   ``ObjectsError`` `.kmsNotFound`.
    package func destroy(_ reference: String, by actor: String) async throws -> KeyDestruction {
        var destruction = try await change(reference) { key, transaction, events in
            let retained = try transaction.scalar(
                """
                SELECT 1 FROM versions WHERE kms_key = ? AND removed IS NULL
                AND (legal_hold IS NOT NULL OR lock_until > ?) LIMIT 1
                """,
                .init(key.id), .init(Timestamp.now.microseconds))
            guard retained == nil else {
                throw KeysError(
                    .retained, "the key '\(key.name)' has encrypted objects that may not be deleted yet: it stays")
            }
            let versions = try transaction.scalar("SELECT count(*) FROM versions WHERE kms_key = ?", .init(key.id))
            let rows = try transaction.rows(
                "SELECT generation, sealed_key FROM kms_generations WHERE kms_key = ? ORDER BY generation",
                .init(key.id)
            ) { (generation: $0.int(0), sealed: $0.blob(1)) }
            for row in rows {
                try Objects.erase(
                    "kms_generations", "kms_key", .init(key.id), generation: row.generation, count: row.sealed.count,
                    in: transaction)
            }
            try transaction.run(
                "UPDATE kms_keys SET state = ? WHERE id = ?", .init(KMSKey.State.destroyed.rawValue), .init(key.id))
            let destruction = KeyDestruction(
                collection: "kms \(key.name)",
                keys: rows.map { ($0.generation, DigestAlgorithm.sha256.hash($0.sealed)) }, versions: versions ?? 0,
                isLogEmpty: false)
            events.record(.keyDestroyed, by: actor, on: "kms \(key.name)") {
                $0.member("id", key.id)
                destruction.write(to: &$0)
            }
            return destruction
        }
        destruction.isLogEmpty = try await journal.database.checkpoint()
        return destruction
    }

    private func change<T: Sendable>(
        _ reference: String,
        _ body: @escaping @Sendable (KMSKey, Transaction, inout EventRecorder) throws -> T
    ) async throws -> T {
        let id = try await key(reference).id
        let result = try await journal.write { [keyring] transaction, events in
            try transaction.lock("space \(Keyring.mainSpace)")
            try transaction.lock("kms \(id)")
            guard let key = try Self.find(id, keyring, in: transaction) else { throw Self.notFound(reference) }
            guard key.state != .destroyed else {
                throw KeysError(.destroyed, "the key '\(key.name)' was destroyed before")
            }
            return try body(key, transaction, &events)
        }
        recent.clear()
        return result
    }

    // MARK: Rows

    /// What a generation is authenticated with when it is sealed.
    static func label(_ id: String, _ generation: Int64) -> [UInt8] { Array("kms \(id) generation \(generation)".utf8) }

    /// A key that was destroyed is found by its id, no longer by its name.
    private static func find(_ reference: String, _ keyring: Keyring, in reader: Reader) throws -> KMSKey? {
        var text = reference[...]
        if text.hasPrefix("arn:aws:kms:") {
            // arn:aws:kms:REGION:ACCOUNT:key/ID; wherever it says the key is, there is only this node.
            text = text.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false).last ?? text
        }
        let isAlias = text.hasPrefix("alias/")
        if isAlias { text = text.dropFirst("alias/".count) }
        if text.hasPrefix("key/") { text = text.dropFirst("key/".count) }
        let found = try reader.first(
            """
            SELECT id, name, state, created FROM kms_keys
            WHERE (id = ? AND 1 = ?) OR (name = ? AND state <> 'destroyed')
            """,
            .init(String(text)), .init(isAlias ? 0 : 1), .init(String(text))
        ) { row in
            KMSKey(
                id: row.text(0), name: row.text(1), state: KMSKey.State(rawValue: row.text(2)) ?? .disabled,
                created: Timestamp(microseconds: row.int(3)), newest: 0)
        }
        guard var key = found else { return nil }
        let rows = try reader.rows(
            """
            SELECT g.generation, g.sealed_key, s.label, s.sealed_key FROM kms_generations g
            JOIN space_keys s ON s.space = g.space AND s.generation = g.space_generation WHERE g.kms_key = ?
            """,
            .init(key.id)
        ) { (generation: $0.int(0), sealed: $0.blob(1), label: $0.text(2), spaceSealed: $0.blob(3)) }
        for row in rows {
            do {
                key.generations[row.generation] = try keyring.master.unwrap(row.spaceSealed, label: row.label)
                    .unwrap(row.sealed, authenticating: label(key.id, row.generation))
            } catch let error as CipherError {
                throw ObjectsError(
                    .damaged, "generation \(row.generation) of the key \(key.id) does not open: \(error)")
            }
            key.newest = max(key.newest, row.generation)
        }
        return key
    }

    /// Lets go of what was opened.
    func forget() { recent.clear() }
}
