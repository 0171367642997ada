import Database
import Identity
package import Journal
import Wire

extension EventKind {
    package static let boundarySet = EventKind("boundary.set")
    package static let boundaryRemoved = EventKind("boundary.removed")
}

/// What can have a boundary: a policy that grants nothing, but what it does not allow is not allowed.
package enum Bounded: Sendable, Hashable {
    case account(String)
    case role(String)
    /// Binds everybody, for all that is in the space.
    case space(String)

    /// `user:NAME`, `role:NAME` or `space:NAME`.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[1].isEmpty else { return nil }
        switch parts[0] {
        case "user": self = .account(parts[1])
        case "role": self = .role(parts[1])
        case "space": self = .space(parts[1])
        default: return nil
        }
    }

    package var text: String {
        switch self {
        case .account(let name): "user:\(name)"
        case .role(let name): "role:\(name)"
        case .space(let name): "space:\(name)"
        }
    }
}

/// A boundary, by whom it binds.
package struct Boundary: Sendable {
    package var subject: Bounded
    /// The policy's name.
    package var policy: String
}

extension Policies {
    /// Where all collections are.
    static let space = "main"

    /// What administrators may do whatever boundaries say, so that nobody can lock everybody out.
    static let boundaryRepairs: Set<String> = [
        "iam:PutUserPermissionsBoundary", "iam:DeleteUserPermissionsBoundary", "iam:PutRolePermissionsBoundary",
        "iam:DeleteRolePermissionsBoundary", "iam:PutSpacePermissionsBoundary", "iam:DeleteSpacePermissionsBoundary",
    ]

    /// Makes a policy the boundary of somebody, in place of the one that was.
    ///
    /// - Throws: ``PolicyStoreError`` `.notFound` for a policy or a subject that does not exist.
    package func setBoundary(_ policy: String, of subject: Bounded, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("policy \(policy)")
            guard try transaction.scalar("SELECT 1 FROM policies WHERE name = ?", .init(policy)) != nil else {
                throw Self.noPolicy(policy)
            }
            try Self.check(subject, in: transaction)
            try transaction.run(
                """
                INSERT INTO boundaries (subject, policy) VALUES (?, ?)
                ON CONFLICT (subject) DO UPDATE SET policy = excluded.policy
                """,
                .init(subject.text), .init(policy))
            events.record(.boundarySet, by: actor, on: subject.text) { $0.member("policy", policy) }
        }
        applicableCache.clear()
    }

    /// - Throws: ``PolicyStoreError`` `.notFound` where there is none.
    package func removeBoundary(of subject: Bounded, by actor: String) async throws {
        try await journal.write { transaction, events in
            guard try Self.removeBoundary(of: subject, by: actor, transaction, &events) else {
                throw PolicyStoreError(code: .notFound, message: "'\(subject.text)' has no boundary")
            }
        }
        applicableCache.clear()
    }

    /// - Returns: whether there was one.
    @discardableResult
    static func removeBoundary(
        of subject: Bounded, by actor: String, _ transaction: Transaction, _ events: inout EventRecorder
    ) throws -> Bool {
        guard try transaction.execute("DELETE FROM boundaries WHERE subject = ?", .init(subject.text)) > 0 else {
            return false
        }
        events.record(.boundaryRemoved, by: actor, on: subject.text)
        return true
    }

    /// The name of the policy that is somebody's boundary; nil where there is none.
    package func boundary(of subject: Bounded) async throws -> String? {
        try await journal.find { reader in
            try reader.first("SELECT policy FROM boundaries WHERE subject = ?", .init(subject.text)) { $0.text(0) }
        }
    }

    /// Boundaries in the order of their subjects, after `subject`.
    ///
    /// - Parameter policy: only those that are this policy; nil for all.
    package func boundaries(
        after subject: String = "", of policy: String? = nil, limit: Int = 1000
    ) async throws -> [Boundary] {
        try await journal.read { reader in
            let condition = policy == nil ? "" : " AND policy = ?"
            return try reader.rows(
                "SELECT subject, policy FROM boundaries WHERE subject > ?\(condition) ORDER BY subject LIMIT ?",
                [.init(subject)] + (policy.map { [.init($0)] } ?? []) + [.init(limit)]
            ) { row in Bounded(row.text(0)).map { Boundary(subject: $0, policy: row.text(1)) } }
            .compactMap(\.self)
        }
    }

    /// The boundaries that bind a principal, with their documents.
    static func boundaries(
        of principal: Principal, _ reader: Reader
    ) throws -> [(subject: Bounded, name: String, document: String)] {
        let subjects = bounds(of: principal)
        return try reader.rows(
            """
            SELECT b.subject, p.name, p.document FROM boundaries b JOIN policies p ON p.name = b.policy
            WHERE b.subject IN (\(subjects.map { _ in "?" }.joined(separator: ", "))) ORDER BY b.subject
            """, subjects.map { .init($0.text) }
        ) { row in
            Bounded(row.text(0)).map { (subject: $0, name: "\(row.text(1)) of \($0.text)", document: row.text(2)) }
        }
        .compactMap(\.self)
    }

    /// Whose boundaries bind a principal. A session in a role is bound as the role is.
    static func bounds(of principal: Principal) -> [Bounded] {
        if let role = principal.session?.role?.name { return [.role(role), .space(space)] }
        return principal.isAnonymous ? [.space(space)] : [.account(principal.name), .space(space)]
    }

    private static func check(_ subject: Bounded, in transaction: Reader) throws {
        switch subject {
        case .account(let name): try check(Attachment.account(name), in: transaction)
        case .role(let name): try check(Attachment.role(name), in: transaction)
        case .space(let name):
            guard name == space else {
                throw PolicyStoreError(
                    code: .notFound, message: "there is no space '\(name.prefix(80))': the node's is '\(space)'")
            }
        }
    }
}
