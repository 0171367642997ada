import Ciphers
import Identity
import Journal
package import Wire

/// A request at the token endpoint, of a client that has proved who it is.
package struct TokenRequest: Sendable {
    package var client: Client
    package var form: QueryItems
    /// How the client knows this node.
    package var issuer: String
    package var address: String
    /// The thumbprint of the key that a DPoP proof came with.
    package var keyThumbprint: String?
    /// The digest of the certificate that the client showed.
    package var certificate: String?

    package init(
        client: Client, form: QueryItems, issuer: String, address: String, keyThumbprint: String?,
        certificate: String? = nil
    ) {
        self.client = client
        self.form = form
        self.issuer = issuer
        self.address = address
        self.keyThumbprint = keyThumbprint
        self.certificate = certificate
    }

    func required(_ name: String) throws -> String {
        guard let value = form[name], !value.isEmpty else {
            throw OAuthError(.invalidRequest, "'\(name)' is missing")
        }
        return value
    }

    var audiences: [String] { form.all("resource") + form.all("audience") }

    /// What the tokens are to be bound to.
    var binding: (name: String, digest: String)? {
        client.bindsCertificates
            ? certificate.map { (TokenAuthority.certificateBinding, $0) }
            : keyThumbprint.map { (TokenAuthority.keyBinding, $0) }
    }

    /// Whether its sender holds what a token is bound to.
    func holds(_ binding: (name: String, digest: String)) -> Bool {
        switch binding.name {
        case TokenAuthority.keyBinding: binding.digest == keyThumbprint
        case TokenAuthority.certificateBinding: binding.digest == certificate
        default: false
        }
    }
}

extension OpenIDProvider {
    /// Answers the token endpoint.
    ///
    /// - Throws: ``OAuthError``; `IdentityError` for an account that is suspended.
    package func tokens(for request: TokenRequest) async throws -> TokenAnswer {
        for item in request.form.items
        where !AuthorizationRequest.repeatable.contains(item.name) && request.form.all(item.name).count > 1 {
            throw OAuthError(.invalidRequest, "'\(item.name.prefix(80))' comes twice")
        }
        let name = try request.required("grant_type")
        guard let grant = GrantType(rawValue: name) else {
            throw OAuthError(.unsupportedGrantType, "the grant type '\(name.prefix(80))' is not supported")
        }
        guard request.client.grants.contains(grant) else {
            throw OAuthError(.unauthorizedClient, "the client '\(request.client.id)' may not use '\(name)'")
        }
        guard !request.client.requiresDPoP || request.keyThumbprint != nil else {
            throw OAuthError(.invalidDPoPProof, "the client is registered to send a DPoP proof")
        }
        guard !request.client.bindsCertificates || request.certificate != nil else {
            throw OAuthError(
                .invalidRequest, "the client is registered to show a certificate, to which its tokens are bound")
        }
        guard !request.client.bindsCertificates || request.keyThumbprint == nil else {
            throw OAuthError(
                .invalidRequest, "the client's tokens are bound to its certificate: it sends no DPoP proof")
        }
        switch grant {
        case .code: return try await code(request)
        case .refresh: return try await refresh(request)
        case .clientCredentials: return try await clientCredentials(request)
        case .device: return try await device(request)
        case .exchange: return try await exchange(request)
        case .password: return try await password(request)
        }
    }

    private func code(_ request: TokenRequest) async throws -> TokenAnswer {
        let found = try await redeem(
            code: try request.required("code"), verifier: request.form["code_verifier"],
            redirectURI: request.form["redirect_uri"], client: request.client)
        return try await begin(found.grant, found.account, found.content, request)
    }

    private func device(_ request: TokenRequest) async throws -> TokenAnswer {
        let found = try await redeem(deviceCode: try request.required("device_code"), client: request.client)
        return try await begin(TokenAuthority.newGrantID(), found.account, found.content, request)
    }

    /// The first tokens of a grant that a person has made.
    private func begin(
        _ grant: String, _ account: Int64, _ content: GrantContent, _ request: TokenRequest
    ) async throws -> TokenAnswer {
        var content = content
        if let wanted = content.keyThumbprint, wanted != request.keyThumbprint {
            throw OAuthError(.invalidDPoPProof, "the DPoP proof is made with another key than was announced")
        }
        content.keyThumbprint = request.client.isPublic ? request.keyThumbprint : nil
        content.certificate =
            request.client.isPublic && request.client.bindsCertificates ? request.certificate : nil
        let audiences = try narrowed(request.audiences, from: content.audiences, request.client)
        let principal = try await identity.principal(ofAccount: account)
        var answer = try await issue(grant, principal, content, audiences, request)
        if request.client.grants.contains(.refresh) {
            let opened = try await openGrant(id: grant, account: account, client: request.client, content)
            answer.refreshToken = opened.token
            answer.refreshExpiresIn = opened.expiresIn
        }
        return answer
    }

    private func refresh(_ request: TokenRequest) async throws -> TokenAnswer {
        let token = try request.required("refresh_token")
        // Looked at before the token is used up: a wish that cannot be met leaves it as it is.
        let asked: Scopes?
        do { asked = try request.form["scope"].map { try Scopes(parsing: $0) } } catch let error as IdentityError {
            throw OAuthError(.invalidScope, error.message)
        }
        let next = try await refresh(token, client: request.client)
        var content = next.content
        if let wanted = content.keyThumbprint, wanted != request.keyThumbprint {
            throw OAuthError(.invalidDPoPProof, "the refresh token is bound to a key that its sender has not shown")
        }
        if let wanted = content.certificate, wanted != request.certificate {
            throw OAuthError(.invalidGrant, "the refresh token is bound to a certificate that its sender has not shown")
        }
        if let asked, !asked.isEmpty {
            for name in asked.names where !content.scopes.cover(name) {
                throw OAuthError(.invalidScope, "the scope '\(name.prefix(200))' was not granted")
            }
            // What its tokens have without its asking they keep without it, but for a limit that it asks for.
            let implied = try content.scopes.covered(of: request.client.impliedScopes)
            content.scopes = asked.capabilities.isEmpty ? try asked.adding(implied) : asked
        }
        let audiences = try narrowed(request.audiences, from: content.audiences, request.client)
        let principal: Principal
        do {
            principal = try await identity.principal(ofAccount: next.account)
        } catch let error as IdentityError {
            throw OAuthError(.invalidGrant, error.message)
        }
        var answer = try await issue(next.id, principal, content, audiences, request)
        answer.refreshToken = next.token
        answer.refreshExpiresIn = next.expiresIn
        return answer
    }

    /// Audiences only ever become fewer.
    private func narrowed(_ asked: [String], from granted: [String], _ client: Client) throws -> [String] {
        let asked = try audiences(asked, of: client)
        guard !asked.isEmpty else { return granted }
        guard granted.isEmpty || asked.allSatisfy(granted.contains) else {
            throw OAuthError(.invalidTarget, "the token was granted for \(granted.joined(separator: " ")) only")
        }
        return asked
    }

    /// An access token, and an ID token where it was asked for.
    func issue(
        _ grant: String, _ principal: Principal, _ content: GrantContent, _ audiences: [String],
        _ request: TokenRequest
    ) async throws -> TokenAnswer {
        guard let account = principal.accountID else { throw OAuthError(.invalidGrant, "there is no such account") }
        var wish = TokenWish(account: account, client: request.client.id, scopes: content.scopes, grant: grant)
        wish.audiences = audiences
        wish.authentication = content.authentication
        wish.binding = request.binding
        wish.algorithm = request.client.accessTokenAlgorithm
        wish.issuer = content.issuer
        wish.subject = try await pairwiseSubject(of: account, for: request.client)
        wish.wlcgGroups = try await wlcgGroups(content.scopes, principal)
        if !content.userinfoClaims.isEmpty {
            wish.claims = [("userinfo", .array(content.userinfoClaims.map { .string($0) }))]
        }
        let token = try await tokens.issue(wish, for: principal)
        var answer = TokenAnswer(
            accessToken: token, expiresIn: wish.lifetime, scopes: content.scopes,
            isDPoP: wish.binding?.name == TokenAuthority.keyBinding)
        if content.scopes.contains("openid") {
            answer.idToken = try await idToken(
                for: try await identity.account(principal.name), groups: principal.groups, client: request.client,
                content, accessToken: token)
        }
        return answer
    }

    /// Groups are named below the root here: `/science`. Those with the label `wlcg.optional-group` are told only when
    /// they are asked for.
    func wlcgGroups(_ scopes: Scopes, _ principal: Principal) async throws -> [String] {
        guard scopes.names.contains(where: { $0.hasPrefix("wlcg.groups") }) else { return [] }
        let optional = try await identity.groups(withAttribute: WLCGGroups.optionalLabel, of: principal)
        let own = principal.groups.filter(WLCGGroups.isName)
        func paths(_ groups: [String]) -> [String] { groups.map { "/" + $0 } }
        do {
            return try WLCGGroups.select(
                scopes.names, standard: paths(own.filter { !optional.contains($0) }),
                optional: paths(own.filter(optional.contains)))
        } catch {
            throw OAuthError(.accessDenied, "'\(principal.name)' is not a member of '\(error.group.prefix(200))'")
        }
    }

    /// A client as itself (RFC 6749 §4.4).
    private func clientCredentials(_ request: TokenRequest) async throws -> TokenAnswer {
        guard let account = request.client.account else {
            throw OAuthError(.unauthorizedClient, "the client '\(request.client.id)' has no account to act as")
        }
        var scopes = try granted(request.form["scope"], to: request.client)
        for name in Client.identityScopes where name != "groups" && scopes.contains(name) {
            scopes = try Scopes(scopes.names.filter { $0 != name })
        }
        var content = GrantContent(scopes: scopes)
        content.issuer = request.issuer == tokens.issuer ? nil : request.issuer
        let audiences = try audiences(request.audiences, of: request.client)
        let principal = try await identity.principal(ofAccount: account)
        // Written with other accesses once a second: a client does this thousands of times.
        journal.note(
            AccessRecord(
                principal: principal.name, action: "oauth:ClientCredentials", resource: request.client.id,
                address: request.address, reason: content.scopes.text))
        return try await issue(TokenAuthority.newGrantID(), principal, content, audiences, request)
    }

    /// The password grant (RFC 6749 §4.3), for the node's own command line.
    private func password(_ request: TokenRequest) async throws -> TokenAnswer {
        let principal: Principal
        do {
            principal = try await identity.login(
                name: try request.required("username"), password: try request.required("password"),
                code: request.form["totp"], address: request.address)
        } catch let error as IdentityError where error.code == .rateLimited {
            throw OAuthError(.slowDown, error.message, retryAfter: error.retryAfter)
        } catch let error as IdentityError {
            throw OAuthError(.invalidGrant, error.message)
        }
        var content = GrantContent(scopes: try granted(request.form["scope"], to: request.client))
        content.authentication = principal.authentication
        content.issuer = request.issuer == tokens.issuer ? nil : request.issuer
        let audiences = try audiences(request.audiences, of: request.client)
        return try await issue(TokenAuthority.newGrantID(), principal, content, audiences, request)
    }
}
