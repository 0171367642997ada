import Database
import Journal

/// A principal, and the secret of the access key by which it was found.
struct KnownPrincipal: Sendable {
    var principal: Principal
    var secret: [UInt8]?
}

extension Identity {
    /// The principal of an account.
    ///
    /// - Throws: ``IdentityError`` `.disabled` or `.notFound`.
    package func principal(account id: Int64, method: AuthenticationMethod) async throws -> Principal {
        let key = "account \(id)"
        if var known = principals[key]?.principal {
            known.method = method
            return known
        }
        let principal = try await journal.find { try Self.principal(account: id, method: method, in: $0) }
        principals[key] = KnownPrincipal(principal: principal)
        return principal
    }

    /// The principal of an account for which a token is made.
    ///
    /// - Throws: ``IdentityError`` `.disabled` or `.notFound`.
    package func principal(ofAccount id: Int64) async throws -> Principal {
        try await principal(account: id, method: .token)
    }

    static func principal(account id: Int64, method: AuthenticationMethod, in reader: Reader) throws -> Principal {
        let row = try reader.first("SELECT name, kind, disabled FROM accounts WHERE id = ?", .init(id)) { row in
            (name: row.text(0), kind: PrincipalKind(rawValue: row.text(1)) ?? .person, isDisabled: row.int(2) != 0)
        }
        guard let row else { throw IdentityError(.notFound, "the account does not exist any more") }
        guard !row.isDisabled else { throw IdentityError(.disabled, "the account '\(row.name)' is disabled") }
        return Principal(
            accountID: id, name: row.name, kind: row.kind, groups: try groups(of: id, in: reader), method: method,
            accessKeyID: nil)
    }
}
