import Ciphers
import Database
package import Journal
import Synchronization
import Wire

extension EventKind {
    package static let temporaryKeyIssued = EventKind("temporary-key.issued")
}

/// Temporary credentials. Nothing of them is stored: the token that goes with each request is the session itself, its
/// secret included, sealed under a key of the node, so that every node on the same database can open it.
extension Identity {
    /// Access keys of sessions begin so; those of accounts never do.
    package static let temporaryPrefix = "ASIA"

    /// The longest token that is looked at, in bytes; a session that would need a longer one is not opened.
    package static let sessionTokenBytesMax = 24 << 10

    /// The first byte of a token says how it is made.
    private static let formatVersion: UInt8 = 1

    /// Opens a session.
    ///
    /// - Parameters:
    ///   - subject: whose session it is, for the journal.
    /// - Throws: ``IdentityError`` `.limit` where policy and claims are too long for a token.
    func issueTemporaryKey(_ content: SessionContent, by actor: String, on subject: String) async throws
        -> TemporaryCredentials
    {
        let (id, secret) = Self.newKey(prefix: Self.temporaryPrefix)
        let sealed = try await openSessionKey().seal(
            content.bytes(secret: secret), authenticating: Self.authenticated(id))
        let token = Base64.encode([Self.formatVersion] + sealed)
        guard token.utf8.count <= Self.sessionTokenBytesMax else {
            throw IdentityError(.limit, "the session policy and the claims of the token are too long for a session")
        }
        try await journal.write { _, events in
            events.record(.temporaryKeyIssued, by: actor, on: subject) {
                $0.member("key", id)
                $0.member("session", content.name)
                $0.member("expires", content.expires.rfc3339)
                if let policy = content.policy { $0.member("policy", policy) }
            }
        }
        return TemporaryCredentials(accessKeyID: id, secret: secret, token: token, expires: content.expires)
    }

    /// The secret and the principal of an access key, temporary or not; nil if there is no such key.
    ///
    /// - Parameter sessionToken: what came with the request; temporary keys need it, others must not have it.
    /// - Throws: ``IdentityError`` `.invalidToken`, `.expired`, `.disabled`; `.notFound` for an inactive key.
    package func signingSecret(accessKey id: String, sessionToken: String?) async throws -> (
        secret: [UInt8], principal: Principal
    )? {
        guard id.hasPrefix(Self.temporaryPrefix) else {
            guard sessionToken == nil else {
                throw IdentityError(.invalidToken, "the access key '\(id.prefix(64))' has no session token")
            }
            return try await signingSecret(accessKey: id)
        }
        guard let sessionToken else {
            throw IdentityError(.invalidToken, "a temporary access key needs its session token: x-amz-security-token")
        }
        let known = try await temporaryPrincipal(accessKey: id, token: sessionToken)
        guard let secret = known.secret else { return nil }
        return (secret, known.principal)
    }

    /// The principal of a session. Account and role are looked at again, so a session ends with them.
    func temporaryPrincipal(accessKey id: String, token: String) async throws -> KnownPrincipal {
        guard token.utf8.count <= Self.sessionTokenBytesMax else { throw Self.invalidSessionToken }
        // A digest, so that long tokens do not fill the memory.
        let cacheKey = "temporary \(id) \(Hex.encode(DigestAlgorithm.sha256.hash(Array(token.utf8))))"
        if let known = principals[cacheKey], let session = known.principal.session {
            try Self.checkTime(session.expires)
            return known
        }
        guard let bytes = Base64.decode(token), bytes.first == Self.formatVersion else {
            throw Self.invalidSessionToken
        }
        let key = try await openSessionKey()
        let content: SessionContent
        let secret: String
        do {
            let plain = try key.open(Array(bytes.dropFirst()), authenticating: Self.authenticated(id))
            guard let parsed = try SessionContent.parse(plain) else { throw Self.invalidSessionToken }
            (content, secret) = parsed
        } catch {
            throw Self.invalidSessionToken
        }
        try Self.checkTime(content.expires)
        if let id = content.tokenID, try await isRevoked(id) {
            throw IdentityError(.invalidToken, "the token that opened this session was revoked")
        }
        var principal = try await journal.find { try Self.principal(of: content, token: token, in: $0) }
        principal.accessKeyID = id
        principal.scopes = content.scopes
        let known = KnownPrincipal(principal: principal, secret: Array(secret.utf8))
        principals[cacheKey] = known
        return known
    }

    private static func principal(of content: SessionContent, token: String, in reader: Reader) throws -> Principal {
        var session = TemporarySession(
            role: nil, account: content.account, name: content.name, issued: content.issued, expires: content.expires,
            policy: content.policy, claims: content.claims, token: token, issuer: content.issuer)
        if let issuer = content.issuer {
            guard try reader.scalar("SELECT 1 FROM issuers WHERE url = ?", .init(issuer)) != nil else {
                throw IdentityError(.invalidToken, "the issuer '\(issuer)' of this session is not trusted any more")
            }
        }
        var opener: Principal?
        if let account = content.account {
            do {
                opener = try principal(account: account, method: .temporaryKey, in: reader)
            } catch let error as IdentityError where error.code == .notFound {
                throw IdentityError(.invalidToken, "the account of this session does not exist any more")
            }
        }
        guard let role = content.role else {
            guard var opener else { throw invalidSessionToken }
            opener.session = session
            return opener
        }
        guard let name = try reader.first("SELECT name FROM roles WHERE id = ?", .init(role), map: { $0.text(0) })
        else { throw IdentityError(.invalidToken, "the role of this session does not exist any more") }
        session.role = TemporarySession.AssumedRole(id: role, name: name)
        return Principal(
            accountID: nil, name: "\(name)/\(content.name)", kind: .software, groups: [], method: .temporaryKey,
            accessKeyID: nil, session: session)
    }

    private static func checkTime(_ expires: Timestamp) throws {
        guard Timestamp.now < expires else {
            throw IdentityError(.expired, "the session expired at \(expires.rfc3339): ask for new credentials")
        }
    }

    /// A token opens only with the access key that it was made for.
    private static func authenticated(_ id: String) -> [UInt8] { Array("session \(id)".utf8) }

    private static let invalidSessionToken = IdentityError(
        .invalidToken, "the session token is not one of this node's, was altered, or belongs to another access key")

    /// The key that seals tokens and challenges, the same for all nodes on one database.
    func openSessionKey() async throws -> AEADKey {
        if let key = sessionKey.withLock({ $0 }) { return key }
        let stored = try await nodeKey("sessions") { (randomBytes(AEADKey.byteCount), nil) }
        let key = try AEADKey(stored.key)
        sessionKey.withLock { $0 = key }
        return key
    }
}
