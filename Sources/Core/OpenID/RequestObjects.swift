import Identity
import JOSE
import Wire

/// Authorization requests that their client has signed (RFC 9101).
extension OpenIDProvider {
    /// A request as the one that is signed in its parameter `request` has it. Of what stands beside that, only our own
    /// marks count (RFC 9101 §6.3).
    ///
    /// - Throws: ``OAuthError`` `.invalidRequestObject`, `.temporarilyUnavailable`.
    func opened(_ query: QueryItems, _ client: Client) async throws -> QueryItems {
        guard let text = query["request"] else { return query }
        func invalid(_ message: String) -> OAuthError { OAuthError(.invalidRequestObject, "'request' \(message)") }
        let token: SignedJWT
        do { token = try SignedJWT(parsing: text) } catch { throw invalid("cannot be read: \(error.message)") }
        guard ["oauth-authz-req+jwt", "jwt", nil].contains(token.type) else {
            throw invalid("has the type oauth-authz-req+jwt, not '\(token.type?.prefix(80) ?? "")'")
        }
        guard try await verifies(token, client) else { throw invalid("is not signed by a key of the client") }
        let claims = token.claims
        guard claims["iss"]?.string ?? client.id == client.id, claims["client_id"]?.string ?? client.id == client.id
        else {
            throw invalid("is another client's")
        }
        let meant = claims["aud"] ?? .null
        guard meant.isNull || (meant.array ?? [meant]).contains(where: { tokens.isOwn(issuer: $0.string ?? "") }) else {
            throw invalid("is meant for another provider ('aud')")
        }
        let now = Timestamp.now.seconds
        guard claims["exp"]?.integer ?? now + 1 > now, claims["nbf"]?.integer ?? now <= now + 60 else {
            throw invalid("has expired, or is not valid yet")
        }
        guard claims["request"] == nil, claims["request_uri"] == nil else { throw invalid("has another request in it") }
        var items: [(name: String, value: String?)] = [("client_id", client.id)]
        for claim in claims.members
        where !Self.tokenClaims.contains(claim.name) && !claim.name.hasPrefix(AuthorizationRequest.ownPrefix) {
            for value in claim.value.array ?? [claim.value] {
                items.append((claim.name, value.string ?? value.text))
            }
        }
        items += query.items.filter {
            $0.name == AuthorizationRequest.afterParameter || $0.name == AuthorizationRequest.deniedParameter
        }
        items.append((AuthorizationRequest.signedParameter, ""))
        return QueryItems(items)
    }

    /// Claims that are about the token and not parameters of the request.
    private static let tokenClaims: Set<String> = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub", "client_id"]
}
