package import Certificates
import Database
package import Identity
package import Journal
import Synchronization
import Wire

extension EventKind {
    package static let certificateRefused = EventKind("certificate.refused")
    package static let certificateAccepted = EventKind("certificate.accepted")
}

/// Whose a certificate is that a client showed.
///
/// Which authorities a certificate leads to is found out once; that it was not revoked, and that the account may still
/// log in, counts for a second.
package final class ClientCertificates: Sendable {
    let journal: Journal
    let identity: Identity
    private let authority: Authority
    /// Certificates of further authorities that are trusted, in DER.
    private let others: [[UInt8]]
    private let verdicts = Mutex<[[UInt8]: (verdict: TrustAnchors.Verdict, until: Timestamp)]>([:])
    let standings = RecentReads<Standing>()

    /// Verdicts remembered at once, and for how many seconds where a certificate is not believed: whom a node trusts
    /// may change.
    private static let verdictsMax = 10_000
    private static let doubtSeconds: Int64 = 30

    /// What the tables say of a certificate.
    enum Standing: Sendable {
        case account(Int64)
        /// It counts, and is nobody's.
        case unlinked(String)
        case refused(String)
    }

    /// - Parameter others: certificates of authorities that are trusted beside the node's own, in DER.
    package init(authority: Authority, others: [[UInt8]]) {
        journal = authority.journal
        identity = authority.identity
        self.authority = authority
        self.others = others
    }

    /// Whom certificates may lead to.
    package func anchors() async throws -> TrustAnchors { try await authority.anchors(others: others) }

    /// Something was revoked, or another authority is trusted: what was read of certificates does not count any more.
    package func forget() {
        verdicts.withLock { $0 = [:] }
        standings.clear()
    }

    /// Who a certificate says that somebody is; nil where no authority that is trusted has issued it.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials` where one has, and it does not count (any more): it expired,
    ///   was revoked, or is nobody's; `.disabled` for a suspended account.
    package func principal(_ shown: PresentedCertificate) async throws -> Principal? {
        switch try await verdict(shown) {
        case .unknown: return nil
        case .refused(let why): throw IdentityError(.invalidCredentials, why)
        case .trusted(let facts, let issuer, _):
            switch try await standing(facts, issuer: issuer) {
            case .refused(let why), .unlinked(let why): throw IdentityError(.invalidCredentials, why)
            case .account(let id):
                var principal = try await identity.principal(account: id, method: .certificate)
                principal.authentication = Authentication(factors: [.x509])
                return principal
            }
        }
    }

    /// What a certificate says that leads to an authority that is trusted, whether or not it is an account's; nil for
    /// one that does not count (any more), and for one of a suspended account.
    package func facts(_ shown: PresentedCertificate) async throws -> CertificateFacts? {
        guard case .trusted(let facts, let issuer, _) = try await verdict(shown) else { return nil }
        switch try await standing(facts, issuer: issuer) {
        case .refused: return nil
        case .unlinked: return facts
        case .account(let id):
            do {
                _ = try await identity.principal(account: id, method: .certificate)
                return facts
            } catch is IdentityError {
                return nil
            }
        }
    }

    private func verdict(_ shown: PresentedCertificate) async throws -> TrustAnchors.Verdict {
        let now = Timestamp.now
        let known = verdicts.withLock { $0[shown.fingerprint] }
        if let known, now <= known.until { return known.verdict }
        let verdict = try await anchors().verify(shown, now: now)
        let until =
            if case .trusted(_, _, let until) = verdict { until } else { now.adding(seconds: Self.doubtSeconds) }
        verdicts.withLock { verdicts in
            if verdicts.count >= Self.verdictsMax { verdicts = [:] }
            verdicts[shown.fingerprint] = (verdict, until)
        }
        await note(verdict)
        return verdict
    }

    private func standing(_ facts: CertificateFacts, issuer: [UInt8]) async throws -> Standing {
        let key = Hex.encode(facts.fingerprint)
        if let known = standings[key] { return known }
        let standing = try await journal.find { reader -> Standing in
            let own = try reader.first(
                "SELECT account, revoked FROM certificates WHERE fingerprint = ?", .init(facts.fingerprint)
            ) { (account: $0.intOrNil(0), isRevoked: !$0.isNull(1)) }
            if let own {
                guard let account = own.account, !own.isRevoked else {
                    return .refused("the certificate of \(facts.subject) was revoked")
                }
                return .account(account)
            }
            let account = try reader.scalar(
                "SELECT account FROM certificate_links WHERE name_hash = ?", .init(facts.nameHash))
            if let account { return .account(account) }
            return .unlinked("the certificate of \(facts.subject) is linked with no account")
        }
        standings[key] = standing
        return standing
    }

    /// That somebody begins to use a certificate is an event, as a login is; that an expired one is tried as well.
    /// Those of authorities that nobody here knows are not: anybody can make any number of them.
    private func note(_ verdict: TrustAnchors.Verdict) async {
        if case .unknown = verdict { return }
        _ = try? await journal.write { _, events in
            switch verdict {
            case .unknown: break
            case .refused(let why):
                events.record(.certificateRefused, by: "anonymous", on: "certificates") { $0.member("reason", why) }
            case .trusted(let facts, _, _):
                events.record(.certificateAccepted, by: "anonymous", on: facts.subject) {
                    $0.member("serial", facts.serial)
                    $0.member("issuer", facts.issuer)
                }
            }
        }
    }
}
