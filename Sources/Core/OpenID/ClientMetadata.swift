import Identity
import JOSE
package import Wire

/// Clients in the words of RFC 7591 §2.
extension Client {
    private static let urisMax = 100
    private static let uriBytesMax = 2048

    /// Reads what a client registers.
    ///
    /// - Throws: ``OAuthError`` `.invalidClientMetadata`.
    package init(id: String, metadata json: JSONValue) throws {
        func invalid(_ message: String) -> OAuthError { OAuthError(.invalidClientMetadata, message) }
        guard json.object != nil else { throw invalid("the metadata is a JSON object") }
        func list(_ name: String) throws -> [String]? {
            guard let value = json[name], !value.isNull else { return nil }
            guard let items = value.array, items.count <= Self.urisMax, items.allSatisfy({ $0.string != nil }) else {
                throw invalid("'\(name)' is a list of up to \(Self.urisMax) strings")
            }
            return items.compactMap(\.string)
        }
        func word<Word: RawRepresentable>(_ name: String, _ fallback: Word) throws -> Word
        where Word.RawValue == String {
            guard let value = json[name], !value.isNull else { return fallback }
            guard let word = Word(rawValue: value.string ?? "") else {
                throw invalid("'\(name)' is '\(value.text.prefix(80))', which is not supported")
            }
            return word
        }
        self.init(id: id, name: String((json["client_name"]?.string ?? id).prefix(200)))
        authentication = try word("token_endpoint_auth_method", ClientAuthentication.secretBasic)
        redirectURIs = try list("redirect_uris") ?? []
        logoutURIs = try list("post_logout_redirect_uris") ?? []
        backchannelLogoutURI = json["backchannel_logout_uri"]?.string
        grants = try (try list("grant_types") ?? ["authorization_code", "refresh_token"]).map { name in
            guard let grant = GrantType(rawValue: name) else { throw invalid("'\(name.prefix(80))' is no grant type") }
            return grant
        }
        for type in try list("response_types") ?? [] where type != "code" {
            throw invalid("the response type is 'code', not '\(type.prefix(80))'")
        }
        if let text = json["scope"]?.string {
            do { scopes = try Scopes(parsing: text) } catch { throw invalid("\(error)") }
        }
        if let text = json["implied_scope"]?.string { impliedScopes = try Scopes(parsing: text) }
        audiences = try list("audiences") ?? []
        idTokenAlgorithm = try word("id_token_signed_response_alg", .rs256)
        accessTokenAlgorithm = try word("access_token_signed_response_alg", .es256)
        keys = json["jwks"]?["keys"]?.array ?? []
        keysURI = json["jwks_uri"]?.string
        let names = CertificateName.Kind.allCases.compactMap { kind in
            json[kind.rawValue]?.string.map { CertificateName(kind: kind, value: $0) }
        }
        guard names.count <= 1 else { throw invalid("a client is known by one name in its certificate") }
        certificateName = names.first
        requiresPushedRequests = json["require_pushed_authorization_requests"]?.bool ?? false
        requiresSignedRequests = json["require_signed_request_object"]?.bool ?? false
        requiresDPoP = json["dpop_bound_access_tokens"]?.bool ?? false
        bindsCertificates = json["tls_client_certificate_bound_access_tokens"]?.bool ?? false
        switch json["subject_type"]?.string {
        case nil, "public": isPairwise = false
        case "pairwise": isPairwise = true
        case .some(let type): throw invalid("'subject_type' is public or pairwise, not '\(type.prefix(80))'")
        }
        sectorIdentifierURI = json["sector_identifier_uri"]?.string
        page = json["client_uri"]?.string
    }

    /// What is kept of it.
    var metadata: String {
        var json = JSONWriter(capacity: 1024)
        json.object { write(members: &$0) }
        return json.text
    }

    /// Writes what is registered, as members of an object that is open.
    package func write(members json: inout JSONWriter) {
        json.member("client_name", name)
        json.member("token_endpoint_auth_method", authentication.rawValue)
        json.member("redirect_uris", redirectURIs)
        json.member("grant_types", grants.map(\.rawValue))
        json.member("response_types", grants.contains(.code) ? ["code"] : [])
        json.member("scope", scopes.text)
        if !impliedScopes.isEmpty { json.member("implied_scope", impliedScopes.text) }
        if !audiences.isEmpty { json.member("audiences", audiences) }
        json.member("id_token_signed_response_alg", idTokenAlgorithm.rawValue)
        json.member("access_token_signed_response_alg", accessTokenAlgorithm.rawValue)
        if !logoutURIs.isEmpty { json.member("post_logout_redirect_uris", logoutURIs) }
        if let backchannelLogoutURI { json.member("backchannel_logout_uri", backchannelLogoutURI) }
        if !keys.isEmpty {
            json.key("jwks")
            json.object { $0.member("keys", .array(keys)) }
        }
        if let keysURI { json.member("jwks_uri", keysURI) }
        if let certificateName { json.member(certificateName.kind.rawValue, certificateName.value) }
        if bindsCertificates { json.member("tls_client_certificate_bound_access_tokens", true) }
        if isPairwise { json.member("subject_type", "pairwise") }
        if let sectorIdentifierURI { json.member("sector_identifier_uri", sectorIdentifierURI) }
        if requiresSignedRequests { json.member("require_signed_request_object", true) }
        if requiresPushedRequests { json.member("require_pushed_authorization_requests", true) }
        if requiresDPoP { json.member("dpop_bound_access_tokens", true) }
        if let page { json.member("client_uri", page) }
    }

    /// - Throws: ``OAuthError`` `.invalidClientMetadata`, `.invalidRedirectURI`.
    func check() throws {
        func invalid(_ message: String) -> OAuthError { OAuthError(.invalidClientMetadata, message) }
        let isPlain = id.utf8.allSatisfy { PercentEncoding.isUnreserved($0) && $0 != 0x7E || ":@".utf8.contains($0) }
        guard isPlain, (1...128).contains(id.utf8.count) else {
            throw invalid("'\(id.prefix(80))' is no id of a client: 1 to 128 letters, digits or characters of ._:@-")
        }
        guard !name.isEmpty, !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            throw invalid("the client's name is empty or has control characters")
        }
        for uri in redirectURIs where !Self.isRedirect(uri, isPublic: isPublic) {
            throw OAuthError(
                .invalidRedirectURI,
                "'\(uri.prefix(200))' is no redirect URI: https://…, http://localhost…, or for a public client a scheme of its own, without '#'"
            )
        }
        for uri in logoutURIs + [backchannelLogoutURI, page, keysURI, sectorIdentifierURI].compactMap({ $0 })
        where !Self.isRedirect(uri, isPublic: false) {
            throw invalid("'\(uri.prefix(200))' is no address: https://…, or http://localhost…, without '#'")
        }
        guard !grants.isEmpty else { throw invalid("a client has a grant type") }
        guard !grants.contains(.password) else { throw invalid("the password grant is the command line's own") }
        guard !grants.contains(.code) || !redirectURIs.isEmpty else {
            throw OAuthError(.invalidRedirectURI, "a client with authorization_code needs redirect_uris")
        }
        guard !grants.contains(.clientCredentials) || !isPublic else {
            throw invalid("a public client has no credentials for client_credentials")
        }
        guard keys.isEmpty || keysURI == nil else { throw invalid("a client has 'jwks' or 'jwks_uri', not both") }
        guard keys.allSatisfy({ (try? JWK($0)) != nil }) else {
            throw invalid("a key in 'jwks' is no public key of P-256, P-384, P-521, Ed25519 or RSA")
        }
        let needsKeys = authentication == .privateKey || authentication == .selfSignedCertificate
        if needsKeys || requiresSignedRequests, keys.isEmpty, keysURI == nil {
            let what = needsKeys ? authentication.rawValue : "require_signed_request_object"
            throw invalid("\(what) needs the client's public keys: 'jwks' or 'jwks_uri'")
        }
        guard (authentication == .certificate) == (certificateName != nil) else {
            throw invalid(
                "tls_client_auth, and nothing else, has one of \(CertificateName.Kind.allCases.map(\.rawValue))")
        }
        if let problem = certificateName?.problem { throw invalid(problem) }
        guard !requiresDPoP || !bindsCertificates else {
            throw invalid("tokens are bound to a certificate or to the key of a DPoP proof, not to both")
        }
        guard !isPairwise || sector != nil else {
            throw invalid(
                "redirect URIs on several hosts, or none, need a 'sector_identifier_uri' for pairwise subjects")
        }
        let isHost = id.hasPrefix("host:") && !grants.contains(.code) && !grants.contains(.device)
        guard isHost || !scopes.contains(Scopes.host) else {
            throw invalid(
                "the scope '\(Scopes.host)' is for machines: a client_id host:NAME, and no grants of people's")
        }
        guard keys.count <= 10, audiences.count <= 100, audiences.allSatisfy({ (1...255).contains($0.utf8.count) })
        else { throw invalid("a client has up to 10 keys and up to 100 audiences of 255 bytes") }
    }

    /// Addresses are compared as they are, so an odd one is refused when it is registered.
    private static func isRedirect(_ uri: String, isPublic: Bool) -> Bool {
        guard uri.utf8.count <= uriBytesMax,
            uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}#*".utf8.contains($0) })
        else { return false }
        if uri.hasPrefix("https://") || Identity.isLoopback(uri) {
            let authority = uri.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).last ?? ""
            let host = authority.prefix { $0 != "/" && $0 != "?" }
            return !host.isEmpty && !host.contains("@")
        }
        // RFC 8252 §7.1: a scheme that an application has for itself has a dot in it.
        let scheme = uri.prefix { $0 != ":" }
        return isPublic && scheme.contains(".") && scheme.utf8.count < uri.utf8.count
            && scheme.utf8.allSatisfy { PercentEncoding.isUnreserved($0) && $0 != 0x7E && $0 != 0x5F }
    }
}
