import Database
package import JOSE
package import Journal
import Synchronization
import Vault
package import Wire

extension EventKind {
    package static let tokenKeyCreated = EventKind("token-key.created")
    package static let tokenKeyRotated = EventKind("token-key.rotated")
    package static let tokenKeyRemoved = EventKind("token-key.removed")
}

/// A key that signs tokens, as administrators see it.
package struct TokenKey: Sendable {
    package var id: String
    package var algorithm: JWTSigner.Algorithm
    package var created: Timestamp
    /// From when on it signs. It is published before.
    package var active: Timestamp
}

/// The keys that sign the node's tokens, the same on all nodes of one database.
///
/// Whoever checks tokens keeps the published keys for a while. So a key is published a day before it first signs, and
/// for four days after the last token that it has signed: no rotation makes anybody refuse a good token.
package final class TokenKeys: Sendable {
    /// How long a key signs: 90 days.
    static let signSeconds: Int64 = 90 * 86_400
    /// A key is published so long before it signs: a day. Verifiers look for new keys every six hours (WLCG §3.4).
    package static let aheadSeconds: Int64 = 86_400
    /// It stays published so long after it last signed: four days.
    static let keepSeconds: Int64 = 4 * 86_400
    /// Other nodes' changes are seen that late.
    private static let readSeconds: Int64 = 60

    struct Held: Sendable {
        var signer: JWTSigner
        var key: TokenKey
    }

    private let identity: Identity
    private let state = Mutex<(held: [Held], read: Int64)>(([], 0))

    init(identity: Identity) { self.identity = identity }

    /// The key that signs now.
    func signer(_ algorithm: JWTSigner.Algorithm) async throws -> JWTSigner {
        func find(_ held: [Held]) -> JWTSigner? {
            let now = Timestamp.now
            return held.filter { $0.key.algorithm == algorithm && $0.key.active <= now }
                .max { $0.key.active < $1.key.active }?.signer
        }
        if let signer = find(try await held()) { return signer }
        guard let signer = find(try await maintain(algorithm)) else {
            throw IdentityError(.notFound, "there is no key that signs tokens with \(algorithm.rawValue)")
        }
        return signer
    }

    /// All keys that verifiers may need, both algorithms' among them.
    package func published() async throws -> [JWK] {
        for algorithm in JWTSigner.Algorithm.allCases { _ = try await signer(algorithm) }
        return try await held().map(\.signer.publicKey)
    }

    /// The keys, those that sign first come first.
    package func list() async throws -> [TokenKey] {
        try await held().map(\.key).sorted { $0.active < $1.active }
    }

    func key(named id: String) async throws -> JWK? {
        if let key = try await held().first(where: { $0.key.id == id }) { return key.signer.publicKey }
        // Another node may have made it a moment ago; whoever invents names costs one look a second.
        guard Timestamp.now.seconds > state.withLock({ $0.read }) else { return nil }
        return try await read().first { $0.key.id == id }?.signer.publicKey
    }

    private func held() async throws -> [Held] {
        let now = Timestamp.now.seconds
        let (held, read) = state.withLock { $0 }
        if now - read < Self.readSeconds, read <= now { return held }
        var all = try await self.read()
        for algorithm in Set(all.map(\.key.algorithm)) where Self.isDue(all, algorithm, now) {
            all = try await maintain(algorithm)
        }
        return all
    }

    private func read() async throws -> [Held] {
        let rows = try await identity.journal.find { try Self.rows(in: $0) }
        let known = state.withLock { $0.held }
        let held = try rows.map { row in
            if let known = known.first(where: { $0.key.id == row.key.id }) {
                return Held(signer: known.signer, key: row.key)
            }
            let bytes = try identity.master.open(row.sealed, label: Self.label(row.key.id))
            return Held(signer: try JWTSigner(row.key.algorithm, bytes: bytes), key: row.key)
        }
        state.withLock { $0 = (held, Timestamp.now.seconds) }
        return held
    }

    private static func rows(in reader: Reader) throws -> [(key: TokenKey, sealed: [UInt8])] {
        try reader.rows("SELECT id, algorithm, created, active, sealed FROM token_keys ORDER BY active") { row in
            let key = TokenKey(
                id: row.text(0), algorithm: JWTSigner.Algorithm(rawValue: row.text(1)) ?? .es256,
                created: Timestamp(microseconds: row.int(2)), active: Timestamp(microseconds: row.int(3)))
            return (key, row.blob(4))
        }
    }

    static func label(_ id: String) -> String { "token key \(id)" }

    // MARK: Rotation

    /// Whether there is no key that signs, none that will sign next, or one that nobody needs any more.
    private static func isDue(_ held: [Held], _ algorithm: JWTSigner.Algorithm, _ now: Int64) -> Bool {
        let times = held.filter { $0.key.algorithm == algorithm }.map(\.key.active.seconds).sorted()
        let signed = times.filter { $0 <= now }
        return signed.isEmpty || signed.count == times.count
            || (signed.count > 1 && now - (signed.last ?? now) > keepSeconds)
    }

    /// Makes the keys that are missing and removes those that are not needed any more.
    private func maintain(_ algorithm: JWTSigner.Algorithm) async throws -> [Held] {
        let made = try [JWTSigner.generate(algorithm), .generate(algorithm)].map { signer in
            (signer.keyID, try identity.master.seal(signer.bytes, label: Self.label(signer.keyID)))
        }
        try await identity.journal.write { transaction, events in
            try transaction.lock("token keys")
            let now = Timestamp.now
            let keys = try Self.rows(in: transaction).map(\.key).filter { $0.algorithm == algorithm }
            var times = keys.map(\.active)
            var spare = made[...]
            func add(_ active: Timestamp) throws {
                guard let (id, sealed) = spare.popFirst() else { return }
                try transaction.run(
                    "INSERT INTO token_keys (id, algorithm, sealed, created, active) VALUES (?, ?, ?, ?, ?)",
                    .init(id), .init(algorithm.rawValue), .init(sealed), .init(now.microseconds),
                    .init(active.microseconds))
                events.record(.tokenKeyCreated, by: Principal.system("keys"), on: id) {
                    $0.member("algorithm", algorithm.rawValue)
                    $0.member("active", active.rfc3339)
                }
                times.append(active)
            }
            if !times.contains(where: { $0 <= now }) { try add(now) }
            if !times.contains(where: { $0 > now }), let last = times.max() {
                try add(max(last.adding(seconds: Self.signSeconds), now.adding(seconds: Self.aheadSeconds)))
            }
            guard let current = times.filter({ $0 <= now }).max(),
                now.seconds - current.seconds > Self.keepSeconds
            else { return }
            for key in keys where key.active < current {
                try transaction.run("DELETE FROM token_keys WHERE id = ?", .init(key.id))
                events.record(.tokenKeyRemoved, by: Principal.system("keys"), on: key.id)
            }
        }
        return try await read()
    }

    /// Lets the next key sign as soon as verifiers have had a day to learn it.
    ///
    /// - Parameter isAtOnce: for a key that others may have got hold of: the next one signs now, and what the one
    ///   before has signed is refused from now on.
    /// - Returns: the keys.
    package func rotate(_ algorithm: JWTSigner.Algorithm, isAtOnce: Bool, by actor: String) async throws -> [TokenKey] {
        _ = try await signer(algorithm)
        try await identity.journal.write { transaction, events in
            try transaction.lock("token keys")
            let now = Timestamp.now
            let keys = try Self.rows(in: transaction).map(\.key).filter { $0.algorithm == algorithm }
            guard let next = keys.first(where: { $0.active > now }) else { return }
            let active = isAtOnce ? now : max(now, next.created.adding(seconds: Self.aheadSeconds))
            if active < next.active {
                try transaction.run(
                    "UPDATE token_keys SET active = ? WHERE id = ?", .init(active.microseconds), .init(next.id))
            }
            if isAtOnce {
                for key in keys where key.active <= now {
                    try transaction.run("DELETE FROM token_keys WHERE id = ?", .init(key.id))
                    events.record(.tokenKeyRemoved, by: actor, on: key.id)
                }
            }
            events.record(.tokenKeyRotated, by: actor, on: next.id) { $0.member("active", active.rfc3339) }
        }
        _ = try await read()
        _ = try await maintain(algorithm)
        return try await list()
    }
}
