package import Database
package import Journal
import Wire

extension EventKind {
    package static let reminderPosted = EventKind("reminder.posted")
}

/// Letters about what is coming or waits. Each is written once; the row that it is about says so.
extension People {
    /// Letters of one kind that one round writes, so that none keeps others from writing for long.
    private static let remindersMax = 100
    /// What has come since the last letter about the same waits so long for the next one.
    private static let pauseSeconds: Int64 = 3600

    /// Writes the letters that are due. Nothing is written where no letters are sent.
    ///
    /// - Parameter lead: how many seconds before something ends a letter says so.
    /// - Returns: whether there may be more.
    package func remind(lead: Int64, by actor: String) async throws -> Bool {
        guard sendsMail else { return false }
        let now = Timestamp.now
        var isFull = false
        for round in [remindOfEnds, remindOfPolicy, remindOfInvitations] {
            if try await round(now, lead, actor) == Self.remindersMax { isFull = true }
        }
        try await tellOfRequests(now, by: actor)
        try await tellOfRegistrations(now, by: actor)
        return isFull
    }

    /// A letter that reminds somebody, within the transaction that notes it.
    ///
    /// - Parameters:
    ///   - account: whose it is.
    ///   - about: what it is about, as the event tells.
    package func postReminder(
        to email: String, of account: String, about: String, _ subject: String, _ text: String,
        in transaction: Transaction, _ events: inout EventRecorder, by actor: String
    ) throws {
        try identity.post(to: email, subject, text, in: transaction)
        events.record(.reminderPosted, by: actor, on: account) { $0.member("about", about) }
    }

    private func remindOfEnds(_ now: Timestamp, _ lead: Int64, _ actor: String) async throws -> Int {
        try await journal.write { transaction, events in
            let due = try transaction.rows(
                """
                SELECT id, name, email, ends FROM accounts
                WHERE ends > ? AND ends <= ? AND disabled = 0 AND email <> '' AND (told_end IS NULL OR told_end <> ends)
                ORDER BY ends LIMIT \(Self.remindersMax)
                """,
                .init(now.microseconds), .init(now.adding(seconds: lead).microseconds)
            ) { (id: $0.int(0), name: $0.text(1), email: $0.text(2), ends: Timestamp(microseconds: $0.int(3))) }
            for one in due {
                try transaction.run(
                    "UPDATE accounts SET told_end = ? WHERE id = ?", .init(one.ends.microseconds), .init(one.id))
                try postReminder(
                    to: one.email, of: one.name, about: "account-end", "Your account ends on \(one.ends.day)",
                    "Your account '\(one.name)' on \(nodeName) ends on \(one.ends.day). From then on nothing of it opens "
                        + "anything. If you need it longer, tell the node's administrators.\n", in: transaction,
                    &events, by: actor)
            }
            return due.count
        }
    }

    private func remindOfPolicy(_ now: Timestamp, _ lead: Int64, _ actor: String) async throws -> Int {
        guard let policy = try await identity.usePolicy(), policy.renewDays > 0 else { return 0 }
        let renewal = policy.renewDays * 86_400
        return try await journal.write { transaction, events in
            let due = try transaction.rows(
                """
                SELECT a.id, a.name, a.email, s.signed FROM use_signatures s JOIN accounts a ON a.id = s.account
                WHERE s.version = ? AND s.signed <= ? AND s.signed > ? AND s.told = 0 AND a.kind = 'person'
                    AND a.disabled = 0 AND a.email <> '' ORDER BY s.signed LIMIT \(Self.remindersMax)
                """,
                .init(policy.version), .init(now.adding(seconds: min(lead, renewal / 2) - renewal).microseconds),
                .init(now.adding(seconds: -renewal).microseconds)
            ) { (id: $0.int(0), name: $0.text(1), email: $0.text(2), signed: Timestamp(microseconds: $0.int(3))) }
            for one in due {
                try transaction.run(
                    "UPDATE use_signatures SET told = 1 WHERE account = ? AND version = ?", .init(one.id),
                    .init(policy.version))
                let day = one.signed.adding(seconds: renewal).day
                try postReminder(
                    to: one.email, of: one.name, about: "use-policy", "Sign the acceptable-use policy again",
                    "What you signed on \(nodeName) as '\(one.name)' counts until \(day). Sign again before, or nothing "
                        + "of your account works until you have:\n\n\(address)/agreement\n", in: transaction, &events,
                    by: actor)
            }
            return due.count
        }
    }

    /// Whoever has invited somebody hears that the invitation ends: nobody but the invited has its address.
    private func remindOfInvitations(_ now: Timestamp, _ lead: Int64, _ actor: String) async throws -> Int {
        let lead = min(lead, Self.invitationSeconds / 3)
        return try await journal.write { transaction, events in
            let due = try transaction.rows(
                """
                SELECT hash, content, expires FROM tickets
                WHERE purpose = 'invitation' AND told = 0 AND expires > ? AND expires <= ?
                ORDER BY expires LIMIT \(Self.remindersMax)
                """,
                .init(now.microseconds), .init(now.adding(seconds: lead).microseconds)
            ) {
                (
                    hash: $0.blob(0), content: try JSONValue(parsing: $0.text(1)),
                    ends: Timestamp(microseconds: $0.int(2))
                )
            }
            for one in due {
                try transaction.run("UPDATE tickets SET told = 1 WHERE hash = ?", .init(one.hash))
                let (by, invited) = (one.content["by"]?.string ?? "", one.content["email"]?.string ?? "")
                let email = try transaction.first(
                    "SELECT email FROM accounts WHERE name = ? AND disabled = 0 AND email <> ''", .init(by)
                ) { $0.text(0) }
                guard let email else { continue }
                try postReminder(
                    to: email, of: by, about: "invitation", "An invitation ends on \(one.ends.day)",
                    "You have invited \(invited) to \(nodeName). The invitation ends on \(one.ends.day), and nobody has "
                        + "followed it yet.\n", in: transaction, &events, by: actor)
            }
            return due.count
        }
    }

    /// Writes to the managers of groups that people have asked to join.
    private func tellOfRequests(_ now: Timestamp, by actor: String) async throws {
        try await journal.write { transaction, events in
            let groups = try transaction.rows(
                """
                SELECT DISTINCT g.id, g.name FROM join_requests j JOIN groups g ON g.id = j.group_id
                WHERE j.told IS NULL AND NOT EXISTS (
                    SELECT 1 FROM join_requests t WHERE t.group_id = j.group_id AND t.told > ?)
                ORDER BY g.id LIMIT \(Self.remindersMax)
                """,
                .init(now.adding(seconds: -Self.pauseSeconds).microseconds)
            ) { (id: $0.int(0), name: $0.text(1)) }
            for group in groups {
                let count =
                    try transaction.scalar("SELECT count(*) FROM join_requests WHERE group_id = ?", .init(group.id))
                    ?? 0
                try transaction.run(
                    "UPDATE join_requests SET told = ? WHERE group_id = ? AND told IS NULL", .init(now.microseconds),
                    .init(group.id))
                let managers = try transaction.rows(
                    """
                    SELECT a.name, a.email FROM group_managers m JOIN accounts a ON a.id = m.account
                    WHERE m.group_id = ? AND a.disabled = 0 AND a.email <> '' ORDER BY a.name
                    LIMIT \(Self.remindersMax)
                    """,
                    .init(group.id)
                ) { (name: $0.text(0), email: $0.text(1)) }
                let who = count == 1 ? "Somebody asks" : "\(count) people ask"
                for manager in managers {
                    try postReminder(
                        to: manager.email, of: manager.name, about: "join-requests", "\(who) to join \(group.name)",
                        "\(who) to join the group '\(group.name)' on \(nodeName). To answer:\n\n"
                            + "\(address)/groups/\(PercentEncoding.encode(group.name))\n", in: transaction, &events,
                        by: actor)
                }
            }
        }
    }

    /// Writes to the administrators where people wait for an account.
    private func tellOfRegistrations(_ now: Timestamp, by actor: String) async throws {
        try await journal.write { transaction, events in
            let isDue = try transaction.scalar(
                """
                SELECT 1 FROM registrations WHERE confirmed = 1 AND told IS NULL AND NOT EXISTS (
                    SELECT 1 FROM registrations WHERE told > ?) LIMIT 1
                """,
                .init(now.adding(seconds: -Self.pauseSeconds).microseconds))
            guard isDue != nil else { return }
            let count = try transaction.scalar("SELECT count(*) FROM registrations WHERE confirmed = 1") ?? 0
            try transaction.run(
                "UPDATE registrations SET told = ? WHERE confirmed = 1 AND told IS NULL", .init(now.microseconds))
            let readers = try transaction.rows(
                """
                SELECT a.name, a.email FROM memberships m JOIN groups g ON g.id = m.group_id
                JOIN accounts a ON a.id = m.account
                WHERE g.name = ? AND a.disabled = 0 AND a.email <> '' ORDER BY a.name LIMIT \(Self.remindersMax)
                """,
                .init(administrators)
            ) { (name: $0.text(0), email: $0.text(1)) }
            let who = count == 1 ? "Somebody waits" : "\(count) people wait"
            for reader in readers {
                try postReminder(
                    to: reader.email, of: reader.name, about: "registrations", "\(who) for an account",
                    "\(who) for an account on \(nodeName). To look at it:\n\n\(address)/registrations\n",
                    in: transaction, &events, by: actor)
            }
        }
    }
}
