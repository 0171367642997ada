import Certificates
import Crypto
package import Database
package import Journal
import TraceFormat
package import Wire

extension EventKind {
    package static let keyRequested = EventKind("ledger.key-requested")
    package static let keyRequestWithdrawn = EventKind("ledger.key-request-withdrawn")
    package static let keyApproved = EventKind("ledger.key-approved")
    package static let keyRefused = EventKind("ledger.key-refused")
}

/// Somebody's wish that signatures by a key of theirs count.
package struct KeyRequest: Sendable {
    /// What is handed in, and so what an approval does.
    package enum Kind: String, Sendable, CaseIterable {
        /// A certificate signing request (PKCS #10): the node's authority issues a certificate.
        case request = "certificate-request"
        /// A certificate of another authority, or one that vouches for itself: it is registered as it is.
        case certificate
        /// An OpenPGP public key: it is registered as it is.
        case openPGP = "openpgp"
    }

    package enum State: String, Sendable, CaseIterable { case pending, approved, refused }

    package var id: String
    /// The name of the account that asks.
    package var account: String
    package var kind: Kind
    /// In PEM or DER, as it was handed in.
    package var material: [UInt8]
    /// Why, in their own words.
    package var note: String
    package var created: Timestamp
    package var state = State.pending
    package var decided: Timestamp?
    package var decidedBy: String?
    /// Why it was refused.
    package var reason = ""
    /// In PEM, with what leads to its root: what was issued, or the certificate that was handed in. Nil for an OpenPGP
    /// key.
    package var certificate: String?
}

/// A key that is registered: signatures by it count, though no authority that the node trusts vouches for it.
package struct RegisteredKey: Sendable {
    /// SHA-256 of the certificate in DER, or of the OpenPGP key.
    package var digest: [UInt8]
    /// Of an OpenPGP key: 40 upper-case hexadecimal digits.
    package var fingerprint: String?
    package var account: String
    /// Its subject, for people.
    package var subject: String
    /// A certificate in DER, or an OpenPGP key, binary.
    package var key: [UInt8]
    package var registered: Timestamp
}

/// A certificate that the node's authority has signed, and yet to be written down.
package struct PreparedCertificate: Sendable {
    /// In PEM, with what leads to its root.
    package var pem: String
    /// Writes it down, in the transaction that approves it: only then may it be given to anybody.
    package var store: @Sendable (Transaction, inout EventRecorder) throws -> Void

    package init(pem: String, store: @escaping @Sendable (Transaction, inout EventRecorder) throws -> Void) {
        self.pem = pem
        self.store = store
    }
}

extension Ledger {
    static let keyRequests = Migration(
        module: "trace keys", number: 1,
        [
            """
            CREATE TABLE key_requests (
                id TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, material BLOB NOT NULL,
                note TEXT NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL, decided INTEGER, decided_by TEXT,
                reason TEXT NOT NULL, certificate TEXT)
            """,
            "CREATE INDEX key_requests_by_account ON key_requests (account, id)",
            "CREATE INDEX key_requests_pending ON key_requests (id) WHERE state = 'pending'",
            """
            CREATE TABLE registered_keys (
                digest BLOB PRIMARY KEY, fingerprint TEXT UNIQUE, account TEXT NOT NULL, subject TEXT NOT NULL,
                key BLOB NOT NULL, registered INTEGER NOT NULL)
            """,
        ])

    /// Requests that an account may have waiting, and those of a page.
    package static let keyRequestsMax: Int64 = 10
    package static let keyRequestPageMax = 100
    /// How long a certificate may be valid, and is where nobody says how long, in seconds.
    package static let keySecondsRange: ClosedRange<Int64> = 86_400...397 * 86_400
    package static let keySecondsDefault: Int64 = 90 * 86_400
    private static let materialBytesMax = 2 * OpenPGPKey.bytesMax
    private static let textBytesMax = 1024

    /// Asks that signatures by a key count.
    ///
    /// - Throws: ``LedgerError``: `.invalidEntry` for what is no such request or certificate, `.conflict` where too
    ///   many wait already.
    package func requestKey(
        _ kind: KeyRequest.Kind, _ material: [UInt8], note: String, as account: String
    ) async throws -> KeyRequest {
        _ = try Self.key(kind, material, of: account)
        try Self.check(text: note, "note")
        let now = Timestamp.now
        let request = KeyRequest(
            id: TraceID.make(now: now).text, account: account, kind: kind, material: material, note: note, created: now)
        try await journal.write { transaction, events in
            try transaction.lock("key requests of \(account)")
            let waiting = try transaction.scalar(
                "SELECT count(*) FROM key_requests WHERE account = ? AND state = 'pending'", .init(account))
            guard (waiting ?? 0) < Self.keyRequestsMax else {
                throw LedgerError(.conflict, "\(waiting ?? 0) requests of '\(account)' wait already: that is the most")
            }
            try transaction.run(
                """
                INSERT INTO key_requests (id, account, kind, material, note, created, state, reason)
                VALUES (?, ?, ?, ?, ?, ?, 'pending', '')
                """,
                .init(request.id), .init(account), .init(kind.rawValue), .init(material), .init(note),
                .init(now.microseconds))
            events.record(.keyRequested, by: account, on: request.id) { $0.member("kind", kind.rawValue) }
        }
        return request
    }

    /// Takes one's own request back, as long as nobody has answered it.
    ///
    /// - Throws: ``LedgerError`` `.notFound`, `.conflict`.
    package func withdrawKeyRequest(_ id: String, as account: String) async throws {
        try await journal.write { transaction, events in
            let request = try Self.pending(id, in: transaction)
            guard request.account == account else { throw Self.noRequest(id) }
            try transaction.run("DELETE FROM key_requests WHERE id = ?", .init(id))
            events.record(.keyRequestWithdrawn, by: account, on: id) { _ in }
        }
    }

    /// Approves a request: its certificate is issued, or registered. Whether the actor may was decided before.
    ///
    /// - Parameter seconds: how long a certificate that is issued is valid; in ``keySecondsRange``.
    /// - Throws: ``LedgerError`` `.notFound`, `.conflict`, `.invalidEntry`; what the authority refuses with.
    package func approveKeyRequest(
        _ id: String, seconds: Int64 = keySecondsDefault, by actor: String
    ) async throws -> KeyRequest {
        guard Self.keySecondsRange.contains(seconds) else {
            throw LedgerError(
                .invalidEntry,
                "seconds: from \(Self.keySecondsRange.lowerBound) to \(Self.keySecondsRange.upperBound)")
        }
        let request = try await keyRequest(id)
        var issued: PreparedCertificate?
        if request.kind == .request {
            guard let issuer = signers.trust else {
                throw LedgerError(.invalidEntry, "this node has no authority that issues certificates")
            }
            issued = try await issuer.certificate(
                for: CertificateRequest(pemOrDER: request.material), account: request.account, seconds: seconds,
                how: "key request \(id)", by: actor)
        }
        let certificate = issued
        let approved = try await journal.write { transaction, events in
            try transaction.lock("key request \(id)")
            var request = try Self.pending(id, in: transaction)
            request.state = .approved
            if let certificate {
                try certificate.store(transaction, &events)
                request.certificate = certificate.pem
            } else {
                if let key = try Self.key(request.kind, request.material, of: request.account) {
                    try Self.register(key, in: transaction)
                    if key.fingerprint == nil { request.certificate = try CertificateChain.pem(key.key) }
                }
            }
            return try Self.answer(request, by: actor, in: transaction, &events)
        }
        signers.forget()
        return approved
    }

    /// Refuses a request. Whether the actor may was decided before.
    ///
    /// - Throws: ``LedgerError`` `.notFound`, `.conflict`, `.invalidEntry`.
    package func refuseKeyRequest(_ id: String, reason: String, by actor: String) async throws -> KeyRequest {
        try Self.check(text: reason, "reason")
        return try await journal.write { transaction, events in
            try transaction.lock("key request \(id)")
            var request = try Self.pending(id, in: transaction)
            request.state = .refused
            request.reason = reason
            return try Self.answer(request, by: actor, in: transaction, &events)
        }
    }

    private static func answer(
        _ given: KeyRequest, by actor: String, in transaction: Transaction, _ events: inout EventRecorder
    ) throws -> KeyRequest {
        var request = given
        request.decided = .now
        request.decidedBy = actor
        try transaction.run(
            "UPDATE key_requests SET state = ?, decided = ?, decided_by = ?, reason = ?, certificate = ? WHERE id = ?",
            .init(request.state.rawValue), .init(request.decided?.microseconds), .init(actor), .init(request.reason),
            .init(request.certificate), .init(request.id))
        events.record(request.state == .approved ? .keyApproved : .keyRefused, by: actor, on: request.id) {
            $0.member("account", request.account)
            $0.member("kind", request.kind.rawValue)
            if !request.reason.isEmpty { $0.member("reason", request.reason) }
        }
        return request
    }

    private static func check(text: String, _ name: String) throws {
        guard text.utf8.count <= textBytesMax, !text.utf8.contains(0) else {
            throw LedgerError(.invalidEntry, "\(name): at most \(textBytesMax) bytes, without a NUL character")
        }
    }

    /// Reads what was handed in.
    ///
    /// - Returns: what is registered; nil for a request for a certificate.
    private static func key(
        _ kind: KeyRequest.Kind, _ material: [UInt8], of account: String
    ) throws -> RegisteredKey? {
        guard material.count <= materialBytesMax else {
            throw LedgerError(.invalidEntry, "at most \(materialBytesMax) bytes can be handed in")
        }
        do {
            switch kind {
            case .request:
                _ = try CertificateRequest(pemOrDER: material)
                return nil
            case .certificate:
                let text = String(decoding: material, as: UTF8.self)
                let documents = material.first == 0x30 ? [material] : try CertificateChain.documents(text)
                guard documents.count == 1, let der = documents.first, let signer = SignerCertificate(der: der) else {
                    throw LedgerError(.invalidEntry, "one certificate is needed, in PEM or DER")
                }
                if let fault = signer.validityFault(at: .now) { throw LedgerError(.invalidEntry, fault.message) }
                let facts = try CertificateFacts(der: der)
                guard facts.allowsSignatures else {
                    throw LedgerError(.invalidEntry, "the certificate is not for signatures")
                }
                return RegisteredKey(
                    digest: facts.fingerprint, account: account, subject: facts.subject, key: der, registered: .now)
            case .openPGP:
                let key = try OpenPGPKey(material)
                return RegisteredKey(
                    digest: Array(SHA256.hash(data: key.bytes)), fingerprint: key.fingerprint, account: account,
                    subject: key.userID, key: key.bytes, registered: .now)
            }
        } catch let error as CertificatesError {
            throw LedgerError(.invalidEntry, error.message)
        } catch let error as TraceError {
            throw LedgerError(.invalidEntry, error.message)
        }
    }

    /// An OpenPGP key is registered once: with other names or signatures on it, it is still the same key.
    private static func register(_ key: RegisteredKey, in transaction: Transaction) throws {
        if let fingerprint = key.fingerprint {
            let known = try transaction.scalar(
                "SELECT 1 FROM registered_keys WHERE fingerprint = ?", .init(fingerprint))
            guard known == nil else {
                throw LedgerError(.conflict, "the OpenPGP key \(fingerprint) is registered already")
            }
        }
        try transaction.run(
            """
            INSERT INTO registered_keys (digest, fingerprint, account, subject, key, registered)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING
            """,
            .init(key.digest), .init(key.fingerprint), .init(key.account), .init(key.subject), .init(key.key),
            .init(key.registered.microseconds))
    }

    // MARK: Lists

    private static let requestColumns = """
        SELECT id, account, kind, material, note, created, state, decided, decided_by, reason, certificate
        FROM key_requests
        """

    private static func request(_ row: borrowing Row) throws -> KeyRequest {
        guard let kind = KeyRequest.Kind(rawValue: row.text(2)), let state = KeyRequest.State(rawValue: row.text(6))
        else { throw LedgerError(.damaged, "the row of a key request is not one") }
        return KeyRequest(
            id: row.text(0), account: row.text(1), kind: kind, material: row.blob(3), note: row.text(4),
            created: Timestamp(microseconds: row.int(5)), state: state,
            decided: row.intOrNil(7).map { Timestamp(microseconds: $0) }, decidedBy: row.textOrNil(8),
            reason: row.text(9), certificate: row.textOrNil(10))
    }

    private static func noRequest(_ id: String) -> LedgerError {
        LedgerError(.notFound, "there is no key request \(Limits.excerpt(id))")
    }

    private static func pending(_ id: String, in reader: Reader) throws -> KeyRequest {
        let found = try reader.first("\(requestColumns) WHERE id = ?", .init(id)) { try request($0) }
        guard let found else { throw noRequest(id) }
        guard found.state == .pending else { throw LedgerError(.conflict, "the key request is \(found.state) already") }
        return found
    }

    /// - Throws: ``LedgerError`` `.notFound`.
    package func keyRequest(_ id: String) async throws -> KeyRequest {
        guard TraceID(id) != nil else { throw Self.noRequest(id) }
        let found = try await journal.find { reader in
            try reader.first("\(Self.requestColumns) WHERE id = ?", .init(id)) { try Self.request($0) }
        }
        guard let found else { throw Self.noRequest(id) }
        return found
    }

    /// Requests, the oldest first, after one; at most ``keyRequestPageMax``.
    ///
    /// - Parameters:
    ///   - account: of this one only; nil for all.
    ///   - isPending: whether only those that wait for an answer.
    package func keyRequests(
        of account: String?, isPending: Bool, after id: String = "", limit: Int = keyRequestPageMax
    ) async throws -> [KeyRequest] {
        guard !id.utf8.contains(0) else { return [] }
        let waiting = isPending ? "AND state = 'pending'" : ""
        return try await journal.read { reader in
            let limit = SQLValue(min(limit, Self.keyRequestPageMax))
            guard let account else {
                return try reader.rows(
                    "\(Self.requestColumns) WHERE id > ? \(waiting) ORDER BY id LIMIT ?", .init(id), limit
                ) { try Self.request($0) }
            }
            return try reader.rows(
                "\(Self.requestColumns) WHERE account = ? AND id > ? \(waiting) ORDER BY id LIMIT ?", .init(account),
                .init(id), limit
            ) { try Self.request($0) }
        }
    }

    /// Keys that are registered, in the order of their digests, after one; at most ``keyRequestPageMax``.
    package func registeredKeys(
        after digest: [UInt8] = [], limit: Int = keyRequestPageMax
    ) async throws -> [RegisteredKey] {
        try await journal.read { reader in
            try reader.rows(
                "\(Self.keyColumns) WHERE digest > ? ORDER BY digest LIMIT ?", .init(digest),
                .init(min(limit, Self.keyRequestPageMax))
            ) { Self.registeredKey($0) }
        }
    }

    /// The OpenPGP key of a fingerprint; nil for one that is not registered.
    func registeredKey(fingerprint: String) async throws -> RegisteredKey? {
        try await journal.find { reader in
            try reader.first("\(Self.keyColumns) WHERE fingerprint = ?", .init(fingerprint)) { Self.registeredKey($0) }
        }
    }

    private static let keyColumns = "SELECT digest, fingerprint, account, subject, key, registered FROM registered_keys"

    private static func registeredKey(_ row: borrowing Row) -> RegisteredKey {
        RegisteredKey(
            digest: row.blob(0), fingerprint: row.textOrNil(1), account: row.text(2), subject: row.text(3),
            key: row.blob(4), registered: Timestamp(microseconds: row.int(5)))
    }

    /// Whether a certificate is registered.
    static func isRegistered(_ digest: [UInt8], in journal: Journal) async throws -> Bool {
        try await journal.find {
            try $0.scalar("SELECT 1 FROM registered_keys WHERE digest = ?", .init(digest)) != nil
        }
    }
}
