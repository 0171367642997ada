package import Authority
import Certificates
import Ciphers
package import Identity
import Journal
import NIOHTTP1
package import Objects
package import Policy
package import SigV4
import Synchronization
import Wire

/// Who makes a request, and by what signature, so that a streamed body can be checked against it.
package struct Caller: Sendable {
    package var principal: Principal
    /// The circumstances that policies can ask about.
    package var context: RequestContext
    /// The AWS signature of the request and the key that made it, where it was signed so.
    package var signature: (authorization: Authorization, key: SigV4.SigningKey)?
    /// The transaction that the request is part of, where the face has looked for one.
    package var transaction: TransactionID?

    /// Whether the caller's token lets something be made at a key, and nothing be replaced: what it then writes is
    /// refused in its transaction where there is something already.
    package func createsOnly(_ collection: String, _ key: String) -> Bool {
        principal.scopes?.onlyCreate(collection, key) ?? false
    }

    package init(
        principal: Principal, context: RequestContext,
        signature: (authorization: Authorization, key: SigV4.SigningKey)? = nil
    ) {
        self.principal = principal
        self.context = context
        self.signature = signature
    }
}

/// Finds out who makes a request: SigV4 in header or query, bearer token, password, access key, browser session or
/// client certificate. Every face uses it, and every way ends at the same principal.
package final class Authenticator: Sendable {
    package static let sessionCookie = "martlet_session"

    package let identity: Identity
    package let tokens: TokenAuthority
    /// Nil where the node asks for none.
    package let certificates: ClientCertificates?
    /// Nil where no other issuers are trusted.
    private let roles: RoleSessions?
    private let limits: RequestLimits
    private let signingKeys = Mutex<[SigningKeyName: SigV4.SigningKey]>([:])

    /// Signing keys remembered at once: deriving one takes four HMACs, and it serves all day.
    private static let signingKeysMax = 10_000

    private struct SigningKeyName: Hashable {
        var accessKey: String
        var secret: [UInt8]
        var scope: CredentialScope

        /// The rest tells few keys apart, and this is asked at each request.
        func hash(into hasher: inout Hasher) {
            hasher.combine(accessKey)
            hasher.combine(scope.date)
        }
    }

    package init(
        identity: Identity, tokens: TokenAuthority, certificates: ClientCertificates? = nil,
        roles: RoleSessions? = nil, limits: RequestLimits = RequestLimits()
    ) {
        self.identity = identity
        self.tokens = tokens
        self.certificates = certificates
        self.roles = roles
        self.limits = limits
    }

    /// - Parameters:
    ///   - service: what a signature has to be for.
    ///   - cookies: whether a browser's session counts. It does not on the S3 port, and for a change only if
    ///     the browser says that one of our own pages asks for it.
    ///   - bodyHash: the SHA-256 of the body in lower-case hexadecimal, for services whose clients do not state it.
    ///   - passwords: whether a name with a password or app password counts (Basic, RFC 7617).
    ///   - legacyResource: what presigned URLs of the version before SigV4 call the resource; nil where they do not
    ///     count.
    ///   - shared: the bucket and the key that a shared access token has to open; nil where none counts.
    /// - Throws: `SignatureError`, `IdentityError`, ``TooManyRequests``. Without any credentials the caller is
    ///   `Principal.anonymous`.
    package func caller(
        of request: Request, service: String = "s3", bodyHash: String? = nil, cookies: Bool = false,
        passwords: Bool = false, legacyResource: String? = nil, shared: (bucket: String, key: String)? = nil
    ) async throws -> Caller {
        try await telling(request) {
            try limits.check(address: request.connection.remoteAddress)
            let caller =
                if let legacyResource, let caller = try await legacyCaller(request, legacyResource) {
                    caller
                } else if let shared, let caller = try await sharedCaller(request, shared.bucket, shared.key) {
                    caller
                } else {
                    try await identified(request, service, bodyHash, cookies: cookies, passwords: passwords)
                }
            try limits.check(caller.principal)
            return caller
        }
    }

    /// Counts a request of whom this does not identify, such as a client of the OpenID provider.
    ///
    /// - Throws: ``TooManyRequests``.
    package func admit(_ request: Request) async throws {
        try await telling(request) {
            try limits.check(address: request.connection.remoteAddress)
        }
    }

    /// Runs what may find that credentials do not count, or that somebody asks too often, and tells of that.
    private func telling<T>(_ request: Request, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch {
            await tell(of: error, request)
            throw error
        }
    }

    /// Tells of credentials that do not count, and of who asks too often.
    private func tell(of error: any Error, _ request: Request) async {
        switch error {
        case let error as TooManyRequests:
            identity.journal.note(
                .refusal(
                    .requestsLimited, on: error.whose, action: "", reason: "",
                    address: request.connection.remoteAddress))
        // Of a password it is told where it is compared.
        case let error as IdentityError where error.code == .invalidCredentials && request.credentials("Basic") != nil:
            break
        case let error as IdentityError: await tell(of: error.message, refusing: Self.shown(request), request)
        case let error as SignatureError: await tell(of: error.message, refusing: Self.shown(request), request)
        default: break
        }
    }

    /// Tells of credentials that do not count: the first of equal ones at once, the others of a minute counted.
    ///
    /// - Parameters:
    ///   - reason: what was wrong with them; no secret.
    ///   - shown: what was shown: `token`, `access key MRT…`.
    package func tell(of reason: String, refusing shown: String, _ request: Request) async {
        let place = request.rawPath.split(separator: "/").first.map { $0.prefix(64) } ?? ""
        try? await identity.journal.tell(
            .refusal(
                .credentialsRefused, on: shown, action: "\(request.method.rawValue.prefix(16)) /\(place)",
                reason: String(reason.prefix(300)), address: request.connection.remoteAddress))
    }

    /// What the sender of a request shows, without its secret.
    private static func shown(_ request: Request) -> String {
        let parameters = ["X-Amz-Credential", "AWSAccessKeyId", "skoid"]
        var key = shownKey(request)?.id ?? parameters.lazy.compactMap { request.query?[$0] }.first
        if let header = request.header("authorization") {
            guard let mark = header.firstRange(of: "Credential=") else {
                return header.lowercased().hasPrefix("basic ") ? "password" : "token"
            }
            key = String(header[mark.upperBound...].prefix(200))
        }
        if let key { return "access key " + key.prefix { $0 != "/" && $0 != "," }.prefix(64) }
        return cookie(sessionCookie, in: request) == nil ? "certificate" : "session"
    }

    private func identified(
        _ request: Request, _ service: String, _ bodyHash: String?, cookies: Bool, passwords: Bool
    ) async throws -> Caller {
        let context = Self.context(of: request)
        if let token = request.credentials("Bearer") {
            let shown = request.connection.certificate.map { (TokenAuthority.certificateBinding, $0.thumbprint) }
            return Caller(principal: try await bearer(String(token), shown, context), context: context)
        }
        if let token = request.credentials("DPoP") {
            return Caller(principal: try await boundCaller(request, String(token), context), context: context)
        }
        if passwords, let text = request.credentials("Basic") {
            guard let (name, password) = Self.basicCredentials(text) else {
                throw IdentityError(.invalidCredentials, "the Basic credentials are not name:password in base64")
            }
            let principal = try await identity.basicLogin(
                name: name, password: password, address: request.connection.remoteAddress)
            return Caller(principal: principal, context: context)
        }
        if let signed = try await signedCaller(request, service, bodyHash, context) { return signed }
        if let keyed = try await keyedCaller(request, context) { return keyed }
        if cookies, let secret = Self.cookie(Self.sessionCookie, in: request), Self.isSameSite(request),
            let principal = try await identity.principal(session: secret)
        {
            return Caller(principal: principal, context: context)
        }
        if let principal = try await certified(request, cookies: cookies) {
            return Caller(principal: principal, context: context)
        }
        return Caller(principal: .anonymous, context: context)
    }

    /// Who the client's certificate says that it is, where nothing in the request says so.
    private func certified(_ request: Request, cookies: Bool) async throws -> Principal? {
        // A browser shows a certificate with whatever a page of another site makes it ask for, as it would a cookie.
        guard let certificates, let shown = request.connection.certificate, !Self.isForeign(request) else { return nil }
        do {
            return try await certificates.principal(shown)
        } catch let error as IdentityError {
            // Programs hear what is wrong with it. A browser goes on showing it, and its user needs the login page.
            guard cookies, request.header("accept")?.contains("text/html") == true else { throw error }
            return nil
        }
    }

    /// Whom a token speaks for, of this node's or of an issuer that it trusts.
    ///
    /// - Parameter shown: the key that whoever sends it has proved to have.
    private func bearer(
        _ token: String, _ shown: (name: String, digest: String)?, _ context: RequestContext
    ) async throws -> Principal {
        do {
            return try await tokens.principal(token: token, binding: shown)
        } catch let error as IdentityError where error.code == .otherIssuer {
            guard let roles else { throw error }
            return try await roles.principal(token: token, shown: shown, context)
        }
    }

    /// Who sends a token together with the proof that they hold its key (RFC 9449 §7).
    private func boundCaller(_ request: Request, _ token: String, _ context: RequestContext) async throws -> Principal {
        guard request.headers["dpop"].count == 1, let proof = request.header("dpop") else {
            throw IdentityError(.invalidToken, "a token that is sent as DPoP comes with one DPoP proof")
        }
        do {
            let thumbprint = try await tokens.proofs.check(
                proof, method: request.method.rawValue, url: request.origin + request.rawPath, token: token,
                needsNonce: false)
            return try await bearer(token, (TokenAuthority.keyBinding, thumbprint), context)
        } catch is PossessionProofs.NonceNeeded {
            throw IdentityError(.invalidToken, "the nonce of the DPoP proof has expired")
        }
    }

    private static func basicCredentials(_ text: Substring) -> (name: String, password: String)? {
        guard let bytes = Base64.decode(String(text)), let pair = String(validating: bytes, as: UTF8.self),
            let colon = pair.firstIndex(of: ":")
        else { return nil }
        return (String(pair[..<colon]), String(pair[pair.index(after: colon)...]))
    }

    private func signedCaller(
        _ request: Request, _ service: String, _ bodyHash: String?, _ context: RequestContext
    ) async throws -> Caller? {
        guard request.headers.contains(name: "authorization") || !request.rawQuery.isEmpty else { return nil }
        let head = try Self.head(of: request)
        guard let authorization = try Authorization.find(in: head, service: service) else { return nil }
        // The clock is looked at before the key: an old request costs nothing and learns nothing.
        try authorization.checkTime(now: .now)
        let known = try await signer(authorization.accessKeyID, sessionToken: authorization.sessionToken)
        let key = signingKey(authorization.accessKeyID, authorization.scope, secret: known.secret)
        try authorization.verify(head, key: key, bodyHash: bodyHash, now: .now)
        var context = context
        context.values["s3:signatureversion"] = ["AWS4-HMAC-SHA256"]
        context.values["s3:authType"] = [authorization.form == .header ? "REST-HEADER" : "REST-QUERY-STRING"]
        return Caller(principal: known.principal, context: context, signature: (authorization, key))
    }

    /// In whose name a shared access token reads: with no more than the token opens.
    private func sharedCaller(_ request: Request, _ bucket: String, _ key: String) async throws -> Caller? {
        guard let token = try SharedAccessToken.find(in: Self.head(of: request), bucket: bucket, key: key) else {
            return nil
        }
        try token.checkTime(now: .now)
        let known = try await signer(token.accessKeyID, sessionToken: token.sessionToken)
        try token.verify(secret: known.secret)
        var caller = Caller(principal: known.principal, context: Self.context(of: request))
        let scope = Self.readScope(bucket: token.bucket, folder: token.folder)
        if let scopes = known.principal.scopes, scopes.limit != nil, !scopes.cover(scope) {
            throw IdentityError(.invalidToken, "the credentials that made this token do not reach as far any more")
        }
        caller.principal.scopes = try Scopes([scope])
        caller.context.values["s3:authType"] = ["REST-QUERY-STRING"]
        return caller
    }

    /// The scope that lets all below a folder of a bucket be read.
    package static func readScope(bucket: String, folder: [String]) -> String {
        let path = ([bucket] + folder).map { PercentEncoding.encode($0) }.joined(separator: "/")
        return "storage.read:/\(path)\(folder.isEmpty ? "" : "/")"
    }

    /// Who shows an access key itself: in the two headers of the SDKs of STAC catalogues, or as planetary-computer's
    /// subscription key, `KEY:SECRET`.
    private func keyedCaller(_ request: Request, _ context: RequestContext) async throws -> Caller? {
        guard let (id, secret) = Self.shownKey(request) else { return nil }
        let refused = IdentityError(.invalidCredentials, "the access key or its secret is wrong")
        do {
            guard !id.hasPrefix(Identity.temporaryPrefix), let known = try await identity.signingSecret(accessKey: id),
                constantTimeEquals(known.secret, Array(secret.utf8))
            else { throw refused }
            return Caller(principal: known.principal, context: context)
        } catch let error as IdentityError where error.code == .notFound {
            throw refused
        }
    }

    private static func shownKey(_ request: Request) -> (id: String, secret: String)? {
        if let id = request.header("access-key"), let secret = request.header("secret-key") { return (id, secret) }
        guard let pair = request.header("ocp-apim-subscription-key"), let colon = pair.firstIndex(of: ":") else {
            return nil
        }
        return (String(pair[..<colon]), String(pair[colon...].dropFirst()))
    }

    private static func head(of request: Request) throws -> RequestHead {
        guard let query = request.query else {
            throw SignatureError(.malformed, "the query is not valid percent-encoding")
        }
        return RequestHead(
            method: request.method.rawValue, path: request.rawPath, query: query,
            headers: request.headers.map { ($0.name, $0.value) })
    }

    private func legacyCaller(_ request: Request, _ resource: String) async throws -> Caller? {
        guard let signature = try LegacySignature.find(in: Self.head(of: request), resource: resource) else {
            return nil
        }
        try signature.checkTime(now: .now)
        return try await caller(of: request, signature, type: "REST-QUERY-STRING")
    }

    private func caller(of request: Request, _ signature: LegacySignature, type: String) async throws -> Caller {
        let known = try await signer(signature.accessKeyID, sessionToken: signature.sessionToken)
        try signature.verify(secret: known.secret)
        var context = Self.context(of: request)
        context.values["s3:signatureversion"] = ["AWS"]
        context.values["s3:authType"] = [type]
        return Caller(principal: known.principal, context: context)
    }

    /// Who signed the policy of an upload form by the version before SigV4.
    ///
    /// - Throws: as ``caller(of:service:bodyHash:cookies:passwords:legacyResource:)``.
    package func caller(of request: Request, form signature: LegacySignature) async throws -> Caller {
        try await telling(request) {
            let caller = try await caller(of: request, signature, type: "POST")
            try limits.check(caller.principal)
            return caller
        }
    }

    /// Who signed the policy of an upload form.
    ///
    /// - Throws: as ``caller(of:service:bodyHash:cookies:passwords:legacyResource:)``.
    package func caller(
        of request: Request, policy: String, _ signature: PostSignature
    ) async throws -> Caller {
        try await telling(request) {
            let known = try await signer(signature.accessKeyID, sessionToken: signature.sessionToken)
            try signature.verify(
                policy: policy, key: signingKey(signature.accessKeyID, signature.scope, secret: known.secret))
            var context = Self.context(of: request)
            context.values["s3:signatureversion"] = ["AWS4-HMAC-SHA256"]
            context.values["s3:authType"] = ["POST"]
            try limits.check(known.principal)
            return Caller(principal: known.principal, context: context)
        }
    }

    private static func context(of request: Request) -> RequestContext {
        var context = RequestContext(address: request.connection.remoteAddress, isSecure: request.connection.isSecure)
        if let agent = request.header("user-agent") { context.values["aws:UserAgent"] = [agent] }
        return context
    }

    private func signer(
        _ accessKey: String, sessionToken: String?
    ) async throws -> (secret: [UInt8], principal: Principal) {
        guard let known = try await identity.signingSecret(accessKey: accessKey, sessionToken: sessionToken) else {
            throw IdentityError(.notFound, "there is no access key '\(accessKey.prefix(64))'")
        }
        return known
    }

    private func signingKey(_ accessKey: String, _ scope: CredentialScope, secret: [UInt8]) -> SigV4.SigningKey {
        let name = SigningKeyName(accessKey: accessKey, secret: secret, scope: scope)
        if let key = signingKeys.withLock({ $0[name] }) { return key }
        let key = SigV4.SigningKey(secret: String(decoding: secret, as: UTF8.self), scope: scope)
        signingKeys.withLock { keys in
            if keys.count >= Self.signingKeysMax { keys = [:] }
            keys[name] = key
        }
        return key
    }

    /// The value of a cookie.
    package static func cookie(_ name: String, in request: Request) -> String? {
        for header in request.headers["cookie"] {
            for pair in header.split(separator: ";") {
                let pair = pair.trimmingSpaces
                if pair.hasPrefix(name + "=") { return String(pair.dropFirst(name.count + 1)) }
            }
        }
        return nil
    }

    /// Whether a browser says that a page of another site makes it change something. Programs say nothing of that kind.
    package static func isForeign(_ request: Request) -> Bool { isForeign(request, asked: "none", unknown: false) }

    /// Whether a request with a cookie may change something: only where the browser says that a page of ours sent it.
    package static func isSameSite(_ request: Request) -> Bool { !isForeign(request, asked: nil, unknown: true) }

    /// - Parameters:
    ///   - asked: what else than `same-origin` the browser may say, such as `none` for an address that somebody typed.
    ///   - unknown: what counts where the browser says nothing.
    private static func isForeign(_ request: Request, asked: String?, unknown: Bool) -> Bool {
        switch request.method {
        case .GET, .HEAD, .OPTIONS: return false
        default: break
        }
        if let site = request.header("sec-fetch-site") { return site != "same-origin" && site != asked }
        return request.header("origin").map { $0 != request.origin } ?? unknown
    }
}
