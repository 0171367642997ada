import Wire

extension Identity {
    /// Somebody as they would be, had they logged in so: to ask what they may do.
    ///
    /// - Parameters:
    ///   - name: `NAME` or `user:NAME` of an account, `role:NAME`, or `anonymous`.
    ///   - method: of the ways to log in, such as `token`.
    /// - Throws: ``IdentityError`` `.notFound`, `.disabled`, or `.invalidName` for a method that there is none of.
    package func simulated(_ name: String, method: String) async throws -> Principal {
        if name == "anonymous" { return .anonymous }
        if name.hasPrefix("role:") { return .simulated(try await role(String(name.dropFirst(5)))) }
        guard let method = AuthenticationMethod(rawValue: method) else {
            throw IdentityError(
                .invalidName, "'\(method.prefix(40))' is no way to log in, such as password or certificate")
        }
        let account = try await account(name.hasPrefix("user:") ? String(name.dropFirst(5)) : name)
        return try await principal(account: account.id, method: method)
    }
}

extension Principal {
    /// Somebody in a role, as nobody is: to ask what the role may do.
    package static func simulated(_ role: Role) -> Principal {
        let now = Timestamp.now
        return Principal(
            accountID: nil, name: "\(role.name)/simulation", kind: .software, groups: [], method: .temporaryKey,
            accessKeyID: nil,
            session: TemporarySession(
                role: TemporarySession.AssumedRole(id: role.id, name: role.name), account: nil, name: "simulation",
                issued: now, expires: now, policy: nil, claims: [:], token: ""))
    }
}
