import Database
package import Journal
import Wire

extension EventKind {
    package static let accountInvited = EventKind("account.invited")
}

extension People {
    /// For how long an invitation counts: a week.
    static let invitationSeconds: Int64 = 7 * 86_400
    private static let groupsMax = 20

    /// Invites somebody to make their own account. Who may was decided before.
    ///
    /// - Parameter groups: that the account will be a member of.
    /// - Returns: the address to follow, to hand over where no letters are sent.
    /// - Throws: ``IdentityError`` `.invalidName`, `.notFound` for a group, `.exists` for an address that an account
    ///   has, `.limit`.
    package func invite(email: String, groups: [String], by actor: String) async throws -> String {
        guard !email.isEmpty else { throw IdentityError(.invalidName, "an e-mail address is needed") }
        try Identity.checkEmail(email)
        guard groups.count <= Self.groupsMax else {
            throw IdentityError(.limit, "an invitation leads into \(Self.groupsMax) groups at most")
        }
        let ticket = try await journal.write { transaction, events in
            try Identity.checkUnused(email: email, account: 0, in: transaction)
            for group in groups { _ = try Identity.groupID(group, in: transaction) }
            var content = JSONObject()
            content["email"] = .string(email)
            content["groups"] = .array(groups.map { .string($0) })
            content["by"] = .string(actor)
            let ticket = try Identity.issueTicket(
                .invitation, account: nil, content: content, seconds: Self.invitationSeconds, in: transaction)
            if sendsMail {
                try identity.post(
                    to: email, "You are invited",
                    "'\(actor)' invites you to \(nodeName). To make your account, open within a week:\n\n"
                        + "\(address)/invitation/\(ticket)\n", in: transaction)
            }
            events.record(.accountInvited, by: actor, on: email) { $0.member("groups", groups) }
            return ticket
        }
        return "\(address)/invitation/\(ticket)"
    }

    /// To whom an invitation went.
    ///
    /// - Throws: ``IdentityError`` `.expired`.
    package func invitation(_ ticket: String) async throws -> (email: String, by: String) {
        let content = try await journal.find { try Identity.ticket(ticket, .invitation, in: $0) }.content
        return (content["email"]?.string ?? "", content["by"]?.string ?? "")
    }

    /// Makes the account of whoever was invited. Groups that are gone by now are left out.
    ///
    /// - Throws: ``IdentityError`` `.expired`, `.invalidName`, `.weakPassword`, `.exists`; the invitation counts on
    ///   after all but the first.
    package func acceptInvitation(
        _ ticket: String, name: String, displayName: String, password: String
    ) async throws {
        let invited = try await invitation(ticket)
        try Identity.checkName(name)
        var account = Identity.NewAccount(
            name: name, displayName: Identity.cleaned(displayName), email: invited.email)
        account.password = try await identity.hasher.hash(password)
        try await journal.write { [account] transaction, events in
            let id = try Identity.insert(account, in: transaction, &events, by: invited.by)
            let content = try Identity.redeem(ticket, .invitation, in: transaction).content
            for group in content["groups"]?.array?.compactMap(\.string) ?? [] {
                guard let found = try transaction.scalar("SELECT id FROM groups WHERE name = ?", .init(group)) else {
                    continue
                }
                try transaction.run(
                    "INSERT INTO memberships (group_id, account) VALUES (?, ?)", .init(found), .init(id))
                try Identity.touch(group: found, in: transaction)
                events.record(.memberAdded, by: invited.by, on: group) { $0.member("account", name) }
            }
        }
    }
}
