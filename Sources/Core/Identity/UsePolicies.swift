import Database
package import Journal
package import Wire

extension EventKind {
    package static let usePolicyPublished = EventKind("use-policy.published")
    package static let usePolicyWithdrawn = EventKind("use-policy.withdrawn")
    package static let usePolicySigned = EventKind("use-policy.signed")
}

/// What people agree to before they use the node: an acceptable-use policy, in versions.
package struct UsePolicy: Sendable {
    package static let textBytesMax = 48 << 10

    /// 1 for the first.
    package var version: Int64
    /// Plain text; a web address on a line of its own is a link.
    package var text: String
    /// After how many days a signature has to be renewed; 0 for never.
    package var renewDays: Int64
    package var created: Timestamp

    /// Whether a signature still counts.
    static func counts(signed: Int64?, renewDays: Int64, now: Timestamp) -> Bool {
        guard let signed else { return false }
        return renewDays == 0
            || now.microseconds < Timestamp(microseconds: signed).adding(seconds: renewDays * 86_400).microseconds
    }
}

extension Identity {
    /// The version that people have to have signed; nil where there is none.
    package func usePolicy() async throws -> UsePolicy? {
        try await journal.find { reader in
            try reader.first(
                "SELECT version, text, renew_days, created FROM use_policies WHERE current = 1", map: Self.usePolicy)
        }
    }

    private static func usePolicy(_ row: borrowing Row) -> UsePolicy {
        UsePolicy(
            version: row.int(0), text: row.text(1), renewDays: row.int(2), created: Timestamp(microseconds: row.int(3)))
    }

    /// Publishes a version. From now on people can do nothing until they have signed it; whoever publishes it has.
    ///
    /// - Parameter renewDays: 0 to 3,650.
    /// - Returns: its version.
    /// - Throws: ``IdentityError`` `.limit`.
    package func publishUsePolicy(_ text: String, renewDays: Int64, by actor: String) async throws -> Int64 {
        guard (1...UsePolicy.textBytesMax).contains(text.utf8.count), !text.utf8.contains(0),
            (0...3650).contains(renewDays)
        else {
            throw IdentityError(
                .limit, "a policy has 1 byte to 48 KiB of text, and is renewed after 1 to 3,650 days, or never (0)")
        }
        let version = try await journal.write { transaction, events in
            try transaction.lock("use policies")
            let version = (try transaction.scalar("SELECT max(version) FROM use_policies") ?? 0) + 1
            let now = Timestamp.now.microseconds
            try transaction.run("UPDATE use_policies SET current = 0 WHERE current = 1")
            try transaction.run(
                "INSERT INTO use_policies (version, text, renew_days, created, current) VALUES (?, ?, ?, ?, 1)",
                .init(version), .init(text), .init(renewDays), .init(now))
            events.record(.usePolicyPublished, by: actor, on: "use policy \(version)")
            if let account = try transaction.scalar("SELECT id FROM accounts WHERE name = ?", .init(actor)) {
                try Self.store(signature: version, account: account, in: transaction)
                events.record(.usePolicySigned, by: actor, on: actor) { $0.member("version", version) }
            }
            return version
        }
        principals.clear()
        return version
    }

    /// Nobody has to sign anything any more. What was signed stays on record.
    ///
    /// - Throws: ``IdentityError`` `.notFound`.
    package func withdrawUsePolicy(by actor: String) async throws {
        try await journal.write { transaction, events in
            guard try transaction.execute("UPDATE use_policies SET current = 0 WHERE current = 1") > 0 else {
                throw IdentityError(.notFound, "there is no acceptable-use policy")
            }
            events.record(.usePolicyWithdrawn, by: actor, on: "use policy")
        }
        principals.clear()
    }

    /// Signs the current version.
    ///
    /// - Parameter version: the one that was read.
    /// - Throws: ``IdentityError`` `.conflict` where it is not the current one, `.notFound`.
    package func sign(policy version: Int64, as name: String) async throws {
        try await journal.write { transaction, events in
            let account = try Self.accountID(name, in: transaction)
            let current = try transaction.scalar("SELECT version FROM use_policies WHERE current = 1")
            guard current == version else {
                throw IdentityError(.conflict, "the policy has changed: read the new version first")
            }
            try Self.store(signature: version, account: account, in: transaction)
            events.record(.usePolicySigned, by: name, on: name) { $0.member("version", version) }
        }
        principals.clear()
    }

    private static func store(signature version: Int64, account: Int64, in transaction: Transaction) throws {
        try transaction.run(
            """
            INSERT INTO use_signatures (account, version, signed) VALUES (?, ?, ?)
            ON CONFLICT (account, version) DO UPDATE SET signed = excluded.signed, told = 0
            """,
            .init(account), .init(version), .init(Timestamp.now.microseconds))
    }

    /// How many people's signatures of the current version count, and how many people could sign it.
    package func signatures() async throws -> (count: Int64, people: Int64) {
        guard let policy = try await usePolicy() else { return (0, 0) }
        let since = policy.renewDays == 0 ? 0 : Timestamp.now.adding(seconds: -policy.renewDays * 86_400).microseconds
        return try await journal.read { reader in
            let people = "FROM accounts a WHERE a.kind = 'person' AND a.disabled = 0"
            let signed = try reader.scalar(
                """
                SELECT count(*) \(people) AND EXISTS (
                    SELECT 1 FROM use_signatures s WHERE s.account = a.id AND s.version = ? AND s.signed > ?)
                """,
                .init(policy.version), .init(since))
            return (signed ?? 0, try reader.scalar("SELECT count(*) \(people)") ?? 0)
        }
    }

    /// Which version an account has signed last, and when.
    package func signature(of name: String) async throws -> (version: Int64, signed: Timestamp)? {
        try await journal.find { reader in
            try reader.first(
                "SELECT version, signed FROM use_signatures WHERE account = ? ORDER BY version DESC LIMIT 1",
                .init(try Self.accountID(name, in: reader))
            ) { ($0.int(0), Timestamp(microseconds: $0.int(1))) }
        }
    }
}
