package import Certificates
import Ciphers
import Database
import Identity
package import Journal
package import Wire

extension EventKind {
    package static let acmeValidated = EventKind("acme-authorization.validated")
    package static let acmeRefused = EventKind("acme-authorization.refused")
}

/// Where challenges are looked for.
package struct ACMEValidation: Sendable {
    /// Asks a host for a path by HTTP, of addresses that the operator allows only; at most `bytesMax` of the answer.
    package var fetch: @Sendable (_ host: String, _ path: String, _ bytesMax: Int) async throws -> [UInt8]
    /// The certificate, in DER, that a host shows to whoever asks for the protocol `acme-tls/1`; as above.
    package var certificate: @Sendable (_ host: String) async throws -> [UInt8]
    /// The TXT records of a name; nil where the operator has named no resolver.
    package var records: (@Sendable (_ name: String) async throws -> [String])?

    package init(
        fetch: @escaping @Sendable (_ host: String, _ path: String, _ bytesMax: Int) async throws -> [UInt8],
        certificate: @escaping @Sendable (_ host: String) async throws -> [UInt8],
        records: (@Sendable (_ name: String) async throws -> [String])?
    ) {
        self.fetch = fetch
        self.certificate = certificate
        self.records = records
    }

    /// The challenges by which a host can be shown: the one that was tried, or all.
    package func challenges(_ step: ACMEAuthorization) -> [ACMEChallenge] {
        if let method = step.method { return [method] }
        let dns: [ACMEChallenge] = records != nil && !AlternativeNames.isAddress(step.host) ? [.dns] : []
        return step.isWildcard ? dns : [.http, .tls] + dns
    }

    /// Looks whether a host shows what only the account's key gives.
    ///
    /// - Throws: ``ACMEError``.
    func check(_ step: ACMEAuthorization, _ challenge: ACMEChallenge, _ authorization: String) async throws {
        let digest = DigestAlgorithm.sha256.hash(Array(authorization.utf8))
        switch challenge {
        case .http:
            let answer = try await fetch(step.name, "/.well-known/acme-challenge/" + step.token, 4096)
            let text = answer.prefix { !($0 == 10 || $0 == 13 || $0 == 32) }
            guard constantTimeEquals(Array(text), Array(authorization.utf8)) else {
                throw ACMEError(.unauthorized, "\(step.name) answers with something else than the key authorization")
            }
        case .tls:
            try Self.check(try await certificate(step.name), of: step.name, digest)
        case .dns:
            guard let records else { throw ACMEError(.dns, "this node asks no resolver: see --acme-resolver") }
            let name = "_acme-challenge." + step.name
            let expected = Array(Base64.encodeURL(digest).utf8)
            guard try await records(name).contains(where: { constantTimeEquals(Array($0.utf8), expected) }) else {
                throw ACMEError(.unauthorized, "\(name) has no TXT record with the digest of the key authorization")
            }
        }
    }

    private static func check(_ certificate: [UInt8], of host: String, _ digest: [UInt8]) throws(ACMEError) {
        let proof: [UInt8]
        do throws(CertificatesError) {
            proof = try ChallengeCertificate.proof(of: certificate, host: host)
        } catch {
            throw ACMEError(.incorrectResponse, "\(host) shows another certificate: \(error.message)")
        }
        guard constantTimeEquals(proof, digest) else {
            throw ACMEError(.unauthorized, "the certificate of \(host) is for another key authorization")
        }
    }
}

extension Authority {
    /// How long somebody has to do what an order asks for.
    private static let orderSeconds: Int64 = 86_400
    /// Orders of one account that are not done.
    private static let openOrdersMax: Int64 = 100

    /// Takes an order. Hosts that the account may not have are refused, before anybody has to show anything.
    ///
    /// - Throws: ``ACMEError`` `.rejectedIdentifier`, `.unsupportedIdentifier`, `.rateLimited`.
    package func createOrder(
        _ account: ACMEAccount, hosts: [String], by validation: ACMEValidation
    ) async throws -> ACMEOrder {
        let hosts = Array(Set(hosts.map { $0.lowercased() })).sorted()
        guard (1...EnrolmentTerms.hostsMax).contains(hosts.count) else {
            throw ACMEError(.malformed, "an order has 1 to \(EnrolmentTerms.hostsMax) identifiers")
        }
        for host in hosts {
            guard (try? AlternativeNames.check(host: host)) != nil else {
                throw ACMEError(.rejectedIdentifier, "'\(host.prefix(253))' is no host name or address")
            }
            guard !host.hasPrefix("*.") || validation.records != nil else {
                throw ACMEError(
                    .rejectedIdentifier,
                    "'\(host)': wildcards are shown by dns-01, for which this node's operator sets --acme-resolver")
            }
            guard AlternativeNames.covers(account.hosts, host: host) else {
                throw ACMEError(
                    .rejectedIdentifier,
                    "'\(host)' is not among the hosts of this account: \(account.hosts.joined(separator: ", "))")
            }
        }
        let now = Timestamp.now
        let expires = now.adding(seconds: Self.orderSeconds)
        let id = Hex.encode(randomBytes(12))
        let steps = hosts.map { host in
            ACMEAuthorization(
                id: Hex.encode(randomBytes(12)), order: id, host: host, token: Base64.encodeURL(randomBytes(24)),
                status: .pending, expires: expires)
        }
        try await journal.write { transaction, events in
            // What nobody has gone on with.
            try transaction.run("DELETE FROM acme_orders WHERE expires < ?", .init(now.microseconds))
            let open = try transaction.scalar(
                "SELECT count(*) FROM acme_orders WHERE owner = ? AND certificate IS NULL", .init(account.id))
            guard open ?? 0 < Self.openOrdersMax else {
                throw ACMEError(.rateLimited, "the account has \(Self.openOrdersMax) orders that are not done")
            }
            try transaction.run(
                "INSERT INTO acme_orders (id, owner, hosts, expires) VALUES (?, ?, ?, ?)", .init(id), .init(account.id),
                .init(hosts.joined(separator: " ")), .init(expires.microseconds))
            for step in steps {
                try transaction.run(
                    """
                    INSERT INTO acme_authorizations (id, order_id, host, token, status, expires)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                    .init(step.id), .init(id), .init(step.host), .init(step.token), .init(step.status.rawValue),
                    .init(expires.microseconds))
            }
        }
        return ACMEOrder(
            id: id, owner: account.id, hosts: hosts, status: .pending, expires: expires,
            authorizations: steps.map(\.id))
    }

    /// An order of an account.
    ///
    /// - Throws: ``ACMEError`` `.notFound`, also for somebody else's.
    package func order(_ id: String, of account: ACMEAccount) async throws -> ACMEOrder {
        let found = try await journal.find { reader -> ACMEOrder? in
            let steps = try reader.rows(
                "SELECT id, status FROM acme_authorizations WHERE order_id = ? ORDER BY host", .init(id)
            ) { (id: $0.text(0), status: ACMEStatus(rawValue: $0.text(1)) ?? .invalid) }
            return try reader.first(
                "SELECT id, owner, hosts, expires, error, certificate FROM acme_orders WHERE id = ?", .init(id)
            ) { row in
                let certificate = row.isNull(5) ? nil : row.text(5)
                let status: ACMEStatus =
                    if certificate != nil {
                        .valid
                    } else if row.int(3) < Timestamp.now.microseconds
                        || steps.contains(where: { ![.pending, .valid].contains($0.status) })
                    { .invalid } else if steps.allSatisfy({ $0.status == .valid }) { .ready } else { .pending }
                return ACMEOrder(
                    id: row.text(0), owner: row.text(1), hosts: row.text(2).split(separator: " ").map(String.init),
                    status: status, expires: Timestamp(microseconds: row.int(3)), authorizations: steps.map(\.id),
                    error: row.isNull(4) ? nil : row.text(4), certificate: certificate)
            }
        }
        guard let found, found.owner == account.id else { throw ACMEError(.notFound, "there is no such order") }
        return found
    }

    /// The orders of an account that are not forgotten yet, after one.
    package func orders(of account: ACMEAccount, after id: String, limit: Int) async throws -> [String] {
        try await journal.read { reader in
            try reader.rows(
                "SELECT id FROM acme_orders WHERE owner = ? AND id > ? ORDER BY id LIMIT ?", .init(account.id),
                .init(id), .init(limit)
            ) { $0.text(0) }
        }
    }

    /// What an order asks for.
    ///
    /// - Throws: ``ACMEError`` `.notFound`, also for somebody else's.
    package func authorization(_ id: String, of account: ACMEAccount) async throws -> ACMEAuthorization {
        let found = try await journal.find { reader in
            try reader.first(
                """
                SELECT z.id, z.order_id, z.host, z.token, z.status, z.expires, z.error, z.validated, z.method
                FROM acme_authorizations z JOIN acme_orders o ON o.id = z.order_id WHERE z.id = ? AND o.owner = ?
                """,
                .init(id), .init(account.id)
            ) { row in
                ACMEAuthorization(
                    id: row.text(0), order: row.text(1), host: row.text(2), token: row.text(3),
                    status: ACMEStatus(rawValue: row.text(4)) ?? .invalid,
                    method: row.textOrNil(8).flatMap(ACMEChallenge.init(rawValue:)),
                    expires: Timestamp(microseconds: row.int(5)), error: row.isNull(6) ? nil : row.text(6),
                    validated: row.intOrNil(7).map { Timestamp(microseconds: $0) })
            }
        }
        guard let found else { throw ACMEError(.notFound, "there is no such authorization") }
        return found
    }

    /// Says of an authorization that its challenge was met, not met, or is given up; only once.
    private func settle(
        _ step: ACMEAuthorization, _ status: ACMEStatus, by method: ACMEChallenge?, error: String?,
        _ account: ACMEAccount
    ) async throws {
        try await journal.write { transaction, events in
            try transaction.run(
                """
                UPDATE acme_authorizations SET status = ?, error = ?, validated = ?, method = ?
                WHERE id = ? AND status = 'pending'
                """,
                .init(status.rawValue), .init(error), .init(Timestamp.now.microseconds), .init(method?.rawValue),
                .init(step.id))
            if let error {
                try transaction.run("UPDATE acme_orders SET error = ? WHERE id = ?", .init(error), .init(step.order))
            }
            events.record(
                status == .valid ? .acmeValidated : .acmeRefused, by: account.accountName, on: step.host
            ) {
                if let method { $0.member("challenge", method.rawValue) }
                if let error { $0.member("reason", error) }
            }
        }
    }

    package func deactivate(_ step: ACMEAuthorization, of account: ACMEAccount) async throws {
        try await settle(step, .deactivated, by: nil, error: nil, account)
    }

    /// Looks whether a host shows what only the account's key gives; only once.
    package func validate(
        _ step: ACMEAuthorization, _ challenge: ACMEChallenge, of account: ACMEAccount, by validation: ACMEValidation
    ) async throws {
        guard step.status == .pending, step.expires > .now else { return }
        let authorization = step.token + "." + Base64.encodeURL(account.key.thumbprint)
        do {
            try await validation.check(step, challenge, authorization)
            try await settle(step, .valid, by: challenge, error: nil, account)
        } catch let error as ACMEError {
            try await settle(
                step, .invalid, by: challenge, error: error.code.rawValue + " " + error.description, account)
        }
    }

    /// Issues what a ready order asks for.
    ///
    /// - Throws: ``ACMEError`` `.orderNotReady`, `.badCSR`.
    package func finalize(_ order: ACMEOrder, _ request: CertificateRequest, of account: ACMEAccount) async throws {
        guard order.status == .ready else {
            throw ACMEError(.orderNotReady, "the order is \(order.status.rawValue), and not ready")
        }
        guard Set(request.names.hosts) == Set(order.hosts) else {
            throw ACMEError(
                .badCSR,
                "the request is for \(request.names.hosts.joined(separator: ", ").prefix(300)), and the order for "
                    + order.hosts.joined(separator: ", "))
        }
        guard !account.key.isKey(of: request) else {
            throw ACMEError(.badCSR, "the key of the account is for the account alone")
        }
        let holder = try await journal.find { reader in
            try reader.first(
                "SELECT id, name, kind, email FROM accounts WHERE id = ?", .init(account.account), map: Self.holder)
        }
        guard let holder else { throw ACMEError(.unauthorized, "the account is gone") }
        let signed: Signed
        do {
            signed = try await sign(
                request, for: holder, allowed: account.hosts, seconds: account.seconds,
                commonName: order.hosts.first { $0.utf8.count <= 64 })
        } catch let error as CertificatesError {
            throw ACMEError(.badCSR, error.message)
        }
        try await journal.write { transaction, events in
            try transaction.lock("acme order \(order.id)")
            let isOpen = try transaction.scalar(
                "SELECT 1 FROM acme_orders WHERE id = ? AND certificate IS NULL", .init(order.id))
            guard isOpen != nil else { throw ACMEError(.orderNotReady, "the order is done already") }
            try transaction.run(
                "UPDATE acme_orders SET certificate = ? WHERE id = ?", .init(signed.chain.pem), .init(order.id))
            try Self.store(signed, by: holder.name, how: "acme \(account.id)", in: transaction, &events)
        }
    }

    /// Revokes a certificate for the account that it is of, or for whoever has its key (RFC 8555 §7.6).
    ///
    /// - Parameter account: nil where the message was signed by the certificate's own key, which the caller has
    ///   checked.
    /// - Throws: ``ACMEError``.
    package func revoke(certificate der: [UInt8], reason: Int64, by account: ACMEAccount?) async throws {
        guard let reason = UInt8(exactly: reason).flatMap({ RevocationReason(rawValue: $0) }) else {
            throw ACMEError(.badRevocationReason, "there is no reason \(reason): 0, 1, 3, 4, 5 and 9 are taken")
        }
        let facts = try CertificateFacts(der: der)
        let owner = try await journal.find { reader in
            try reader.first(
                "SELECT account FROM certificates WHERE fingerprint = ?", .init(facts.fingerprint)
            ) { $0.intOrNil(0) ?? 0 }
        }
        guard let owner else { throw ACMEError(.notFound, "this authority has issued no such certificate") }
        if let account, owner != account.account {
            throw ACMEError(.unauthorized, "the certificate is of another account")
        }
        do {
            try await revoke(serial: facts.serial, reason: reason, by: account?.accountName ?? facts.subject)
        } catch let error as CertificatesError where error.code == .alreadyRevoked {
            throw ACMEError(.alreadyRevoked, error.message)
        }
    }

    /// When to renew a certificate (RFC 9773): from two thirds of its time on; at once where it was revoked.
    ///
    /// - Parameter id: the authority's key identifier and the serial number, as base64url with a dot.
    /// - Throws: ``ACMEError`` `.malformed`, `.notFound`.
    package func renewalWindow(_ id: String) async throws -> (start: Timestamp, end: Timestamp) {
        let parts = id.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, Base64.decode(parts[0]) != nil, let serial = Base64.decode(parts[1]), !serial.isEmpty
        else { throw ACMEError(.malformed, "a certificate is named by key identifier and serial, in base64url") }
        let record: CertificateRecord
        do {
            record = try await issued(serial: Hex.encode(Array(serial.drop { $0 == 0 })))
        } catch {
            throw ACMEError(.notFound, "this authority has issued no such certificate")
        }
        let now = Timestamp.now
        guard record.revoked == nil else { return (now.adding(seconds: -3600), now.adding(seconds: -60)) }
        let life = record.expires.seconds - record.issued.seconds
        return (
            Timestamp(seconds: record.issued.seconds + life * 2 / 3),
            Timestamp(seconds: record.issued.seconds + life * 5 / 6)
        )
    }
}
