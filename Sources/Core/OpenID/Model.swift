package import Identity
package import JOSE
package import Wire

/// A way to get tokens (RFC 6749 §4 and extensions), by its name on the wire.
package enum GrantType: String, Sendable, CaseIterable {
    case code = "authorization_code"
    case refresh = "refresh_token"
    case clientCredentials = "client_credentials"
    case device = "urn:ietf:params:oauth:grant-type:device_code"
    case exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    /// For the node's own command line only.
    case password
}

/// How an application proves who it is at the token endpoint.
package enum ClientAuthentication: String, Sendable, CaseIterable {
    /// A public client: an application on people's machines, which can keep no secret.
    case none
    case secretBasic = "client_secret_basic"
    case secretPost = "client_secret_post"
    case privateKey = "private_key_jwt"
    /// By a certificate of an authority that the node trusts (RFC 8705 §2.1).
    case certificate = "tls_client_auth"
    /// By a certificate whose key is registered, whoever issued it (RFC 8705 §2.2).
    case selfSignedCertificate = "self_signed_tls_client_auth"

    package var isByCertificate: Bool { self == .certificate || self == .selfSignedCertificate }
    var hasSecret: Bool { self == .secretBasic || self == .secretPost }
}

/// An application that the provider knows.
package struct Client: Sendable {
    /// 1 to 128 characters of `[A-Za-z0-9._:@-]`.
    package var id: String
    /// What people are shown.
    package var name: String
    package var authentication = ClientAuthentication.none
    /// Where answers may be sent, compared as they are.
    package var redirectURIs: [String] = []
    package var logoutURIs: [String] = []
    /// Where it hears that a session has ended (OpenID Connect Back-Channel Logout 1.0).
    package var backchannelLogoutURI: String?
    package var grants: [GrantType] = [.code, .refresh]
    /// What it may ask for. A capability stands for all below it.
    package var scopes = Client.defaultScopes
    /// What its tokens have without its asking.
    package var impliedScopes = Scopes.none
    /// Services that its tokens may be meant for, beside this node; `*` for any.
    package var audiences: [String] = []
    package var idTokenAlgorithm = JWTSigner.Algorithm.rs256
    package var accessTokenAlgorithm = JWTSigner.Algorithm.es256
    /// Its public keys, for `private_key_jwt`, request objects and certificates that nobody else has signed.
    package var keys: [JSONValue] = []
    /// Where it publishes them instead.
    package var keysURI: String?
    /// By what name in its certificate it is known.
    package var certificateName: CertificateName?
    package var requiresPushedRequests = false
    /// Whether its authorization requests have to be signed (RFC 9101 §10.5).
    package var requiresSignedRequests = false
    package var requiresDPoP = false
    /// Whether its tokens count only with the certificate that it showed when it got them (RFC 8705 §3).
    package var bindsCertificates = false
    /// Whether it is told of people by other names than other applications are (OpenID Connect Core 1.0 §8).
    package var isPairwise = false
    /// A document with the redirect URIs of all applications that are told the same names.
    package var sectorIdentifierURI: String?
    /// Its page, shown beside its name.
    package var page: String?

    /// The account as which it acts by itself.
    package var account: Int64?
    /// One of the institute's own: people are not asked whether they agree.
    package var isTrusted = false
    /// It has registered itself.
    package var isDynamic = false
    package var created = Timestamp(seconds: 0)
    /// The hash of its secret.
    var secret: [UInt8]?
    /// The hash of the token with which it manages its registration.
    var registration: [UInt8]?

    package init(id: String, name: String) {
        self.id = id
        self.name = name
    }

    package var isPublic: Bool { authentication == .none }

    static let identityScopes = ["openid", "profile", "email", "groups", Scopes.offline]

    /// What applications may ask for unless they are registered for something else. `martlet` is not among it: who may
    /// do everything in somebody's name is named by an administrator.
    package static let defaultScopes =
        (try? Scopes(
            identityScopes + ["wlcg", "wlcg.groups"]
                + Capability.Operation.allCases.map {
                    $0.rawValue.hasPrefix("storage.") ? $0.rawValue + ":/" : $0.rawValue
                })) ?? .none

    private static func builtIn(_ id: String, _ name: String, _ grants: [GrantType]) -> Client {
        var client = Client(id: id, name: name)
        client.grants = grants
        client.impliedScopes = (try? Scopes([Scopes.everything])) ?? .none
        client.scopes = (try? Client.defaultScopes.adding(client.impliedScopes)) ?? Client.defaultScopes
        client.isTrusted = true
        // An RSA signature takes 35 times as long, and these know both.
        client.idTokenAlgorithm = .es256
        return client
    }

    /// Clients that every node knows: its command line, and the name that the SDKs of STAC catalogues log in with.
    static let builtIn = [
        builtIn(TokenAuthority.ownClient, "Martlet's command line", [.password, .device, .refresh, .exchange]),
        builtIn("gdal", "Command line and SDK", [.device, .refresh]),
    ]
}

/// What somebody has agreed to: all that tokens of one grant are made from.
package struct GrantContent: Sendable {
    var scopes: Scopes
    /// Services that were named when the grant was made; tokens may be for fewer. Empty for whatever the client may.
    var audiences: [String] = []
    var authentication: Authentication?
    var nonce: String?
    /// Claims of the ID token and of userinfo that were asked for by name.
    var idTokenClaims: [String] = []
    var userinfoClaims: [String] = []
    /// The thumbprint of the key that public clients' refresh tokens are bound to.
    var keyThumbprint: String?
    /// The same of a certificate.
    var certificate: String?
    /// `iss`, as the client knows this node.
    var issuer: String?
    var redirectURI: String?
    var challenge: String?

    var text: String {
        var json = JSONWriter()
        json.object { json in
            json.member("scope", scopes.text)
            if !audiences.isEmpty { json.member("aud", audiences) }
            if let authentication {
                json.member("amr", authentication.factors.map(\.rawValue))
                json.member("time", authentication.time.microseconds)
                if let session = authentication.sessionID { json.member("sid", session) }
            }
            for (name, value) in [
                ("nonce", nonce), ("jkt", keyThumbprint), ("x5t", certificate), ("iss", issuer),
                ("redirect", redirectURI), ("challenge", challenge),
            ] {
                if let value { json.member(name, value) }
            }
            if !idTokenClaims.isEmpty { json.member("id_token", idTokenClaims) }
            if !userinfoClaims.isEmpty { json.member("userinfo", userinfoClaims) }
        }
        return json.text
    }

    init(scopes: Scopes) { self.scopes = scopes }

    /// Reads what ``text`` wrote.
    init(parsing text: String) throws {
        let json = try JSONValue(parsing: text, maximumDepth: 4)
        func list(_ name: String) -> [String] { json[name]?.array?.compactMap(\.string) ?? [] }
        scopes = try Scopes(parsing: json["scope"]?.string ?? "")
        audiences = list("aud")
        if let time = json["time"]?.integer {
            authentication = Authentication(
                factors: list("amr").compactMap { AuthenticationFactor(rawValue: $0) },
                time: Timestamp(microseconds: time), sessionID: json["sid"]?.string)
        }
        nonce = json["nonce"]?.string
        keyThumbprint = json["jkt"]?.string
        certificate = json["x5t"]?.string
        issuer = json["iss"]?.string
        redirectURI = json["redirect"]?.string
        challenge = json["challenge"]?.string
        idTokenClaims = list("id_token")
        userinfoClaims = list("userinfo")
    }
}

/// What the token endpoint answers.
package struct TokenAnswer: Sendable {
    package var accessToken: String
    package var expiresIn: Int64
    package var scopes: Scopes
    /// Whether it is bound to the key of a DPoP proof.
    package var isDPoP = false
    package var refreshToken: String?
    package var refreshExpiresIn: Int64?
    package var idToken: String?
    /// For a token exchange (RFC 8693 §2.2.1).
    package var issuedType: String?
}
