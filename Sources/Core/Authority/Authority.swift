package import Certificates
import Ciphers
import Database
package import Identity
package import Journal
import Synchronization
import Wire

extension EventKind {
    package static let issuerCreated = EventKind("issuer.created")
    package static let issuerRequested = EventKind("issuer.requested")
    package static let issuerImported = EventKind("issuer.imported")
}

/// The node's X.509 authority: a root, and below it the one that issues certificates.
///
/// The root's key need not be here: an authority that somebody else has signed (``requestIssuer(by:)``,
/// ``importIssuer(_:by:)``) takes the place of the one that the node has made for itself.
package final class Authority: Sendable {
    let journal: Journal
    let identity: Identity
    package let settings: AuthoritySettings
    /// The node's own root, which its traces are signed under in any case.
    package let root: CertificateAuthority

    private let opened = Mutex<[Int64: Issuer]>([:])
    private let recent = RecentReads<[Issuer]>()
    let lists = RevocationLists()
    package let nonces = ACMENonces()

    /// Authorities that the node keeps at most: one a year is usual.
    private static let issuersMax = 100
    private static let issuerDays = 730
    /// Before an authority of the node's own making has so many days left, it makes another.
    private static let renewalDays: Int64 = 180
    private static let lock = "authority"

    /// Opens the authority, and makes it where there is none.
    package static func open(
        journal: Journal, identity: Identity, settings: AuthoritySettings
    ) async throws -> Authority {
        let stored = try await identity.nodeKey("authority") {
            let made = try CertificateAuthority.create(name: settings.name + " root")
            return (made.key, made.certificate)
        }
        let root = try CertificateAuthority(key: stored.key, certificate: stored.certificate ?? [])
        let authority = Authority(journal: journal, identity: identity, settings: settings, root: root)
        if try await authority.issuers().isEmpty {
            try await authority.createIssuer(
                permissions: NamePermissions(), by: Principal.system("authority"), onlyFirst: true)
        }
        return authority
    }

    private init(journal: Journal, identity: Identity, settings: AuthoritySettings, root: CertificateAuthority) {
        self.journal = journal
        self.identity = identity
        self.settings = settings
        self.root = root
    }

    // MARK: Issuers

    /// Those that can issue, or could, the present one first.
    func issuers() async throws -> [Issuer] {
        if let known = recent["all"] { return known }
        let rows = try await journal.find { reader in
            try reader.rows(
                """
                SELECT id, key_name, certificate, chain, is_own FROM ca_issuers
                WHERE certificate IS NOT NULL ORDER BY activated DESC, id DESC LIMIT ?
                """,
                .init(Self.issuersMax)
            ) { (id: $0.int(0), key: $0.text(1), certificate: $0.blob(2), chain: $0.text(3), isOwn: $0.int(4) != 0) }
        }
        var out: [Issuer] = []
        for row in rows {
            if let known = opened.withLock({ $0[row.id] }) {
                out.append(known)
                continue
            }
            let key = try await key(row.key)
            let authority = try CertificateAuthority(key: key, certificate: row.certificate)
            let issuer = Issuer(
                id: row.id, authority: authority, chain: try CertificateChain.documents(row.chain), isOwn: row.isOwn,
                permissions: authority.permissions)
            opened.withLock { $0[row.id] = issuer }
            out.append(issuer)
        }
        recent["all"] = out
        return out
    }

    /// Who issues what is asked for now.
    func active() async throws -> Issuer {
        guard let first = try await issuers().first else {
            throw CertificatesError(.notAuthority, "this node has no authority that may issue certificates")
        }
        let since = Timestamp.now.adding(seconds: Self.renewalDays * 86_400)
        guard first.isOwn, first.authority.expires < since, root.expires > since else { return first }
        try await createIssuer(permissions: first.permissions, by: Principal.system("authority"))
        return try await issuers().first ?? first
    }

    /// The certificates that lead from one of the present issuer to a root, and that root, in PEM.
    package func certificates() async throws -> (chain: [[UInt8]], root: [UInt8]) {
        let active = try await active()
        return ([active.authority.certificate] + active.chain.dropLast(), active.chain.last ?? root.certificate)
    }

    /// Issues a certificate for the node's own listeners: it is made anew at each start, and written down nowhere.
    ///
    /// - Throws: `CertificatesError`.
    package func issueServer(hosts: [String], days: Int) async throws -> (issued: IssuedCertificate, chain: [[UInt8]]) {
        let active = try await active()
        let allowed = hosts.filter { active.permissions.allows(host: $0) || !$0.contains(where: \.isLetter) }
        let issued = try active.authority.issueServer(hosts: allowed, days: days)
        noteUse(of: active, for: "sign certificate of the node")
        return (issued, [active.authority.certificate] + active.chain.dropLast())
    }

    /// Each use of an authority's key is told of, those of an hour counted.
    func noteUse(of issuer: Issuer, for purpose: String) {
        journal.note(.use(ofKey: "authority \(issuer.id)", for: purpose))
    }

    /// Whom certificates that clients show may lead to.
    package func anchors(others: [[UInt8]] = []) async throws -> TrustAnchors {
        let issuers = try await issuers()
        let roots = [root.certificate] + issuers.compactMap(\.chain.last) + others
        let between = issuers.flatMap { [$0.authority.certificate] + $0.chain.dropLast() }
        return try TrustAnchors(roots: roots.unique, intermediates: between.unique)
    }

    /// Makes another authority below the node's own root, which issues from now on.
    ///
    /// - Parameters:
    ///   - permissions: the names that it may issue certificates for.
    ///   - onlyFirst: does nothing where there is one already.
    /// - Throws: `CertificatesError`.
    package func createIssuer(permissions: NamePermissions, by actor: String, onlyFirst: Bool = false) async throws {
        let name = "issuer " + Hex.encode(randomBytes(8))
        let key = try await newKey(name)
        let commonName = settings.name
        let request = try CertificateRequest(
            pemOrDER: Array(try CertificateRequest.make(commonName: commonName, key: key).utf8))
        var domains = permissions.domains
        // The ids that it gives are in the trust domain.
        if !domains.isEmpty, !permissions.allows(host: settings.trustDomain) { domains.append(settings.trustDomain) }
        let certificate = try root.issueAuthority(
            request, commonName: commonName, permissions: NamePermissions(domains: domains), days: Self.issuerDays,
            crlURL: nil)
        let chain = root.certificatePEM
        try await journal.write { [domains] transaction, events in
            try transaction.lock(Self.lock)
            let count = try transaction.scalar("SELECT count(*) FROM ca_issuers") ?? 0
            guard count < Self.issuersMax else {
                throw CertificatesError(.invalidParameter, "a node keeps at most \(Self.issuersMax) authorities")
            }
            guard !onlyFirst || count == 0 else { return }
            try transaction.run(
                """
                INSERT INTO ca_issuers (id, key_name, common_name, certificate, chain, is_own, created, activated)
                VALUES (?, ?, ?, ?, ?, 1, ?, ?)
                """,
                .init(try transaction.tid), .init(name), .init(commonName), .init(certificate), .init(chain),
                .init(Timestamp.now.microseconds), .init(Timestamp.now.microseconds))
            events.record(.issuerCreated, by: actor, on: commonName) { $0.member("domains", domains) }
        }
        recent.clear()
    }

    /// Makes the key of an authority that somebody else is to sign, and the request for that.
    ///
    /// - Returns: the request in PEM.
    package func requestIssuer(by actor: String) async throws -> String {
        let name = "issuer " + Hex.encode(randomBytes(8))
        let commonName = settings.name
        let request = try CertificateRequest.make(commonName: commonName, key: try await newKey(name))
        try await journal.write { transaction, events in
            try transaction.lock(Self.lock)
            // A request that nobody has signed gives way to the next.
            try transaction.run("DELETE FROM ca_issuers WHERE certificate IS NULL")
            try transaction.run(
                """
                INSERT INTO ca_issuers (id, key_name, common_name, certificate, chain, is_own, created, activated)
                VALUES (?, ?, ?, ?, '', 0, ?, ?)
                """,
                .init(try transaction.tid), .init(name), .init(commonName), .null, .init(Timestamp.now.microseconds),
                .null)
            events.record(.issuerRequested, by: actor, on: commonName)
        }
        return request
    }

    /// Takes the certificate of an authority that was asked for, which issues from now on.
    ///
    /// - Parameter pem: the certificate first, then those above it; the last is a root.
    /// - Throws: `CertificatesError` `.keyMismatch` where it is for no key of this node, `.brokenChain`,
    ///   `.notAuthority`.
    package func importIssuer(_ pem: String, by actor: String) async throws {
        let pending = try await journal.read { reader in
            try reader.rows("SELECT id, key_name FROM ca_issuers WHERE certificate IS NULL") {
                (id: $0.int(0), key: $0.text(1))
            }
        }
        for request in pending {
            let chain: CertificateChain
            do {
                chain = try CertificateChain.parse(chainPEM: pem, key: try await key(request.key))
            } catch let error as CertificatesError where error.code == .keyMismatch {
                continue
            }
            let authority = try CertificateAuthority(
                key: try await key(request.key), certificate: chain.certificates[0])
            guard chain.certificates.count > 1, chain.endsWithRoot else {
                throw CertificatesError(
                    .brokenChain, "after the authority's certificate come those above it, and last a root's")
            }
            // A chain that verifiers do not take is found out now.
            let above = Array(chain.certificates.dropFirst())
            _ = try TrustAnchors(roots: above)
            let text = try above.map { try CertificateChain.pem($0) }.joined()
            try await journal.write { transaction, events in
                try transaction.run(
                    "UPDATE ca_issuers SET certificate = ?, chain = ?, activated = ? WHERE id = ?",
                    .init(authority.certificate), .init(text), .init(Timestamp.now.microseconds), .init(request.id))
                events.record(.issuerImported, by: actor, on: chain.subject)
            }
            recent.clear()
            return
        }
        throw CertificatesError(
            .keyMismatch, "the certificate is for no key that this node has asked one for: martlet ca issuer request")
    }

    /// All authorities, the newest first.
    package func summaries() async throws -> [IssuerSummary] {
        let active = try await issuers().first?.id
        let all = try await issuers()
        return try await journal.read { reader in
            try reader.rows(
                "SELECT id, common_name, is_own, created FROM ca_issuers ORDER BY id DESC LIMIT ?",
                .init(Self.issuersMax)
            ) { row in
                let known = all.first { $0.id == row.int(0) }
                return IssuerSummary(
                    id: row.int(0), commonName: row.text(1), expires: known?.authority.expires,
                    isActive: row.int(0) == active, isOwn: row.int(2) != 0, domains: known?.permissions.domains ?? [],
                    created: Timestamp(microseconds: row.int(3)))
            }
        }
    }

    private func newKey(_ name: String) async throws -> [UInt8] {
        try await identity.nodeKey(name) { (CertificateAuthority.newKey(), nil) }.key
    }

    private func key(_ name: String) async throws -> [UInt8] {
        try await identity.nodeKey(name) {
            throw CertificatesError(.keyMismatch, "the key of an authority is gone")
        }.key
    }
}

extension Array where Element: Hashable {
    /// Without repetitions.
    fileprivate var unique: [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
