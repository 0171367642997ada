import Certificates
import HTTPSupport
import Identity
import NIOHTTP1
import OpenID
import Wire

/// What clients ask for themselves, rather than somebody's browser.
extension OIDCService {
    private static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// The client that sends a form (RFC 6749 §2.3, RFC 7523 §2.2).
    private func client(_ call: Call, _ form: QueryItems) async throws -> Client {
        let connection = call.request.connection
        var credentials = OpenIDProvider.Credentials(
            id: form["client_id"], secret: form["client_secret"], certificate: connection.certificate)
        // Who gives a person's name and password is the command line, or stands in for it.
        let isBare = credentials.id == nil && !call.request.headers.contains(name: "authorization")
        if isBare, form["grant_type"] == GrantType.password.rawValue {
            credentials.id = TokenAuthority.ownClient
        }
        if let encoded = call.request.credentials("Basic") {
            guard credentials.secret == nil, let bytes = Base64.decode(String(encoded)),
                let text = String(validating: bytes, as: UTF8.self), let colon = text.firstIndex(of: ":"),
                let id = Self.formDecoded(text[..<colon]),
                let secret = Self.formDecoded(text[text.index(after: colon)...]),
                credentials.id == nil || credentials.id == id
            else { throw OAuthError(.invalidClient, "the client proves who it is in one way, and as one client") }
            (credentials.id, credentials.secret) = (id, secret)
        }
        if let assertion = form["client_assertion"] {
            guard form["client_assertion_type"] == Self.assertionType else {
                throw OAuthError(.invalidClient, "client_assertion_type is \(Self.assertionType)")
            }
            credentials.assertion = assertion
        }
        do {
            return try await provider.authenticate(credentials, audiences: [call.issuer, call.url, tokens.issuer])
        } catch let error as OAuthError where error.code == .invalidClient {
            try await provider.noteRefusal(
                ofClient: credentials.id ?? "", from: call.request.connection.remoteAddress)
            throw error
        }
    }

    /// RFC 6749 §2.3.1: both are form-encoded before they become Basic credentials. Some clients forget it; a text
    /// without `%` and `+` is the same either way.
    private static func formDecoded(_ text: Substring) -> String? {
        QueryItems(parsing: "v=" + text.replacing("&", with: "%26"))?["v"]
    }

    func form(_ call: Call) async throws -> QueryItems {
        do {
            return try await call.request.form()
        } catch let problem as Problem {
            throw OAuthError(.invalidRequest, problem.detail)
        }
    }

    func token(_ call: Call) async throws -> Response {
        let form = try await form(call)
        let client = try await client(call, form)
        let thumbprint = try await thumbprint(call)
        let asked = TokenRequest(
            client: client, form: form, issuer: call.issuer, address: call.request.connection.remoteAddress,
            keyThumbprint: thumbprint, certificate: call.request.connection.certificate?.thumbprint)
        let answer: TokenAnswer
        do {
            answer = try await provider.tokens(for: asked)
        } catch let error as OAuthError where error.code == .invalidGrant && form["grant_type"] != "password" {
            // Of a wrong password it is told where it is compared.
            await authenticator.tell(of: error.message, refusing: "grant of \(client.id)", call.request)
            throw error
        }
        return Self.json { json in
            json.member("access_token", answer.accessToken)
            json.member("token_type", answer.isDPoP ? "DPoP" : "Bearer")
            json.member("expires_in", answer.expiresIn)
            json.member("scope", answer.scopes.text)
            if let token = answer.refreshToken { json.member("refresh_token", token) }
            if let seconds = answer.refreshExpiresIn { json.member("refresh_expires_in", seconds) }
            if let token = answer.idToken { json.member("id_token", token) }
            if let type = answer.issuedType { json.member("issued_token_type", type) }
        }
    }

    private func thumbprint(_ call: Call) async throws -> String? {
        let proofs = call.request.headers["dpop"]
        guard let proof = proofs.first else { return nil }
        guard proofs.count == 1 else { throw OAuthError(.invalidDPoPProof, "there is more than one DPoP proof") }
        return try await self.proof(proof, call, token: nil)
    }

    private func proof(_ text: String, _ call: Call, token: String?) async throws -> String {
        do {
            return try await tokens.proofs.check(
                text, method: call.request.method.rawValue, url: call.url, token: token, needsNonce: token == nil)
        } catch let error as IdentityError {
            throw OAuthError(.invalidDPoPProof, error.message)
        } catch let error as PossessionProofs.NonceNeeded {
            throw OAuthError(.useDPoPNonce, "the DPoP proof has to name the nonce of DPoP-Nonce", nonce: error.nonce)
        }
    }

    func device(_ call: Call) async throws -> Response {
        let form = try await form(call)
        let client = try await client(call, form)
        let begun = try await provider.beginDevice(
            client: client, scope: form["scope"], audiences: form.all("resource") + form.all("audience"),
            keyThumbprint: form["dpop_jkt"], issuer: call.issuer)
        let page = tokens.issuer + "/device"
        return Self.json { json in
            json.member("device_code", begun.deviceCode)
            json.member("user_code", begun.userCode)
            json.member("verification_uri", page)
            json.member("verification_uri_complete", page + "?user_code=" + begun.userCode)
            json.member("expires_in", begun.expiresIn)
            json.member("interval", OpenIDProvider.deviceInterval)
        }
    }

    func push(_ call: Call) async throws -> Response {
        let form = try await form(call)
        let client = try await client(call, form)
        let pushed = try await provider.push(form, client: client)
        return Self.json(.created) {
            $0.member("request_uri", pushed.uri)
            $0.member("expires_in", pushed.expiresIn)
        }
    }

    func introspect(_ call: Call) async throws -> Response {
        let form = try await form(call)
        let client = try await client(call, form)
        guard !client.isPublic else {
            throw OAuthError(.invalidClient, "a service that asks about tokens proves who it is")
        }
        guard let token = form["token"] else { throw OAuthError(.invalidRequest, "'token' is missing") }
        return try await provider.introspect(token, client: client).response()
    }

    /// Answers 200 also for what is no token (RFC 7009 §2.2).
    func revoke(_ call: Call) async throws -> Response {
        let form = try await form(call)
        let client = try await client(call, form)
        guard let token = form["token"] else { throw OAuthError(.invalidRequest, "'token' is missing") }
        try await provider.revoke(token, client: client)
        return Self.json { _ in }
    }

    /// OpenID Connect Core 1.0 §5.3. The token comes in the header or in a form; no cookie counts.
    func userinfo(_ call: Call) async throws -> Response {
        let request = call.request
        var text: String?
        var isProof = false
        if let header = request.header("authorization") {
            let words = header.split(separator: " ", maxSplits: 1)
            isProof = words.first?.lowercased() == "dpop"
            if words.count == 2, isProof || words.first?.lowercased() == "bearer" {
                text = String(words[1].drop { $0 == " " })
            }
        } else if request.method == .POST {
            text = try await form(call)["access_token"]
        }
        guard let text else { throw Problem.unauthorized("a token is needed to ask who you are") }
        let token: AccessToken
        do {
            token = try await tokens.accessToken(text)
        } catch let error as IdentityError {
            throw OAuthError(.invalidToken, error.message)
        }
        var shown = request.connection.certificate.map { (TokenAuthority.certificateBinding, $0.thumbprint) }
        if isProof {
            guard let proof = request.header("dpop") else {
                throw OAuthError(.invalidToken, "a token that is sent as DPoP comes with a DPoP proof")
            }
            shown = (TokenAuthority.keyBinding, try await self.proof(proof, call, token: text))
        }
        guard !isProof || token.binding?.name == TokenAuthority.keyBinding, token.isHeld(by: shown) else {
            throw OAuthError(.invalidToken, "the token is bound to a key that its sender has not shown")
        }
        return try await provider.userinfo(token).response()
    }
}
