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

/// The policies that the node keeps, and to whom they apply.
package final class Policies: Sendable {
    private let journal: Journal
    private let applicableCache = RecentReads<[AttachedPolicy]>()

    /// What members of `administrators` have; it is not in the database, so nobody can lock everybody out.
    private let administrator: AttachedPolicy

    package init(journal: Journal) throws {
        self.journal = journal
        administrator = (
            name: "administrator",
            document: try PolicyDocument(
                parsing: Array(
                    #"{"Version":"2012-10-17","Statement":[{"Sid":"Everything","Effect":"Allow","Action":"*","Resource":"*"}]}"#
                        .utf8))
        )
    }

    /// Policies that apply to a principal: its own, its groups', and those for everybody.
    func applicable(to principal: Principal) async throws -> [AttachedPolicy] {
        let cacheKey = principal.accountID.map { "\($0) \(principal.groups.joined(separator: " "))" } ?? "anonymous"
        if let known = applicableCache[cacheKey] { return known }
        var subjects: [Attachment] = [.everyone]
        if !principal.isAnonymous {
            subjects += [.authenticated, .account(principal.name)] + principal.groups.map { .group($0) }
        }
        let texts = subjects.map { SQLValue($0.text) }
        let marks = Array(repeating: "?", count: texts.count).joined(separator: ", ")
        let rows = try await journal.find { reader in
            try reader.rows(
                """
                SELECT DISTINCT p.name, p.document FROM policy_attachments a JOIN policies p ON p.name = a.policy
                WHERE a.subject IN (\(marks)) ORDER BY p.name
                """,
                texts
            ) { (name: $0.text(0), document: $0.text(1)) }
        }
        var policies: [AttachedPolicy] = []
        if principal.groups.contains(administrators) { policies.append(administrator) }
        for row in rows {
            policies.append((name: row.name, document: try PolicyDocument(parsing: Array(row.document.utf8))))
        }
        applicableCache[cacheKey] = policies
        return policies
    }

    /// Stores a policy under a name, in place of the one that had it.
    ///
    /// - Throws: ``PolicyStoreError`` `.invalid` with what is wrong in the document.
    package func store(name: String, document: String, by actor: String) async throws {
        try Identity.checkName(name)
        guard name != administrator.name else {
            throw PolicyStoreError(code: .reserved, message: "the policy '\(name)' is built in")
        }
        do {
            _ = try PolicyDocument(parsing: Array(document.utf8))
        } catch {
            throw PolicyStoreError(code: .invalid, message: "\(error)")
        }
        try await journal.write { transaction, events in
            try transaction.run(
                """
                INSERT INTO policies (name, document, created) VALUES (?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET document = excluded.document
                """,
                .init(name), .init(document), .init(Timestamp.now.microseconds))
            events.record(.policyStored, by: actor, on: name) { $0.member("document", document) }
        }
        applicableCache.clear()
    }

    package func delete(name: String, by actor: String) async throws {
        try await journal.write { transaction, events in
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
    private static func check(_ subject: Attachment, in transaction: Transaction) throws {
        let exists: Bool
        switch subject {
        case .account(let name):
            exists = try transaction.scalar("SELECT 1 FROM accounts WHERE name = ?", .init(name)) != nil
        case .group(let name):
            exists = try transaction.scalar("SELECT 1 FROM groups WHERE name = ?", .init(name)) != nil
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
        return try reader.first("SELECT document, created FROM policies WHERE name = ?", .init(name)) { row in
            StoredPolicy(
                name: name, document: row.text(0), created: Timestamp(microseconds: row.int(1)),
                attachments: attachments.compactMap { $0 })
        }
    }

    private static func noPolicy(_ name: String) -> PolicyStoreError {
        PolicyStoreError(code: .notFound, message: "there is no policy '\(name)'")
    }
}
