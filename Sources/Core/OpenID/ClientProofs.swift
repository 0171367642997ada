package import Certificates
import Ciphers
package import Identity
import JOSE
import Journal
import Wire

/// What the provider asks others about its clients.
package struct ClientSources: Sendable {
    /// Fetches a document that an administrator has named, and one that a client itself has.
    var fetch: DocumentFetch
    var fetchPublic: DocumentFetch
    /// What a certificate says that an authority has issued which the node trusts; nil for any other.
    var facts: @Sendable (PresentedCertificate) async throws -> CertificateFacts?

    package init(
        fetch: @escaping DocumentFetch, fetchPublic: @escaping DocumentFetch,
        facts: @escaping @Sendable (PresentedCertificate) async throws -> CertificateFacts?
    ) {
        self.fetch = fetch
        self.fetchPublic = fetchPublic
        self.facts = facts
    }
}

/// How clients prove who they are.
extension OpenIDProvider {
    /// What a client shows of itself with a request.
    package struct Credentials: Sendable {
        package var id: String?
        package var secret: String?
        /// `private_key_jwt` (RFC 7523 §2.2).
        package var assertion: String?
        /// What came with the connection.
        package var certificate: PresentedCertificate?
        package init(
            id: String?, secret: String?, assertion: String? = nil, certificate: PresentedCertificate? = nil
        ) {
            self.id = id
            self.secret = secret
            self.assertion = assertion
            self.certificate = certificate
        }
    }

    /// Tells of a client that has not proved who it is.
    package func noteRefusal(ofClient id: String, from address: String) async throws {
        try await journal.tell(
            .refusal(
                .credentialsRefused, on: String(id.prefix(128)), action: "oauth:Authenticate",
                reason: "the client has not proved who it is", address: address))
    }

    /// Finds out which client makes a request. Nobody learns from the answer which clients exist.
    ///
    /// - Parameter audiences: what an assertion may be meant for: the addresses of this node.
    /// - Throws: ``OAuthError`` `.invalidClient`.
    package func authenticate(_ credentials: Credentials, audiences: [String]) async throws -> Client {
        let refused = OAuthError(.invalidClient, "the client is not known, or has not proved who it is")
        var id = credentials.id
        var token: SignedJWT?
        if let assertion = credentials.assertion {
            guard credentials.secret == nil, let parsed = try? SignedJWT(parsing: assertion) else { throw refused }
            guard id == nil || id == parsed.claims["sub"]?.string else { throw refused }
            id = parsed.claims["sub"]?.string
            token = parsed
        }
        guard let id else { throw OAuthError(.invalidClient, "the client says who it is: client_id is missing") }
        guard let client = try? await client(id) else { throw refused }
        let isProved: Bool
        switch client.authentication {
        case .none: isProved = credentials.secret?.isEmpty ?? true && token == nil
        case .secretBasic, .secretPost:
            isProved =
                if let secret = credentials.secret, let stored = client.secret {
                    constantTimeEquals(Self.hash(secret), stored)
                } else { false }
        case .privateKey: isProved = try await holds(token, of: client, audiences)
        case .certificate, .selfSignedCertificate:
            let isAlone = credentials.secret?.isEmpty ?? true && token == nil
            isProved =
                if isAlone, let shown = credentials.certificate { try await holds(shown, of: client) } else { false }
        }
        guard isProved else { throw refused }
        return client
    }

    private func holds(_ token: SignedJWT?, of client: Client, _ audiences: [String]) async throws -> Bool {
        guard let token, token.claims["iss"]?.string == client.id, let name = token.claims["jti"]?.string,
            let expires = token.claims["exp"]?.integer
        else { return false }
        let meant = token.claims["aud"] ?? .null
        let now = Timestamp.now.seconds
        guard (meant.array ?? [meant]).contains(where: { audiences.contains($0.string ?? "") }), expires > now,
            expires < now + 3600, token.claims["nbf"]?.integer ?? 0 <= now + 60
        else { return false }
        return try await verifies(token, client)
            && proofs.note("assertion \(client.id) \(name.prefix(200))", seconds: expires - now)
    }

    private func holds(_ shown: PresentedCertificate, of client: Client) async throws -> Bool {
        if let name = client.certificateName {
            return try await sources?.facts(shown).map(name.isIn) ?? false
        }
        guard let facts = try? CertificateFacts(der: shown.der) else { return false }
        let now = Timestamp.now
        guard facts.validFrom <= now, now <= facts.expires else { return false }
        return try await keys(of: client) { $0.certifiedBytes == facts.publicKey }.isEmpty == false
    }

    /// Whether a client has signed a token.
    ///
    /// - Throws: ``OAuthError`` `.temporarilyUnavailable` where its keys cannot be had.
    func verifies(_ token: SignedJWT, _ client: Client) async throws -> Bool {
        try await keys(of: client) { $0.fits(token) }.prefix(8).contains { $0.verifies(token) }
    }

    /// The registered keys of a client that are wanted.
    private func keys(of client: Client, where isWanted: @Sendable (JWK) -> Bool) async throws -> [JWK] {
        guard let address = client.keysURI else { return client.keys.compactMap { try? JWK($0) }.filter(isWanted) }
        let sets = client.isDynamic ? publicKeySets : keySets
        do {
            return try await sets?.keys(of: address, where: isWanted) ?? []
        } catch let error as IdentityError {
            throw OAuthError(.temporarilyUnavailable, error.message)
        } catch {
            throw OAuthError(.temporarilyUnavailable, "the keys of '\(address)' cannot be fetched at the moment")
        }
    }
}
