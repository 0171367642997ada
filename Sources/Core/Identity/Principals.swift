import Database
import Journal
import Wire

/// A principal, and the secret of the access key by which it was found.
struct KnownPrincipal: Sendable {
    var principal: Principal
    var secret: [UInt8]?
}

extension Identity {
    /// The principal of an account.
    ///
    /// - Throws: ``IdentityError`` `.disabled`, `.notFound` or `.agreementNeeded`.
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
        let row = try reader.first(
            """
            SELECT a.name, a.kind, a.disabled, a.ends, p.version, p.renew_days, s.signed FROM accounts a
            LEFT JOIN use_policies p ON p.current = 1
            LEFT JOIN use_signatures s ON s.account = a.id AND s.version = p.version WHERE a.id = ?
            """,
            .init(id)
        ) { row in
            (
                name: row.text(0), kind: PrincipalKind(rawValue: row.text(1)) ?? .person, isDisabled: row.int(2) != 0,
                ends: row.intOrNil(3), hasPolicy: !row.isNull(4), renewDays: row.intOrNil(5) ?? 0,
                signed: row.intOrNil(6)
            )
        }
        guard let row else { throw IdentityError(.notFound, "the account does not exist any more") }
        guard !row.isDisabled else { throw IdentityError(.disabled, "the account '\(row.name)' is disabled") }
        let now = Timestamp.now
        if let ends = row.ends, ends <= now.microseconds {
            throw IdentityError(
                .disabled, "the account '\(row.name)' ended on \(Timestamp(microseconds: ends).rfc3339)")
        }
        if row.hasPolicy, row.kind == .person,
            !UsePolicy.counts(signed: row.signed, renewDays: row.renewDays, now: now)
        {
            throw IdentityError(
                .agreementNeeded,
                "'\(row.name)' has to sign the acceptable-use policy first: log in with a browser, at /login")
        }
        return Principal(
            accountID: id, name: row.name, kind: row.kind, groups: try groups(of: id, in: reader), method: method,
            accessKeyID: nil)
    }
}
