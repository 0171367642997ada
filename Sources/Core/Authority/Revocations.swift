import Certificates
import Database
import Journal
import Synchronization
package import Wire

/// Revocation lists that were signed a moment ago, by issuer.
final class RevocationLists: Sendable {
    /// How long one counts: a revocation on another node is in the list so late.
    private static let microsecondsMax: Int64 = 60_000_000

    private let lists = Mutex<[Int64: (der: [UInt8], made: Timestamp)]>([:])

    subscript(_ issuer: Int64) -> [UInt8]? {
        get {
            let since = Timestamp.now.microseconds - Self.microsecondsMax
            return lists.withLock { lists in
                guard let list = lists[issuer], list.made.microseconds > since else { return nil }
                return list.der
            }
        }
        set { lists.withLock { $0[issuer] = newValue.map { ($0, .now) } } }
    }

    func clear() { lists.withLock { $0 = [:] } }
}

extension Authority {
    /// How long a revocation list may be kept, and an answer of OCSP.
    private static let listSeconds: Int64 = 86_400
    private static let answerSeconds: Int64 = 3600
    /// Entries of a list: the certificates are short-lived, so that there are never many.
    private static let entriesMax = 1_000_000

    /// The revocation list of an issuer, in DER.
    ///
    /// - Throws: `CertificatesError` `.notFound`.
    package func revocationList(issuer id: Int64) async throws -> [UInt8] {
        if let known = lists[id] { return known }
        guard let issuer = try await issuers().first(where: { $0.id == id }) else {
            throw CertificatesError(.notFound, "there is no authority \(id)")
        }
        let now = Timestamp.now
        try await revokeOrphans(issuer: id, now: now)
        let entries = try await journal.read { reader in
            try reader.rows(
                """
                SELECT serial, revoked, reason FROM certificates
                WHERE issuer = ? AND expires > ? AND revoked IS NOT NULL LIMIT ?
                """,
                .init(id), .init(now.microseconds), .init(Self.entriesMax)
            ) { row in
                Revocation(
                    serial: Hex.decode(row.text(0)) ?? [], time: Timestamp(microseconds: row.int(1)),
                    reason: RevocationReason(rawValue: UInt8(truncatingIfNeeded: row.int(2))) ?? .unspecified)
            }
        }
        let list = try issuer.authority.revocationList(
            entries, number: now.microseconds, now: now, next: now.adding(seconds: Self.listSeconds))
        lists[id] = list
        return list
    }

    /// What the certificates of accounts that are gone say is not true any more.
    private func revokeOrphans(issuer: Int64, now: Timestamp) async throws {
        let any = try await journal.find { reader in
            try reader.scalar(
                "SELECT 1 FROM certificates WHERE issuer = ? AND account IS NULL AND revoked IS NULL LIMIT 1",
                .init(issuer))
        }
        guard any != nil else { return }
        try await journal.write { transaction, events in
            let found = try transaction.rows(
                "SELECT serial, owner FROM certificates WHERE issuer = ? AND account IS NULL AND revoked IS NULL",
                .init(issuer)
            ) { (serial: $0.text(0), owner: $0.text(1)) }
            for one in found {
                try transaction.run(
                    "UPDATE certificates SET revoked = ?, reason = ? WHERE serial = ?", .init(now.microseconds),
                    .init(Int64(RevocationReason.cessationOfOperation.rawValue)), .init(one.serial))
                events.record(.certificateRevoked, by: "system:authority", on: one.owner) {
                    $0.member("serial", one.serial)
                    $0.member("reason", RevocationReason.cessationOfOperation.name)
                }
            }
        }
    }

    /// Answers an OCSP request (RFC 6960), in DER.
    ///
    /// - Returns: the answer, and until when it may be kept; nil for `next` where it says nothing of a certificate.
    package func ocsp(_ request: [UInt8]) async throws -> (answer: [UInt8], next: Timestamp?) {
        let question: OCSPQuestion
        do {
            question = try OCSPQuestion(request)
        } catch {
            return (OCSPFailure.malformedRequest.der, nil)
        }
        // One issuer answers; a request that means several is not of this world.
        let issuer = try await issuers().first { issuer in
            question.subjects.contains { issuer.authority.isIssuer(of: $0) }
        }
        guard let issuer else { return (OCSPFailure.unauthorized.der, nil) }
        var statuses: [(subject: OCSPQuestion.Subject, status: OCSPStatus)] = []
        for subject in question.subjects {
            let isOurs = issuer.authority.isIssuer(of: subject)
            statuses.append((subject, isOurs ? try await status(serial: subject.serial, issuer: issuer.id) : .unknown))
        }
        let now = Timestamp.now
        let next = now.adding(seconds: Self.answerSeconds)
        let answer = try issuer.authority.ocspAnswer(statuses, nonce: question.nonce, now: now, next: next)
        return (answer, question.nonce == nil ? next : nil)
    }

    private func status(serial: [UInt8], issuer: Int64) async throws -> OCSPStatus {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT revoked, reason, account, issued FROM certificates WHERE serial = ? AND issuer = ?",
                .init(Hex.encode(serial)), .init(issuer)
            ) { (revoked: $0.intOrNil(0), reason: $0.intOrNil(1), isOrphan: $0.isNull(2), issued: $0.int(3)) }
        }
        guard let found else { return .unknown }
        if let revoked = found.revoked {
            let reason = found.reason.flatMap { RevocationReason(rawValue: UInt8(truncatingIfNeeded: $0)) }
            return .revoked(Timestamp(microseconds: revoked), reason ?? .unspecified)
        }
        if found.isOrphan { return .revoked(Timestamp(microseconds: found.issued), .cessationOfOperation) }
        return .good
    }

    /// The certificate of an issuer, in DER.
    package func issuerCertificate(_ id: Int64) async throws -> [UInt8] {
        guard let issuer = try await issuers().first(where: { $0.id == id }) else {
            throw CertificatesError(.notFound, "there is no authority \(id)")
        }
        return issuer.authority.certificate
    }
}
