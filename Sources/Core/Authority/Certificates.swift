package import Certificates
import Ciphers
package import Database
package import Identity
package import Journal
import Wire

extension EventKind {
    package static let certificateIssued = EventKind("certificate.issued")
    package static let certificateRevoked = EventKind("certificate.revoked")
}

extension Authority {
    /// Expired certificates are forgotten after a year.
    private static let keptSeconds: Int64 = 366 * 86_400

    /// An account, as far as its certificates say something of it.
    struct Holder: Sendable {
        var id: Int64
        var name: String
        var kind: PrincipalKind
        var email: String
    }

    static func holder(_ row: borrowing Row) -> Holder {
        Holder(
            id: row.int(0), name: row.text(1), kind: PrincipalKind(rawValue: row.text(2)) ?? .person,
            email: row.text(3))
    }

    /// The names that a request gets: those that it asks for, as far as they are allowed, or all that are.
    private func names(
        of request: CertificateRequest, for holder: Holder, allowed: [String], permissions: NamePermissions
    ) throws -> AlternativeNames {
        var names = AlternativeNames()
        names.hosts = request.names.hosts.isEmpty ? allowed.filter { !$0.hasPrefix("*.") } : request.names.hosts
        for host in names.hosts {
            guard AlternativeNames.covers(allowed, host: host) else {
                throw CertificatesError(
                    .notAllowed,
                    "the request asks for the name '\(host.prefix(253))'; allowed are: \(allowed.joined(separator: ", "))"
                )
            }
            guard permissions.allows(host: host) else {
                throw CertificatesError(
                    .notAllowed,
                    "the authority may not issue certificates for '\(host.prefix(253))', only for "
                        + permissions.domains.joined(separator: ", "))
            }
        }
        if holder.kind == .person, !holder.email.isEmpty { names.emails = [holder.email] }
        if let id = spiffeID(holder) { names.uris = [id] }
        for other in request.names.emails + request.names.uris where !names.all.contains(other) {
            throw CertificatesError(
                .notAllowed, "the request asks for '\(other.prefix(253))', which '\(holder.name)' is not")
        }
        return names
    }

    /// The SPIFFE id of an account; nil where its name has a character that none may have.
    private func spiffeID(_ holder: Holder) -> String? {
        guard !holder.name.contains("@") else { return nil }
        return "spiffe://\(settings.trustDomain)/\(holder.kind.rawValue)/\(holder.name)"
    }

    /// A certificate that is signed, and yet to be written down.
    struct Signed: Sendable {
        var issuer: Int64
        var holder: Holder
        var facts: CertificateFacts
        var hosts: [String]
        var chain: IssuedChain
    }

    /// - Parameter commonName: where that is not the account's: clients of ACME take it for one of the hosts.
    func sign(
        _ request: CertificateRequest, for holder: Holder, allowed: [String], seconds: Int64?, commonName: String? = nil
    ) async throws -> Signed {
        let issuer = try await active()
        let names = try names(of: request, for: holder, allowed: allowed, permissions: issuer.permissions)
        var template = CertificateTemplate(
            commonName: commonName ?? holder.name, names: names, purposes: holder.kind.purposes,
            seconds: seconds ?? holder.kind.certificateSeconds)
        template.crlURL = "\(settings.url)/ca/crl/\(issuer.id).crl"
        template.ocspURL = "\(settings.url)/ca/ocsp"
        template.issuerURL = "\(settings.url)/ca/issuers/\(issuer.id).crt"
        let made = try issuer.authority.issue(request, template)
        noteUse(of: issuer, for: "sign certificate")
        let facts = try CertificateFacts(der: made.certificate)
        let above = try ([issuer.authority.certificate] + issuer.chain.dropLast()).map { try CertificateChain.pem($0) }
        return Signed(
            issuer: issuer.id, holder: holder, facts: facts, hosts: names.hosts,
            chain: IssuedChain(
                serial: facts.serial, pem: ([made.pem] + above).joined(), certificate: made.certificate,
                expires: made.expires))
    }

    /// Writes a certificate down, so that it can be revoked. Only then is it given to anybody.
    static func store(
        _ signed: Signed, by actor: String, how: String, in transaction: Transaction, _ events: inout EventRecorder
    ) throws {
        let now = Timestamp.now
        try transaction.run(
            "DELETE FROM certificates WHERE expires < ?", .init(now.adding(seconds: -Self.keptSeconds).microseconds))
        try transaction.run(
            """
            INSERT INTO certificates (
                fingerprint, issuer, serial, account, owner, subject, hosts, certificate, issued, expires)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            .init(signed.facts.fingerprint), .init(signed.issuer), .init(signed.facts.serial), .init(signed.holder.id),
            .init(signed.holder.name), .init(signed.facts.subject), .init(signed.hosts.joined(separator: " ")),
            .init(signed.chain.certificate), .init(now.microseconds), .init(signed.chain.expires.microseconds))
        events.record(.certificateIssued, by: actor, on: signed.holder.name) {
            $0.member("serial", signed.facts.serial)
            $0.member("how", how)
            $0.member("hosts", signed.hosts)
            $0.member("expires", signed.chain.expires.rfc3339)
        }
    }

    /// Renews a certificate for whoever shows it: the same account and names, as long as before.
    ///
    /// - Parameter principal: whose it is, as ``ClientCertificates`` found.
    /// - Throws: `CertificatesError` `.notAllowed` for one that this node has not issued.
    package func renew(
        _ shown: PresentedCertificate, _ request: CertificateRequest, by principal: Principal
    ) async throws -> IssuedChain {
        let found = try await journal.find { reader in
            try reader.first(
                """
                SELECT a.id, a.name, a.kind, a.email, c.hosts, c.issued, c.expires
                FROM certificates c JOIN accounts a ON a.id = c.account
                WHERE c.fingerprint = ? AND c.revoked IS NULL
                """,
                .init(shown.fingerprint)
            ) { (holder: Self.holder($0), hosts: $0.text(4), seconds: ($0.int(6) - $0.int(5)) / 1_000_000) }
        }
        guard let found, found.holder.id == principal.accountID else {
            throw CertificatesError(.notAllowed, "a certificate is renewed with one that this node has issued")
        }
        let signed = try await sign(
            request, for: found.holder, allowed: found.hosts.split(separator: " ").map(String.init),
            seconds: max(found.seconds, EnrolmentTerms.secondsRange.lowerBound))
        try await journal.write { transaction, events in
            try Self.store(signed, by: principal.name, how: "renewal", in: transaction, &events)
        }
        return signed.chain
    }

    /// Signs a certificate for a key of an account, which is written down where what allows it is.
    ///
    /// - Parameters:
    ///   - how: what the journal says of how it came about.
    ///   - store: what is given to be called in that transaction.
    /// - Throws: ``IdentityError`` `.notFound`, `.disabled`; `CertificatesError` for a request that asks for something
    ///   else.
    package func prepare(
        _ request: CertificateRequest, for account: String, seconds: Int64, how: String, by actor: String
    ) async throws -> (chain: IssuedChain, store: @Sendable (Transaction, inout EventRecorder) throws -> Void) {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT id, name, kind, email, disabled FROM accounts WHERE name = ?", .init(account)
            ) { (holder: Self.holder($0), isDisabled: $0.int(4) != 0) }
        }
        guard let found else { throw IdentityError(.notFound, "there is no account '\(account.prefix(64))'") }
        guard !found.isDisabled else { throw IdentityError(.disabled, "the account '\(account)' is disabled") }
        let signed = try await sign(request, for: found.holder, allowed: [], seconds: seconds)
        return (
            signed.chain, { try Self.store(signed, by: actor, how: how, in: $0, &$1) }
        )
    }

    // MARK: What was issued

    private static let recordColumns = "serial, owner, subject, hosts, certificate, issued, expires, revoked, reason"

    private static func record(_ row: borrowing Row) -> CertificateRecord {
        CertificateRecord(
            serial: row.text(0), owner: row.text(1), subject: row.text(2),
            hosts: row.text(3).split(separator: " ").map(String.init), certificate: row.blob(4),
            issued: Timestamp(microseconds: row.int(5)), expires: Timestamp(microseconds: row.int(6)),
            revoked: row.intOrNil(7).map { Timestamp(microseconds: $0) },
            reason: row.intOrNil(8).flatMap { RevocationReason(rawValue: UInt8(truncatingIfNeeded: $0)) })
    }

    /// Certificates in the order of their serial numbers, after one.
    ///
    /// - Parameter account: of this account only.
    package func issued(
        account: String? = nil, after serial: String = "", limit: Int = 1000
    ) async throws -> [CertificateRecord] {
        try await journal.read { reader in
            guard let account else {
                return try reader.rows(
                    "SELECT \(Self.recordColumns) FROM certificates WHERE serial > ? ORDER BY serial LIMIT ?",
                    .init(serial), .init(limit), map: Self.record)
            }
            return try reader.rows(
                """
                SELECT \(Self.recordColumns) FROM certificates WHERE owner = ? AND serial > ?
                ORDER BY serial LIMIT ?
                """,
                .init(account), .init(serial), .init(limit), map: Self.record)
        }
    }

    /// - Throws: `CertificatesError` `.notFound`.
    package func issued(serial: String) async throws -> CertificateRecord {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT \(Self.recordColumns) FROM certificates WHERE serial = ?", .init(serial.lowercased()),
                map: Self.record)
        }
        guard let found else {
            throw CertificatesError(
                .notFound, "this node has issued no certificate with the serial '\(serial.prefix(64))'")
        }
        return found
    }

    /// Revokes a certificate, for good.
    ///
    /// - Throws: `CertificatesError` `.notFound`, or `.notAllowed` where it is revoked already.
    package func revoke(serial: String, reason: RevocationReason, by actor: String) async throws {
        let serial = serial.lowercased()
        try await journal.write { transaction, events in
            let found = try transaction.first(
                "SELECT owner, revoked FROM certificates WHERE serial = ?", .init(serial)
            ) { (owner: $0.text(0), isRevoked: !$0.isNull(1)) }
            guard let found else {
                throw CertificatesError(
                    .notFound, "this node has issued no certificate with the serial '\(serial.prefix(64))'")
            }
            guard !found.isRevoked else {
                throw CertificatesError(.alreadyRevoked, "the certificate is revoked already")
            }
            try transaction.run(
                "UPDATE certificates SET revoked = ?, reason = ? WHERE serial = ?", .init(Timestamp.now.microseconds),
                .init(Int64(reason.rawValue)), .init(serial))
            events.record(.certificateRevoked, by: actor, on: found.owner) {
                $0.member("serial", serial)
                $0.member("reason", reason.name)
            }
        }
        lists.clear()
    }
}
