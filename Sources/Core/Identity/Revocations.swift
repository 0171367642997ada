package import Database
package import Journal
import Wire

extension EventKind {
    package static let tokenRevoked = EventKind("token.revoked")
}

/// Access tokens are not stored. What is remembered are those that were taken back before their end, by their `jti`,
/// or all of one grant by its id.
extension Identity {
    /// How long it has to be remembered at most: as long as any token lives.
    private static let revokedSeconds: Int64 = TokenAuthority.lifetimeSecondsMax + 60

    /// Takes tokens back.
    ///
    /// - Parameter id: a token's `jti`, or what stands before the dot in it: the grant that it came from.
    package func revoke(token id: String, of account: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            try Self.revoke(token: id, in: transaction)
            events.record(.tokenRevoked, by: actor, on: account) { $0.member("token", id) }
        }
        revocations.clear()
    }

    package static func revoke(token id: String, in transaction: Transaction) throws {
        let now = Timestamp.now
        try transaction.run("DELETE FROM revoked_tokens WHERE expires < ?", .init(now.microseconds))
        try transaction.run(
            "INSERT INTO revoked_tokens (id, expires) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", .init(id),
            .init(now.adding(seconds: revokedSeconds).microseconds))
    }

    /// Forgets what it knew of revocations: who has revoked something on this node calls it after the commit.
    package func noteRevocation() { revocations.clear() }

    /// Whether a token, or the grant that it came from, was taken back. What was found counts for a second.
    func isRevoked(_ id: String) async throws -> Bool {
        if let known = revocations[id] { return known }
        let grant = String(id.prefix { $0 != "." })
        let found = try await journal.find { reader in
            try reader.scalar("SELECT 1 FROM revoked_tokens WHERE id IN (?, ?)", .init(id), .init(grant)) != nil
        }
        revocations[id] = found
        return found
    }
}
