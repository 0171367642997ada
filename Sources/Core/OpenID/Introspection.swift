import Identity
import Wire

extension OpenIDProvider {
    /// What a token says and whether it counts (RFC 7662), for a service that has proved who it is.
    package func introspect(_ text: String, client: Client) async throws -> [UInt8] {
        var json = JSONWriter(capacity: 1024)
        do {
            let token = try await tokens.accessToken(text)
            _ = try await identity.principal(ofAccount: token.account)
            json.object { json in
                json.member("active", true)
                json.member("token_type", token.binding?.name == TokenAuthority.keyBinding ? "DPoP" : "Bearer")
                if let name = token.claims["preferred_username"]?.string { json.member("username", name) }
                for claim in token.claims.members
                where claim.name != "userinfo" && claim.name != TokenAuthority.sealedAccount {
                    json.member(claim.name, claim.value)
                }
            }
        } catch is IdentityError {
            json.object { $0.member("active", false) }
        }
        return json.bytes
    }
}
