package import Certificates
import Ciphers
import Database
import Identity
package import Journal
package import Wire

extension EventKind {
    package static let certificateLinked = EventKind("certificate.linked")
    package static let certificateUnlinked = EventKind("certificate.unlinked")
}

/// Whose the certificates are that another authority issued to a name.
package struct CertificateLink: Sendable {
    package var id: String
    package var account: String
    /// As RFC 4514 writes names.
    package var subject: String
    package var issuer: String
    package var created: Timestamp
}

extension ClientCertificates {
    /// Says that whoever shows this certificate, or a later one for the same name by the same authority, is the
    /// account.
    ///
    /// - Throws: ``IdentityError`` `.notFound` for the account, `.exists` where the name is linked already,
    ///   `.invalidCredentials` where no authority that is trusted here has issued it.
    package func link(_ certificate: PresentedCertificate, to account: String, by actor: String) async throws
        -> CertificateLink
    {
        let facts: CertificateFacts
        switch try await anchors().verify(certificate) {
        case .trusted(let known, _, _): facts = known
        case .refused(let why): throw IdentityError(.invalidName, why)
        case .unknown:
            throw IdentityError(
                .invalidName,
                "no authority that is trusted here has issued this certificate: name its file in --client-certificates")
        }
        let (id, now) = (Hex.encode(randomBytes(8)), Timestamp.now)
        try await journal.write { transaction, events in
            guard let owner = try transaction.scalar("SELECT id FROM accounts WHERE name = ?", .init(account)) else {
                throw IdentityError(.notFound, "there is no account '\(account)'")
            }
            try transaction.lock("certificate link \(Hex.encode(facts.nameHash))")
            let other = try transaction.first(
                "SELECT a.name FROM certificate_links l JOIN accounts a ON a.id = l.account WHERE l.name_hash = ?",
                .init(facts.nameHash)
            ) { $0.text(0) }
            if let other {
                throw IdentityError(.exists, "\(facts.subject) is linked with the account '\(other)' already")
            }
            try transaction.run(
                """
                INSERT INTO certificate_links (id, account, name_hash, subject, issuer, created)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
                .init(id), .init(owner), .init(facts.nameHash), .init(facts.subject), .init(facts.issuer),
                .init(now.microseconds))
            events.record(.certificateLinked, by: actor, on: account) {
                $0.member("subject", facts.subject)
                $0.member("issuer", facts.issuer)
            }
        }
        standings.clear()
        return CertificateLink(
            id: id, account: account, subject: facts.subject, issuer: facts.issuer, created: now)
    }

    /// Ends a link: the certificate opens nothing any more.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func unlink(_ id: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let found = try transaction.first(
                "SELECT a.name, l.subject FROM certificate_links l JOIN accounts a ON a.id = l.account WHERE l.id = ?",
                .init(id)
            ) { (account: $0.text(0), subject: $0.text(1)) }
            guard let found else { throw IdentityError(.notFound, "there is no link '\(id.prefix(64))'") }
            try transaction.run("DELETE FROM certificate_links WHERE id = ?", .init(id))
            events.record(.certificateUnlinked, by: actor, on: found.account) { $0.member("subject", found.subject) }
        }
        standings.clear()
    }

    /// Links in the order of their ids, after `id`.
    package func links(account: String? = nil, after id: String = "", limit: Int = 1000) async throws
        -> [CertificateLink]
    {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT l.id, a.name, l.subject, l.issuer, l.created
                FROM certificate_links l JOIN accounts a ON a.id = l.account
                WHERE l.id > ? AND (? = '' OR a.name = ?) ORDER BY l.id LIMIT ?
                """,
                .init(id), .init(account ?? ""), .init(account ?? ""), .init(limit)
            ) { row in
                CertificateLink(
                    id: row.text(0), account: row.text(1), subject: row.text(2), issuer: row.text(3),
                    created: Timestamp(microseconds: row.int(4)))
            }
        }
    }

    /// The account of a link.
    package func owner(ofLink id: String) async throws -> String {
        let account = try await journal.find { reader in
            try reader.first(
                "SELECT a.name FROM certificate_links l JOIN accounts a ON a.id = l.account WHERE l.id = ?", .init(id)
            ) { $0.text(0) }
        }
        guard let account else { throw IdentityError(.notFound, "there is no link '\(id.prefix(64))'") }
        return account
    }
}
