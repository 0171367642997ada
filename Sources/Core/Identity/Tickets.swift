import Ciphers
import Database
import Wire

/// What a ticket opens.
enum TicketPurpose: String, Sendable {
    /// A login that goes on with its next step.
    case login
    /// A challenge that was answered: it is not taken again.
    case answered
    /// A new password for who has forgotten theirs.
    case reset
    /// An e-mail address that its owner has to confirm.
    case email
    /// A registration whose e-mail address has to be confirmed.
    case registration
    case invitation
}

/// Tickets: secrets that open one thing once, until they expire. Only their hashes are kept.
extension Identity {
    /// Writes a ticket and returns its secret.
    ///
    /// - Parameter content: what whoever takes it has to know again.
    static func issueTicket(
        _ purpose: TicketPurpose, account: Int64?, content: JSONObject = JSONObject(), seconds: Int64,
        in transaction: Transaction
    ) throws -> String {
        let secret = randomBytes(24)
        let now = Timestamp.now
        try transaction.run("DELETE FROM tickets WHERE expires < ?", .init(now.microseconds))
        try transaction.run(
            "INSERT INTO tickets (hash, purpose, account, content, expires) VALUES (?, ?, ?, ?, ?)",
            .init(hash(ticket: secret)), .init(purpose.rawValue), .init(account), .init(JSONValue.object(content).text),
            .init(now.adding(seconds: seconds).microseconds))
        return Base64.encodeURL(secret)
    }

    /// What a ticket opens, without using it up.
    ///
    /// - Throws: ``IdentityError`` `.expired`, also for a ticket that was never given out.
    static func ticket(
        _ secret: String, _ purpose: TicketPurpose, in reader: Reader
    ) throws -> (account: Int64?, content: JSONValue) {
        let hash = Base64.decode(secret.prefix(64)).map(hash(ticket:)) ?? []
        let found = try reader.first(
            "SELECT account, content FROM tickets WHERE hash = ? AND purpose = ? AND expires > ?", .init(hash),
            .init(purpose.rawValue), .init(Timestamp.now.microseconds)
        ) { (account: $0.intOrNil(0), content: try JSONValue(parsing: $0.text(1))) }
        guard let found else { throw expiredTicket }
        return found
    }

    /// Uses a ticket up.
    ///
    /// - Throws: ``IdentityError`` `.expired` where it is none, or somebody was quicker.
    static func redeem(
        _ secret: String, _ purpose: TicketPurpose, in transaction: Transaction
    ) throws -> (account: Int64?, content: JSONValue) {
        let found = try ticket(secret, purpose, in: transaction)
        let hash = Base64.decode(secret.prefix(64)).map(hash(ticket:)) ?? []
        guard try transaction.execute("DELETE FROM tickets WHERE hash = ?", .init(hash)) == 1 else {
            throw expiredTicket
        }
        return found
    }

    static let expiredTicket = IdentityError(.expired, "this was used already or has expired: begin again")

    private static func hash(ticket: [UInt8]) -> [UInt8] {
        DigestAlgorithm.sha256.hash(Array("ticket ".utf8) + ticket)
    }

    // MARK: Challenges

    /// How long an authenticator may take.
    static let challengeSeconds: Int64 = 600

    /// A challenge for an authenticator. It is its own record, sealed with its time, so that nobody fills a table by
    /// asking for challenges; the one that was answered is remembered.
    ///
    /// - Parameter account: whose it is; nil before a login.
    package func challenge(account: Int64?) async throws -> [UInt8] {
        let content = "\(Timestamp.now.adding(seconds: Self.challengeSeconds).microseconds) \(account ?? 0)"
        return try await openSessionKey().seal(Array(content.utf8), authenticating: Self.challengeLabel)
    }

    /// Checks that a challenge is one of ours and not too old.
    ///
    /// - Throws: ``IdentityError`` `.expired`.
    func checkChallenge(_ challenge: [UInt8], account: Int64?) async throws {
        let key = try await openSessionKey()
        guard let plain = try? key.open(challenge, authenticating: Self.challengeLabel),
            let text = String(validating: plain, as: UTF8.self), case let parts = text.split(separator: " "),
            parts.count == 2, let expires = Int64(parts[0]), let owner = Int64(parts[1]), owner == account ?? 0,
            Timestamp.now.microseconds < expires
        else { throw Self.expiredTicket }
    }

    /// Notes that a challenge was answered.
    ///
    /// - Throws: ``IdentityError`` `.expired` where it was answered before.
    static func useChallenge(_ challenge: [UInt8], in transaction: Transaction) throws {
        let now = Timestamp.now
        let count = try transaction.execute(
            "INSERT INTO tickets (hash, purpose, content, expires) VALUES (?, ?, '{}', ?) ON CONFLICT DO NOTHING",
            .init(hash(ticket: challenge)), .init(TicketPurpose.answered.rawValue),
            .init(now.adding(seconds: challengeSeconds * 2).microseconds))
        guard count == 1 else { throw expiredTicket }
    }

    private static var challengeLabel: [UInt8] { Array("challenge".utf8) }
}
