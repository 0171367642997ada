import Database
import Identity
package import Journal
import Wire

extension EventKind {
    package static let inlinePolicyStored = EventKind("policy.inline-stored")
    package static let inlinePolicyDeleted = EventKind("policy.inline-deleted")
}

/// Policies that belong to one account, group or role alone, and go with it.
extension Policies {
    /// Inline policies that somebody may have.
    private static let inlineMax = 100

    /// Stores an inline policy, in place of the one of that name.
    ///
    /// - Throws: ``PolicyStoreError`` `.invalid`, `.notFound` for a subject that does not exist, `.limit`.
    package func storeInline(_ name: String, document: String, of subject: Attachment, by actor: String) async throws {
        try Identity.checkName(name)
        try Self.check(document)
        try await journal.write { transaction, events in
            try transaction.lock("inline policies of \(subject.text)")
            try Self.check(subject, in: transaction)
            let others = try transaction.scalar(
                "SELECT count(*) FROM inline_policies WHERE subject = ? AND name <> ?", .init(subject.text), .init(name)
            )
            guard others ?? 0 < Self.inlineMax else {
                throw PolicyStoreError(
                    code: .limit, message: "'\(subject.text)' has \(Self.inlineMax) inline policies already")
            }
            try transaction.run(
                """
                INSERT INTO inline_policies (subject, name, document, created) VALUES (?, ?, ?, ?)
                ON CONFLICT (subject, name) DO UPDATE SET document = excluded.document
                """,
                .init(subject.text), .init(name), .init(document), .init(Timestamp.now.microseconds))
            events.record(.inlinePolicyStored, by: actor, on: subject.text) {
                $0.member("policy", name)
                $0.member("document", document)
            }
        }
        applicableCache.clear()
    }

    package func inline(_ name: String, of subject: Attachment) async throws -> String {
        let document = try await journal.find { reader in
            try Self.check(subject, in: reader)
            return try reader.first(
                "SELECT document FROM inline_policies WHERE subject = ? AND name = ?", .init(subject.text), .init(name)
            ) { $0.text(0) }
        }
        guard let document else { throw Self.noInline(name, of: subject) }
        return document
    }

    /// The names of somebody's inline policies, in their order, after `name`.
    package func inlineNames(of subject: Attachment, after name: String = "", limit: Int) async throws -> [String] {
        try await journal.read { reader in
            try Self.check(subject, in: reader)
            return try reader.rows(
                "SELECT name FROM inline_policies WHERE subject = ? AND name > ? ORDER BY name LIMIT ?",
                .init(subject.text), .init(name), .init(limit)
            ) { $0.text(0) }
        }
    }

    package func deleteInline(_ name: String, of subject: Attachment, by actor: String) async throws {
        try await journal.write { transaction, events in
            let count = try transaction.execute(
                "DELETE FROM inline_policies WHERE subject = ? AND name = ?", .init(subject.text), .init(name))
            guard count > 0 else { throw Self.noInline(name, of: subject) }
            events.record(.inlinePolicyDeleted, by: actor, on: subject.text) { $0.member("policy", name) }
        }
        applicableCache.clear()
    }

    /// Whether somebody has policies of their own, inline or attached.
    package func hasPolicies(_ subject: Attachment) async throws -> Bool {
        let inline = try await inlineNames(of: subject, limit: 1)
        let attached = try await attached(to: subject, limit: 1)
        return !inline.isEmpty || !attached.isEmpty
    }

    /// Takes all policies from somebody who is about to be removed, so that nobody who takes the name gets them.
    package func forget(_ subject: Attachment, by actor: String) async throws {
        try await journal.write { transaction, events in
            for name in try transaction.rows(
                "SELECT policy FROM policy_attachments WHERE subject = ?", .init(subject.text), map: { $0.text(0) })
            {
                events.record(.policyDetached, by: actor, on: name) { $0.member("from", subject.text) }
            }
            for name in try transaction.rows(
                "SELECT name FROM inline_policies WHERE subject = ?", .init(subject.text), map: { $0.text(0) })
            {
                events.record(.inlinePolicyDeleted, by: actor, on: subject.text) { $0.member("policy", name) }
            }
            try transaction.run("DELETE FROM policy_attachments WHERE subject = ?", .init(subject.text))
            try transaction.run("DELETE FROM inline_policies WHERE subject = ?", .init(subject.text))
            if let bounded = Bounded(subject.text) {
                try Self.removeBoundary(of: bounded, by: actor, transaction, &events)
            }
        }
        applicableCache.clear()
    }

    private static func noInline(_ name: String, of subject: Attachment) -> PolicyStoreError {
        PolicyStoreError(code: .notFound, message: "'\(subject.text)' has no inline policy '\(name.prefix(80))'")
    }
}
