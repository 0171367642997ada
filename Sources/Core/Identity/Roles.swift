import Database
import IAMPolicy
package import Journal
import Wire

extension EventKind {
    package static let roleCreated = EventKind("role.created")
    package static let roleChanged = EventKind("role.changed")
    package static let roleDeleted = EventKind("role.deleted")
}

extension Identity {
    /// - Parameters:
    ///   - trust: who may assume it, a policy document of `PolicyKind.trust`.
    ///   - seconds: the longest session.
    /// - Throws: ``IdentityError`` `.invalidName`, `.exists`, `.limit`; `PolicyError` for the trust policy.
    package func createRole(
        name: String, trust: String, description: String = "", seconds: Int64 = 3600, by actor: String
    ) async throws {
        try Self.checkName(name)
        _ = try PolicyDocument(parsing: trust, kind: .trust)
        try Self.checkRole(seconds: seconds)
        try await journal.write { transaction, events in
            try transaction.lock("role \(name)")
            guard try transaction.scalar("SELECT 1 FROM roles WHERE name = ?", .init(name)) == nil else {
                throw IdentityError(.exists, "there is a role '\(name)' already")
            }
            try transaction.run(
                """
                INSERT INTO roles (id, name, trust, description, session_seconds, created) VALUES (?, ?, ?, ?, ?, ?)
                """,
                .init(transaction.tid), .init(name), .init(trust), .init(String(description.prefix(1000))),
                .init(seconds), .init(Timestamp.now.microseconds))
            events.record(.roleCreated, by: actor, on: name) { $0.member("trust", trust) }
        }
    }

    /// Changes what is given.
    package func changeRole(
        _ name: String, trust: String? = nil, description: String? = nil, seconds: Int64? = nil, by actor: String
    ) async throws {
        if let trust { _ = try PolicyDocument(parsing: trust, kind: .trust) }
        if let seconds { try Self.checkRole(seconds: seconds) }
        try await journal.write { transaction, events in
            let id = try Self.roleID(name, in: transaction)
            try transaction.run(
                """
                UPDATE roles SET trust = coalesce(?, trust), description = coalesce(?, description),
                    session_seconds = coalesce(?, session_seconds) WHERE id = ?
                """,
                .init(trust), .init(description.map { String($0.prefix(1000)) }), .init(seconds), .init(id))
            events.record(.roleChanged, by: actor, on: name) {
                if let trust { $0.member("trust", trust) }
                if let seconds { $0.member("sessionSeconds", seconds) }
            }
        }
    }

    /// Removes a role, and with it every session in it.
    package func deleteRole(_ name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
            let id = try Self.roleID(name, in: transaction)
            try transaction.run("DELETE FROM roles WHERE id = ?", .init(id))
            events.record(.roleDeleted, by: actor, on: name)
        }
        principals.clear()
    }

    /// Roles in the order of their names, after `name`.
    package func roles(after name: String = "", limit: Int = 1000) async throws -> [Role] {
        try await journal.read { reader in
            try reader.rows(
                """
                SELECT id, name, trust, description, session_seconds, created FROM roles
                WHERE name > ? ORDER BY name LIMIT ?
                """,
                .init(name), .init(limit), map: Self.role)
        }
    }

    /// - Throws: ``IdentityError`` `.notFound`.
    package func role(_ name: String) async throws -> Role {
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT id, name, trust, description, session_seconds, created FROM roles WHERE name = ?", .init(name),
                map: Self.role)
        }
        guard let found else { throw Self.noRole(name) }
        return found
    }

    private static func role(_ row: borrowing Row) -> Role {
        Role(
            id: row.int(0), name: row.text(1), trust: row.text(2), description: row.text(3), sessionSeconds: row.int(4),
            created: Timestamp(microseconds: row.int(5)))
    }

    private static func checkRole(seconds: Int64) throws {
        let range = Role.sessionSecondsRange
        guard range.contains(seconds) else {
            throw IdentityError(
                .limit, "a role's sessions last \(range.lowerBound) to \(range.upperBound) seconds, not \(seconds)")
        }
    }

    private static func noRole(_ name: String) -> IdentityError {
        IdentityError(.notFound, "there is no role '\(name.prefix(80))'")
    }

    private static func roleID(_ name: String, in reader: Reader) throws -> Int64 {
        guard let id = try reader.scalar("SELECT id FROM roles WHERE name = ?", .init(name)) else {
            throw noRole(name)
        }
        return id
    }
}
