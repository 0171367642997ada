import Ciphers
import Identity
package import Wire

/// Applications that register themselves. What they may do is what people then let them, one by one; none acts by
/// itself, and none has all of somebody's rights.
extension OpenIDProvider {
    private static let grants: Set<GrantType> = [.code, .refresh, .device]
    private static let adminsOnly = ["implied_scope", "audiences"]
    private static let actor = "anonymous"

    /// Registers an application (RFC 7591 §3).
    ///
    /// - Throws: ``OAuthError`` `.invalidClientMetadata`, `.invalidRedirectURI`; `IdentityError` `.limit`.
    package func register(
        _ metadata: JSONValue, address: String
    ) async throws -> (client: Client, secret: String?, registration: String?) {
        guard registrations.note(address) else {
            throw IdentityError(.rateLimited, "too many applications were registered from here", retryAfter: 600)
        }
        let client = try Self.registrable(id: "app-" + Hex.encode(randomBytes(12)), metadata)
        return try await addClient(client, hasRegistration: true, by: Self.actor)
    }

    private static func registrable(id: String, _ metadata: JSONValue) throws -> Client {
        guard var object = metadata.object else {
            throw OAuthError(.invalidClientMetadata, "the metadata is a JSON object")
        }
        // What is not understood is left out, as the answer shows (RFC 7591 §2).
        for name in adminsOnly { object[name] = nil }
        if let types = object["response_types"]?.array {
            object["response_types"] = .array(types.filter { $0.string == "code" })
        }
        if let names = object["grant_types"]?.array {
            object["grant_types"] = .array(
                names.filter { name in GrantType(rawValue: name.string ?? "").map(grants.contains) ?? false })
        }
        if let text = object["scope"]?.string {
            let asked = text.split(separator: " ").map(String.init)
            let known = asked.filter { name in Client.defaultScopes.cover(name) }
            object["scope"] = .string(known.joined(separator: " "))
        }
        // OAuth 2.0 has more algorithms than this node; the default serves whoever names one of them.
        for name in ["id_token_signed_response_alg", "access_token_signed_response_alg"]
        where object[name]?.string.map({ !["RS256", "ES256"].contains($0) }) ?? false { object[name] = nil }
        var client = try Client(id: id, metadata: .object(object))
        guard client.grants.allSatisfy(grants.contains) else {
            throw OAuthError(.invalidClientMetadata, "grant_types are of \(grants.map(\.rawValue).sorted())")
        }
        // People see what they let in; services that tokens may be for are theirs to name.
        client.audiences = ["*"]
        client.isDynamic = true
        return client
    }

    /// The client that a registration access token manages.
    ///
    /// - Throws: ``OAuthError`` `.invalidToken`, whether or not there is such a client.
    package func managed(_ id: String, token: String) async throws -> Client {
        guard let client = try? await client(id), let stored = client.registration,
            constantTimeEquals(Self.hash(token), stored)
        else { throw OAuthError(.invalidToken, "the registration access token is not that of the client") }
        return client
    }

    /// Replaces what an application has registered (RFC 7592 §2.2).
    package func change(_ client: Client, to metadata: JSONValue) async throws -> Client {
        guard metadata["client_id"]?.string ?? client.id == client.id else {
            throw OAuthError(.invalidClientMetadata, "the client_id does not change")
        }
        var changed = try Self.registrable(id: client.id, metadata)
        guard changed.authentication.hasSecret == client.authentication.hasSecret else {
            throw OAuthError(
                .invalidClientMetadata, "a client keeps or lacks its secret for good: register another one")
        }
        changed.created = client.created
        try await updateClient(changed, by: client.id)
        return changed
    }
}
