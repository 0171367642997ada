package import Certificates
import Ciphers
import Database
import Identity
package import Journal
import Wire

extension EventKind {
    package static let enrolmentCreated = EventKind("enrolment.created")
}

extension Authority {
    /// How long somebody has to use what they were given: five minutes to 30 days.
    package static let enrolmentSecondsRange: ClosedRange<Int64> = 300...30 * 86_400

    /// Gives a token, with which somebody gets one certificate for an account.
    ///
    /// - Returns: the token, of which only a hash is kept.
    /// - Throws: `CertificatesError` `.invalidParameter`, ``IdentityError`` `.notFound`.
    package func createToken(
        _ terms: EnrolmentTerms, validSeconds: Int64, by actor: String
    ) async throws -> (id: String, token: String) {
        let token = "mce_" + Base64.encodeURL(randomBytes(24))
        let id = try await createEnrolment(terms, hash: Self.hash(token: token), validSeconds, by: actor)
        return (id, token)
    }

    /// Gives a key with which somebody binds an ACME account to an account here (RFC 8555 §7.3.4).
    ///
    /// - Returns: its name, and the key: both are what ACME clients ask for.
    package func createBindingKey(
        _ terms: EnrolmentTerms, validSeconds: Int64, by actor: String
    ) async throws -> (id: String, key: [UInt8]) {
        guard !terms.hosts.isEmpty else {
            throw CertificatesError(.invalidParameter, "ACME gives certificates for hosts: name those that are allowed")
        }
        let id = try await createEnrolment(terms, hash: nil, validSeconds, by: actor)
        return (id, try await bindingKey(id))
    }

    /// The key that goes with a name: it follows from a secret of the node, so that it is kept nowhere.
    func bindingKey(_ id: String) async throws -> [UInt8] {
        let secret = try await identity.nodeKey("acme-binding") { (randomBytes(32), nil) }.key
        return hmacSHA256(key: secret, Array(id.utf8))
    }

    private func createEnrolment(
        _ terms: EnrolmentTerms, hash: [UInt8]?, _ validSeconds: Int64, by actor: String
    ) async throws -> String {
        guard Self.enrolmentSecondsRange.contains(validSeconds) else {
            throw CertificatesError(
                .invalidParameter, "it can be used for 300 to 2592000 seconds, not \(validSeconds)")
        }
        if let seconds = terms.seconds, !EnrolmentTerms.secondsRange.contains(seconds) {
            throw CertificatesError(
                .invalidParameter, "a certificate is valid for 300 to \(397 * 86_400) seconds, not \(seconds)")
        }
        guard terms.hosts.count <= EnrolmentTerms.hostsMax else {
            throw CertificatesError(.invalidParameter, "a certificate has at most \(EnrolmentTerms.hostsMax) hosts")
        }
        for host in terms.hosts { try AlternativeNames.check(host: host) }
        let id = "mca-" + Hex.encode(randomBytes(8))
        let now = Timestamp.now
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM enrolments WHERE expires < ? AND used IS NULL", .init(now.microseconds))
            let holder = try transaction.first(
                "SELECT id, name, kind, email FROM accounts WHERE name = ?", .init(terms.account), map: Self.holder)
            guard let holder else {
                throw IdentityError(.notFound, "there is no account '\(terms.account.prefix(64))'")
            }
            guard terms.hosts.isEmpty || holder.kind.purposes.contains(.server) else {
                throw CertificatesError(
                    .invalidParameter,
                    "'\(holder.name)' is a \(holder.kind.rawValue): only certificates of computers and services have hosts"
                )
            }
            try transaction.run(
                """
                INSERT INTO enrolments (id, hash, account, hosts, seconds, created, expires)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                .init(id), .init(hash), .init(holder.id), .init(terms.hosts.joined(separator: " ")),
                .init(terms.seconds ?? holder.kind.certificateSeconds), .init(now.microseconds),
                .init(now.adding(seconds: validSeconds).microseconds))
            events.record(.enrolmentCreated, by: actor, on: holder.name) {
                $0.member("id", id)
                $0.member("hosts", terms.hosts)
                $0.member("acme", hash == nil)
            }
        }
        return id
    }

    private static func hash(token: String) -> [UInt8] {
        DigestAlgorithm.sha256.hash(Array(("certificate token " + token).utf8))
    }

    /// Answers a request with a certificate, for a token, which is used up by that.
    ///
    /// - Throws: ``IdentityError`` `.invalidCredentials` for a token that does not count (any more), `.disabled`;
    ///   `CertificatesError` for a request that asks for something else.
    package func enrol(token: String, _ request: CertificateRequest) async throws -> IssuedChain {
        let hash = Self.hash(token: token)
        let now = Timestamp.now
        let wrong = IdentityError(.invalidCredentials, "the token is unknown, was used, or has expired")
        let found = try await journal.find { reader in
            try reader.first(
                """
                SELECT a.id, a.name, a.kind, a.email, e.hosts, e.seconds, e.id, a.disabled
                FROM enrolments e JOIN accounts a ON a.id = e.account
                WHERE e.hash = ? AND e.used IS NULL AND e.expires > ?
                """,
                .init(hash), .init(now.microseconds)
            ) {
                (
                    holder: Self.holder($0), hosts: $0.text(4), seconds: $0.int(5), id: $0.text(6),
                    isDisabled: $0.int(7) != 0
                )
            }
        }
        guard let found else { throw wrong }
        guard !found.isDisabled else {
            throw IdentityError(.disabled, "the account '\(found.holder.name)' is disabled")
        }
        let signed = try await sign(
            request, for: found.holder, allowed: found.hosts.split(separator: " ").map(String.init),
            seconds: found.seconds)
        try await journal.write { transaction, events in
            try transaction.lock("enrolment \(found.id)")
            let isUnused = try transaction.scalar(
                "SELECT 1 FROM enrolments WHERE id = ? AND used IS NULL", .init(found.id))
            guard isUnused != nil else { throw wrong }
            try transaction.run(
                "UPDATE enrolments SET used = ? WHERE id = ?", .init(Timestamp.now.microseconds), .init(found.id))
            try Self.store(signed, by: found.holder.name, how: "token \(found.id)", in: transaction, &events)
        }
        return signed.chain
    }
}
