import Database
package import Identity
import Journal
import Wire

extension Authority {
    /// Letters that one round writes.
    private static let remindersMax = 100

    /// Writes to people whose certificates end soon and have no successor. Programs renew theirs by themselves. Where a
    /// certificate is short-lived the letter comes when a third of its life is left.
    ///
    /// - Parameter lead: how many seconds before the end at most.
    /// - Returns: whether there may be more.
    package func remind(lead: Int64, by people: People, as actor: String) async throws -> Bool {
        guard people.sendsMail else { return false }
        let now = Timestamp.now
        let count = try await journal.write { transaction, events in
            let due = try transaction.rows(
                """
                SELECT c.fingerprint, c.subject, c.expires, a.name, a.email FROM certificates c
                JOIN accounts a ON a.id = c.account
                WHERE c.expires > ? AND c.expires <= ? AND (c.expires - ?) * 3 <= c.expires - c.issued AND c.told = 0
                    AND c.revoked IS NULL AND a.kind = 'person' AND a.disabled = 0 AND a.email <> ''
                    AND NOT EXISTS (
                        SELECT 1 FROM certificates n
                        WHERE n.owner = c.owner AND n.subject = c.subject AND n.expires > c.expires
                            AND n.revoked IS NULL)
                ORDER BY c.expires LIMIT \(Self.remindersMax)
                """,
                .init(now.microseconds), .init(now.adding(seconds: lead).microseconds), .init(now.microseconds)
            ) {
                (
                    fingerprint: $0.blob(0), subject: $0.text(1), ends: Timestamp(microseconds: $0.int(2)),
                    name: $0.text(3), email: $0.text(4)
                )
            }
            for one in due {
                try transaction.run("UPDATE certificates SET told = 1 WHERE fingerprint = ?", .init(one.fingerprint))
                try people.postReminder(
                    to: one.email, of: one.name, about: "certificate", "A certificate ends on \(one.ends.day)",
                    "The certificate of '\(one.name)' for \(one.subject) ends on \(one.ends.rfc3339). Renew it before "
                        + "that: martlet ca renew\n", in: transaction, &events, by: actor)
            }
            return due.count
        }
        return count == Self.remindersMax
    }
}
