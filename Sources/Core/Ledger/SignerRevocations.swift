import Database
package import Journal
package import Wire

extension EventKind {
    package static let signerRevoked = EventKind("signer.revoked")
}

/// A signer's certificate that is not believed any more.
package struct SignerRevocation: Sendable, Hashable {
    /// SHA-256 of its DER.
    package var certificate: [UInt8]
    /// Since when its key may have been in other hands: traces registered then or later do not count.
    package var compromised: Timestamp
    /// When that was said here.
    package var revoked: Timestamp
    package var reason: String
}

extension Ledger {
    static let signerRevocations = Migration(
        module: "signer revocations", number: 1,
        [
            """
            CREATE TABLE revoked_signers (
                certificate BLOB PRIMARY KEY, compromised INTEGER NOT NULL, revoked INTEGER NOT NULL, reason TEXT NOT NULL)
            """
        ])

    /// Whether a row of `traces` counts: somebody trusted has signed it, and not after the key was in other hands.
    static let counts = """
        traces.status = 'trusted' AND NOT EXISTS (SELECT 1 FROM revoked_signers WHERE
            revoked_signers.certificate = traces.certificate AND revoked_signers.compromised <= traces.time)
        """

    /// The most revocations that are listed.
    package static let revocationsMax = 1000
    private static let reasonBytesMax = 1024

    /// Revokes a signer's certificate, for good: traces by it are refused from now on, and those that were registered
    /// since its key was in other hands count no longer. Earlier ones stay. Doing so again can only move that moment
    /// back.
    ///
    /// - Parameters:
    ///   - certificate: SHA-256 of its DER, 32 bytes; none of its traces need be here.
    ///   - compromised: nil for now.
    /// - Throws: ``LedgerError`` `.invalidQuery` for a moment that is still to come, and a reason that is too long.
    package func revoke(
        signer certificate: [UInt8], compromised: Timestamp?, reason: String, by actor: String
    ) async throws -> SignerRevocation {
        let now = Timestamp.now
        guard compromised ?? now <= now else {
            throw LedgerError(.invalidQuery, "a key that will be in other hands only later is revoked then")
        }
        guard reason.utf8.count <= Self.reasonBytesMax, reason.utf8.allSatisfy({ $0 >= 0x20 }) else {
            throw LedgerError(
                .invalidQuery, "a reason has at most \(Self.reasonBytesMax) bytes, without control characters")
        }
        return try await journal.write { transaction, events in
            // No trace is registered while this is decided, so that each is before it or after it.
            try transaction.lock(Self.lockName)
            let known = try Self.revocation(of: certificate, in: transaction)
            let revocation = SignerRevocation(
                certificate: certificate, compromised: min(known?.compromised ?? now, compromised ?? now),
                revoked: known?.revoked ?? now, reason: reason.isEmpty ? known?.reason ?? "" : reason)
            try transaction.run(
                """
                INSERT INTO revoked_signers (certificate, compromised, revoked, reason) VALUES (?, ?, ?, ?)
                ON CONFLICT (certificate) DO UPDATE SET compromised = excluded.compromised, reason = excluded.reason
                """,
                .init(certificate), .init(revocation.compromised.microseconds), .init(revocation.revoked.microseconds),
                .init(revocation.reason))
            events.record(.signerRevoked, by: actor, on: Hex.encode(certificate)) {
                $0.member("compromised", revocation.compromised.rfc3339)
                $0.member("reason", revocation.reason)
            }
            return revocation
        }
    }

    /// Who was revoked, the latest first, at most ``revocationsMax``.
    package func revocations() async throws -> [SignerRevocation] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT certificate, compromised, revoked, reason FROM revoked_signers ORDER BY revoked DESC LIMIT ?",
                .init(Self.revocationsMax)
            ) { Self.revocation($0) }
        }
    }

    /// The revocation of a certificate; nil if there is none.
    func revocation(of certificate: [UInt8]) async throws -> SignerRevocation? {
        try await journal.find { try Self.revocation(of: certificate, in: $0) }
    }

    private static func revocation(of certificate: [UInt8], in reader: Reader) throws -> SignerRevocation? {
        try reader.first(
            "SELECT certificate, compromised, revoked, reason FROM revoked_signers WHERE certificate = ?",
            .init(certificate)
        ) { revocation($0) }
    }

    private static func revocation(_ row: borrowing Row) -> SignerRevocation {
        SignerRevocation(
            certificate: row.blob(0), compromised: Timestamp(microseconds: row.int(1)),
            revoked: Timestamp(microseconds: row.int(2)), reason: row.text(3))
    }
}
