import HTTPSupport
import Identity
import JOSE
import NIOHTTP1
import OpenID
import Wire

extension OIDCService {
    /// The provider's metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
    func discovery(issuer: String, to request: Request) -> Response {
        let isRealm = issuer != tokens.issuer
        let base = issuer + (isRealm ? "/protocol/openid-connect" : "/oidc")
        // Members and their paths: the node's own, and those of Keycloak.
        let direct = [
            ("token_endpoint", "/token", "/token"), ("userinfo_endpoint", "/userinfo", "/userinfo"),
            ("introspection_endpoint", "/introspect", "/token/introspect"),
            ("revocation_endpoint", "/revoke", "/revoke"),
            ("device_authorization_endpoint", "/device", "/auth/device"),
            ("pushed_authorization_request_endpoint", "/par", "/ext/par/request"),
        ]
        func write(_ members: [(String, String, String)], _ json: inout JSONWriter) {
            for (name, own, realm) in members { json.member(name, base + (isRealm ? realm : own)) }
        }
        let algorithms = ["RS256", "ES256"]
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("issuer", issuer)
            write(
                [
                    ("authorization_endpoint", "/authorize", "/auth"), ("jwks_uri", "/jwks", "/certs"),
                    ("end_session_endpoint", "/logout", "/logout"),
                ] + direct, &json)
            json.member(
                "registration_endpoint",
                isRealm ? issuer + "/clients-registrations/openid-connect" : base + "/register")
            json.member("grant_types_supported", GrantType.allCases.map(\.rawValue))
            json.member("response_types_supported", ["code"])
            json.member("response_modes_supported", ["query", "form_post"])
            json.member("code_challenge_methods_supported", ["S256"])
            json.member("subject_types_supported", ["public", "pairwise"])
            json.member("scopes_supported", Client.defaultScopes.names)
            json.member(
                "claims_supported",
                [
                    "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "azp", "nonce", "sid", "at_hash",
                    "preferred_username", "name", "email", "email_verified", "groups", "updated_at",
                ])
            json.member("acr_values_supported", [Authentication.singleFactor, Authentication.multiFactor])
            json.member("prompt_values_supported", ["none", "login", "consent", "select_account"])
            json.member("id_token_signing_alg_values_supported", algorithms)
            // Where the node asks nobody for a certificate, there is none to be known by.
            let takesCertificates = authenticator.certificates != nil && request.connection.isSecure
            let methods = ClientAuthentication.allCases.filter { takesCertificates || !$0.isByCertificate }
                .map(\.rawValue)
            for endpoint in ["token", "introspection", "revocation"] {
                json.member("\(endpoint)_endpoint_auth_methods_supported", methods)
                json.member("\(endpoint)_endpoint_auth_signing_alg_values_supported", JWK.algorithms)
            }
            json.member("dpop_signing_alg_values_supported", JWK.algorithms)
            json.member("authorization_response_iss_parameter_supported", true)
            json.member("claims_parameter_supported", true)
            json.member("request_parameter_supported", true)
            json.member("request_object_signing_alg_values_supported", JWK.algorithms)
            json.member("tls_client_certificate_bound_access_tokens", takesCertificates)
            if takesCertificates {
                // The same addresses: certificates are asked for on all of them, and required on none.
                json.key("mtls_endpoint_aliases")
                json.object { write(direct, &$0) }
            }
            json.member("request_uri_parameter_supported", false)
            json.member("backchannel_logout_supported", true)
            json.member("backchannel_logout_session_supported", true)
            json.member("service_documentation", "https://datatracker.ietf.org/doc/html/rfc6749")
        }
        return Response(
            .ok, type: "application/json", bytes: json.bytes,
            headers: ["Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"])
    }
}
