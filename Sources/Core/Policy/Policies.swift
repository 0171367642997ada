import Database
import IAMPolicy
import Identity
package import Journal
import Wire

extension EventKind {
    package static let policyStored = EventKind("policy.stored")
    package static let policyDeleted = EventKind("policy.deleted")
    package static let policyAttached = EventKind("policy.attached")
    package static let policyDetached = EventKind("policy.detached")
}

/// A policy with its name, by which decisions are explained.
typealias AttachedPolicy = (name: String, document: PolicyDocument)

/// What was read of a principal's rights.
struct GrantedPolicies: Sendable {
    /// The principal's own, its groups', and those for everybody.
    var policies: [AttachedPolicy]
    /// What it may at most do.
    var boundaries: [AttachedPolicy]
    /// What anybody may at most do with what is in the space.
    var ofSpace: [AttachedPolicy]
}

/// The policies that the node keeps, and to whom they apply.
package final class Policies: Sendable {
    let journal: Journal
    let applicableCache = RecentReads<GrantedPolicies>()
    private let sessionPolicies = RecentReads<PolicyDocument>()
    private let scopePolicies = RecentReads<PolicyDocument>()

    /// What members of `administrators` have; it is not in the database, so nobody can lock everybody out.
    private let administrator: AttachedPolicy

    /// What no session of an account itself may do: credentials that were lent for an hour must not make others that
    /// last. AWS has the same rule.
    private let lent: AttachedPolicy

    package init(journal: Journal) throws {
        self.journal = journal
        lent = (
            name: "sessions of accounts",
            document: try PolicyDocument(
                parsing: #"""
                    {"Version":"2012-10-17","Statement":[{"Sid":"NothingThatLasts","Effect":"Deny","Resource":"*",
                     "Action":["iam:Add*","iam:Attach*","iam:Create*","iam:Delete*","iam:Detach*","iam:Put*",
                      "iam:Remove*","iam:Update*"]}]}
                    """#)
        )
        administrator = (
            name: "administrator",
            document: try PolicyDocument(
                parsing: Array(
                    #"{"Version":"2012-10-17","Statement":[{"Sid":"Everything","Effect":"Allow","Action":"*","Resource":"*"}]}"#
                        .utf8))
        )
    }

    /// Policies that apply to a principal: its own, its groups', those for everybody, and what limits it or its
    /// session.
    ///
    /// - Parameters:
    ///   - inSpace: whether it is about something in a space, which may have a boundary.
    ///   - isRepair: whether it is an administrator who may do it whatever boundaries say.
    func applicable(
        to principal: Principal, inSpace: Bool = false, isRepair: Bool = false
    ) async throws -> [AttachedPolicy] {
        let granted = try await granted(to: principal)
        var policies = granted.policies
        if !isRepair, !granted.boundaries.isEmpty { policies += granted.boundaries }
        if inSpace, !granted.ofSpace.isEmpty { policies += granted.ofSpace }
        let isPlain = principal.session == nil && principal.scopes?.limit == nil
        return isPlain ? policies : try policies + limits(of: principal)
    }

    /// What a session's policy and a token's scopes leave of the rights. Apart from ``applicable(to:)``, in which the
    /// compiler (6.3) cannot take it.
    private func limits(of principal: Principal) throws -> [AttachedPolicy] {
        var policies: [AttachedPolicy] = []
        if let session = principal.session, session.role == nil { policies.append(lent) }
        if let text = principal.session?.policy {
            let document: PolicyDocument
            if let known = sessionPolicies[text] {
                document = known
            } else {
                document = try PolicyDocument(parsing: text, kind: .boundary)
                sessionPolicies[text] = document
            }
            policies.append((name: "session policy", document: document))
        }
        if let scopes = principal.scopes, scopes.limit != nil {
            if let known = scopePolicies[scopes.text] {
                policies.append((name: TokenScopes.name, document: known))
            } else if let boundary = try TokenScopes.boundary(scopes) {
                scopePolicies[scopes.text] = boundary.document
                policies.append(boundary)
            }
        }
        return policies
    }

    private func granted(to principal: Principal) async throws -> GrantedPolicies {
        let role = principal.session?.role?.name
        // No name is empty or has a space in it, so that only a role's key begins with one.
        let cacheKey = role.map { " " + $0 } ?? (principal.name + " " + principal.groups.joined(separator: " "))
        if let known = applicableCache[cacheKey] { return known }
        let texts = Self.subjects(of: principal).map(\.text)
        let values = texts.map { SQLValue($0) }
        let marks = Array(repeating: "?", count: texts.count).joined(separator: ", ")
        let (rows, boundaries) = try await journal.find { reader in
            let rows =
                try reader.rows(
                    """
                    SELECT DISTINCT p.name, p.document FROM policy_attachments a JOIN policies p ON p.name = a.policy
                    WHERE a.subject IN (\(marks)) ORDER BY p.name
                    """,
                    values
                ) { (name: $0.text(0), document: $0.text(1)) }
                + reader.rows(
                    "SELECT subject, name, document FROM inline_policies WHERE subject IN (\(marks)) ORDER BY subject, name",
                    values
                ) { (name: "\($0.text(1)) of \($0.text(0))", document: $0.text(2)) }
            return (rows, try Self.boundaries(of: principal, reader))
        }
        var policies: [AttachedPolicy] = []
        if principal.groups.contains(administrators) { policies.append(administrator) }
        for row in rows {
            policies.append((name: row.name, document: try PolicyDocument(parsing: Array(row.document.utf8))))
        }
        var granted = GrantedPolicies(policies: policies, boundaries: [], ofSpace: [])
        for boundary in boundaries {
            let policy = (
                name: boundary.name, document: try PolicyDocument(parsing: boundary.document, kind: .boundary)
            )
            if case .space = boundary.subject {
                granted.ofSpace.append(policy)
            } else {
                granted.boundaries.append(policy)
            }
        }
        applicableCache[cacheKey] = granted
        return granted
    }

    /// Stores a policy under a name, in place of the one that had it.
    ///
    /// - Parameter isNew: refuses (`.exists`) to replace one.
    /// - Throws: ``PolicyStoreError`` `.invalid` with what is wrong in the document.
    package func store(
        name: String, document: String, description: String = "", isNew: Bool = false, by actor: String
    ) async throws {
        try Identity.checkName(name)
        guard name != administrator.name else {
            throw PolicyStoreError(code: .reserved, message: "the policy '\(name)' is built in")
        }
        try Self.check(document)
        try await journal.write { transaction, events in
            try transaction.lock("policy \(name)")
            if isNew, try transaction.scalar("SELECT 1 FROM policies WHERE name = ?", .init(name)) != nil {
                throw PolicyStoreError(code: .exists, message: "there is a policy '\(name)' already")
            }
            try transaction.run(
                """
                INSERT INTO policies (name, document, description, created) VALUES (?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET document = excluded.document
                """,
                .init(name), .init(document), .init(String(description.prefix(1000))),
                .init(Timestamp.now.microseconds))
            events.record(.policyStored, by: actor, on: name) { $0.member("document", document) }
        }
        applicableCache.clear()
    }

    static func check(_ document: String) throws {
        do {
            _ = try PolicyDocument(parsing: Array(document.utf8))
        } catch {
            throw PolicyStoreError(code: .invalid, message: "\(error)")
        }
    }

    /// - Parameter onlyBare: refuses (`.conflict`) while it is attached to somebody.
    /// - Throws: ``PolicyStoreError`` `.conflict` for somebody's boundary, without which they could do more.
    package func delete(name: String, onlyBare: Bool = false, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.lock("policy \(name)")
            let bounded = try transaction.first("SELECT subject FROM boundaries WHERE policy = ? LIMIT 1", .init(name))
            {
                $0.text(0)
            }
            if let bounded {
                throw PolicyStoreError(
                    code: .conflict, message: "the policy '\(name)' is the boundary of '\(bounded)': remove that first")
            }
            if onlyBare,
                try transaction.scalar("SELECT 1 FROM policy_attachments WHERE policy = ? LIMIT 1", .init(name)) != nil
            {
                throw PolicyStoreError(
                    code: .conflict, message: "the policy '\(name)' is attached to somebody: detach it first")
            }
            guard try transaction.execute("DELETE FROM policies WHERE name = ?", .init(name)) > 0 else {
                throw Self.noPolicy(name)
            }
            events.record(.policyDeleted, by: actor, on: name)
        }
        applicableCache.clear()
    }

    package func attach(_ name: String, to subject: Attachment, by actor: String) async throws {
        try await journal.write { transaction, events in
            guard try transaction.scalar("SELECT 1 FROM policies WHERE name = ?", .init(name)) != nil else {
                throw Self.noPolicy(name)
            }
            try Self.check(subject, in: transaction)
            try transaction.run(
                "INSERT INTO policy_attachments (policy, subject) VALUES (?, ?) ON CONFLICT DO NOTHING", .init(name),
                .init(subject.text))
            events.record(.policyAttached, by: actor, on: name) { $0.member("to", subject.text) }
        }
        applicableCache.clear()
    }

    /// A policy for somebody who does not exist would wait for whoever takes that name next.
    static func check(_ subject: Attachment, in transaction: Reader) throws {
        let exists: Bool
        switch subject {
        case .account(let name):
            exists = try transaction.scalar("SELECT 1 FROM accounts WHERE name = ?", .init(name)) != nil
        case .group(let name):
            exists = try transaction.scalar("SELECT 1 FROM groups WHERE name = ?", .init(name)) != nil
        case .role(let name):
            exists = try transaction.scalar("SELECT 1 FROM roles WHERE name = ?", .init(name)) != nil
        case .authenticated, .everyone: exists = true
        }
        guard exists else { throw PolicyStoreError(code: .notFound, message: "there is no '\(subject.text)'") }
    }

    package func detach(_ name: String, from subject: Attachment, by actor: String) async throws {
        try await journal.write { transaction, events in
            let count = try transaction.execute(
                "DELETE FROM policy_attachments WHERE policy = ? AND subject = ?", .init(name), .init(subject.text))
            guard count > 0 else {
                throw PolicyStoreError(
                    code: .notFound, message: "the policy '\(name)' is not attached to '\(subject.text)'")
            }
            events.record(.policyDetached, by: actor, on: name) { $0.member("from", subject.text) }
        }
        applicableCache.clear()
    }

    /// Policies in the order of their names, after `name`.
    package func list(after name: String = "", limit: Int = 1000) async throws -> [StoredPolicy] {
        try await journal.read { reader in
            let names = try reader.rows(
                "SELECT name FROM policies WHERE name > ? ORDER BY name LIMIT ?", .init(name), .init(limit)
            ) { $0.text(0) }
            return try names.compactMap { try Self.policy($0, in: reader) }
        }
    }

    package func policy(_ name: String) async throws -> StoredPolicy {
        guard let found = try await journal.read({ try Self.policy(name, in: $0) }) else { throw Self.noPolicy(name) }
        return found
    }

    private static func policy(_ name: String, in reader: Reader) throws -> StoredPolicy? {
        let attachments = try reader.rows(
            "SELECT subject FROM policy_attachments WHERE policy = ? ORDER BY subject LIMIT 1000", .init(name)
        ) { Attachment($0.text(0)) }
        return try reader.first("SELECT document, created, description FROM policies WHERE name = ?", .init(name)) {
            row in
            StoredPolicy(
                name: name, document: row.text(0), description: row.text(2),
                created: Timestamp(microseconds: row.int(1)),
                attachments: attachments.compactMap { $0 })
        }
    }

    /// The names of policies that are attached to somebody, in their order, after `name`.
    package func attached(to subject: Attachment, after name: String = "", limit: Int) async throws -> [String] {
        try await journal.read { reader in
            try Self.check(subject, in: reader)
            return try reader.rows(
                "SELECT policy FROM policy_attachments WHERE subject = ? AND policy > ? ORDER BY policy LIMIT ?",
                .init(subject.text), .init(name), .init(limit)
            ) { $0.text(0) }
        }
    }

    static func noPolicy(_ name: String) -> PolicyStoreError {
        PolicyStoreError(code: .notFound, message: "there is no policy '\(name)'")
    }
}
