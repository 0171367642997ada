import Certificates
import Database
import Journal
import Synchronization
package import Wire

/// Revocation lists that were signed already, by issuer. One counts for a second; then as long as nothing was revoked
/// since, on whatever node.
final class RevocationLists: Sendable {
    /// What a list was made of: how many revocations, and when the last of them was.
    struct State: Hashable, Sendable {
        var count: Int64
        var last: Int64
    }

    private struct List {
        var der: [UInt8]
        var state: State
        var made: Timestamp
        var seen: Timestamp
    }

    private static let freshMicroseconds: Int64 = 1_000_000
    /// Then it is made anew in any case: what has expired leaves it.
    private static let secondsMax: Int64 = 3600

    private let lists = Mutex<[Int64: List]>([:])

    /// A list that needs no look at the table.
    func fresh(_ issuer: Int64) -> [UInt8]? {
        let since = Timestamp.now.microseconds - Self.freshMicroseconds
        return lists.withLock { lists in
            guard let list = lists[issuer], list.seen.microseconds > since else { return nil }
            return list.der
        }
    }

    /// A list that is made of what is in the table.
    func known(_ issuer: Int64, _ state: State) -> [UInt8]? {
        let now = Timestamp.now
        return lists.withLock { lists in
            guard let list = lists[issuer], list.state == state, now.seconds - list.made.seconds < Self.secondsMax
            else {
                return nil
            }
            lists[issuer]?.seen = now
            return list.der
        }
    }

    func store(_ der: [UInt8], _ issuer: Int64, _ state: State) {
        let now = Timestamp.now
        lists.withLock { $0[issuer] = List(der: der, state: state, made: now, seen: now) }
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
        if let fresh = lists.fresh(id) { return fresh }
        guard let issuer = try await issuers().first(where: { $0.id == id }) else {
            throw CertificatesError(.notFound, "there is no authority \(id)")
        }
        let now = Timestamp.now
        try await revokeOrphans(issuer: id, now: now)
        let state = try await revocationState(issuer: id)
        if let known = lists.known(id, state) { return known }
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
        noteUse(of: issuer, for: "sign revocation list")
        lists.store(list, id, state)
        return list
    }

    private func revocationState(issuer: Int64) async throws -> RevocationLists.State {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT count(*), max(revoked) FROM certificates WHERE issuer = ? AND revoked IS NOT NULL",
                .init(issuer)
            ) { RevocationLists.State(count: $0.int(0), last: $0.intOrNil(1) ?? 0) }
        }
        return found ?? RevocationLists.State(count: 0, last: 0)
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
        noteUse(of: issuer, for: "sign OCSP answer")
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
