import Ciphers
package import Database
package import Journal
import Vault
package import Wire

extension EventKind {
    package static let mailSent = EventKind("mail.sent")
    package static let mailGivenUp = EventKind("mail.given-up")
}

/// A letter that waits to be sent.
package struct OutgoingMail: Sendable {
    package var id: String
    package var to: String
    package var subject: String
    package var text: String
    /// Where its reader says that they want no more such letters.
    package var unsubscribe: String?
    package var created: Timestamp
    package var attempts: Int64
}

/// Letters to people. They are written in the transaction of what they tell of, so that none is lost and nobody waits
/// for a mail server; a worker sends them. Since they open things, they are sealed.
extension Identity {
    /// After so long a letter that nobody takes is given up.
    private static let mailSecondsMax: Int64 = 3 * 86_400
    /// Letters that may wait: beyond, nothing that needs one is begun.
    private static let mailWaitingMax: Int64 = 10_000

    /// Puts a letter into the outbox.
    ///
    /// - Parameter unsubscribe: where a POST, without a login, ends letters of this kind (RFC 8058).
    /// - Throws: ``IdentityError`` `.rateLimited` where too many wait already.
    package func post(
        to: String, _ subject: String, _ text: String, unsubscribe: String? = nil, in transaction: Transaction
    ) throws {
        let waiting = try transaction.scalar(
            "SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT \(Self.mailWaitingMax)) found")
        guard (waiting ?? 0) < Self.mailWaitingMax else {
            throw IdentityError(.rateLimited, "too many letters wait to be sent: try again later")
        }
        var content = JSONObject()
        content["to"] = .string(to)
        content["subject"] = .string(subject)
        content["text"] = .string(text)
        if let unsubscribe { content["unsubscribe"] = .string(unsubscribe) }
        let id = Hex.encode(randomBytes(16))
        let sealed = try master.seal(JSONValue.object(content).bytes, label: Self.label(message: id))
        let now = Timestamp.now.microseconds
        try transaction.run(
            "INSERT INTO outbox (id, sealed, created, due, attempts, error) VALUES (?, ?, ?, ?, 0, '')", .init(id),
            .init(sealed), .init(now), .init(now))
    }

    static func label(message id: String) -> String { "message \(id)" }

    /// The letters that are due, oldest first.
    package func dueMail(limit: Int) async throws -> [OutgoingMail] {
        let rows = try await journal.find { reader in
            try reader.rows(
                "SELECT id, sealed, created, attempts FROM outbox WHERE due <= ? ORDER BY due LIMIT ?",
                .init(Timestamp.now.microseconds), .init(limit)
            ) { (id: $0.text(0), sealed: $0.blob(1), created: $0.int(2), attempts: $0.int(3)) }
        }
        return try rows.map { row in
            let content = try JSONValue(parsing: try master.open(row.sealed, label: Self.label(message: row.id)))
            return OutgoingMail(
                id: row.id, to: content["to"]?.string ?? "", subject: content["subject"]?.string ?? "",
                text: content["text"]?.string ?? "", unsubscribe: content["unsubscribe"]?.string,
                created: Timestamp(microseconds: row.created), attempts: row.attempts)
        }
    }

    /// A letter was taken.
    package func mailWasSent(_ mail: OutgoingMail, by actor: String) async throws {
        try await journal.write { transaction, events in
            try transaction.run("DELETE FROM outbox WHERE id = ?", .init(mail.id))
            events.record(.mailSent, by: actor, on: mail.to) { $0.member("subject", mail.subject) }
        }
    }

    /// A letter was not taken. It is tried again after a minute, and then ever more rarely, for three days.
    ///
    /// - Parameter isFinal: whether there is no hope.
    package func mailFailed(_ mail: OutgoingMail, _ reason: String, isFinal: Bool, by actor: String) async throws {
        let now = Timestamp.now
        let isOver = isFinal || mail.created.adding(seconds: Self.mailSecondsMax) < now
        let pause = min(6 * 3600, Int64(60) << min(mail.attempts, 10))
        try await journal.write { transaction, events in
            guard isOver else {
                try transaction.run(
                    "UPDATE outbox SET attempts = attempts + 1, due = ?, error = ? WHERE id = ?",
                    .init(now.adding(seconds: pause).microseconds), .init(String(reason.prefix(500))), .init(mail.id))
                return
            }
            try transaction.run("DELETE FROM outbox WHERE id = ?", .init(mail.id))
            events.record(.mailGivenUp, by: actor, on: mail.to) {
                $0.member("subject", mail.subject)
                $0.member("reason", String(reason.prefix(500)))
            }
        }
    }
}
