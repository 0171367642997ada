import Ciphers
import Database
package import Identity
package import Journal
import Synchronization
import Wire

extension EventKind {
    package static let deviceApproved = EventKind("device.approved")
    package static let deviceRefused = EventKind("device.refused")
}

/// A device that waits for somebody to let it in (RFC 8628).
package struct DeviceRequest: Sendable {
    package var userCode: String
    package var client: Client
    package var scopes: Scopes
}

extension OpenIDProvider {
    private static let deviceSeconds: Int64 = 600
    /// A device asks so often at most.
    package static let deviceInterval: Int64 = 5
    /// Letters that are not confused and make no words.
    private static let letters = Array("BCDFGHJKLMNPQRSTVWXZ")

    /// Begins a device's login.
    package func beginDevice(
        client: Client, scope: String?, audiences: [String], keyThumbprint: String?, issuer: String
    ) async throws -> (deviceCode: String, userCode: String, expiresIn: Int64) {
        guard client.grants.contains(.device) else {
            throw OAuthError(.unauthorizedClient, "the client is not registered for the device grant")
        }
        var content = GrantContent(scopes: try granted(scope, to: client))
        content.audiences = try self.audiences(audiences, of: client)
        content.keyThumbprint = keyThumbprint
        content.issuer = issuer == tokens.issuer ? nil : issuer
        let document = content.text
        let deviceCode = Self.randomText()
        // 240 is a multiple of 20: bytes above are drawn again, so that all letters are equally likely.
        var random: [UInt8] = []
        while random.count < 8 { random += randomBytes(8).filter { $0 < 240 } }
        let letters = random.prefix(8).map { Self.letters[Int($0) % Self.letters.count] }
        let userCode = String(letters.prefix(4)) + "-" + String(letters.suffix(4))
        let now = Timestamp.now
        try await journal.write { transaction, _ in
            try transaction.run("DELETE FROM oauth_devices WHERE expires < ?", .init(now.microseconds))
            try transaction.run(
                """
                INSERT INTO oauth_devices (hash, user_code, client, document, state, expires)
                VALUES (?, ?, ?, ?, 'waiting', ?)
                """,
                .init(Self.hash(deviceCode)), .init(userCode), .init(client.id), .init(document),
                .init(now.adding(seconds: Self.deviceSeconds).microseconds))
        }
        return (deviceCode, userCode, Self.deviceSeconds)
    }

    /// The device that waits with a code that somebody has typed.
    ///
    /// - Throws: `IdentityError` `.notFound`, or `.rateLimited` for who has typed too many that are none.
    package func device(userCode: String, by principal: Principal, address: String) async throws -> DeviceRequest {
        let typed = userCode.uppercased().filter { Self.letters.contains($0) }
        let code = String(typed.prefix(4)) + "-" + String(typed.dropFirst(4))
        let names = [principal.name, "address " + address]
        try wrongCodes.begin(names)
        let now = Timestamp.now.microseconds
        let found = try await journal.find { reader in
            try reader.first(
                "SELECT client, document FROM oauth_devices WHERE user_code = ? AND state = 'waiting' AND expires > ?",
                .init(code), .init(now)
            ) { (client: $0.text(0), document: $0.text(1)) }
        }
        guard let found else {
            throw IdentityError(.notFound, "no device waits with the code '\(code.prefix(20))', or it waited too long")
        }
        wrongCodes.forgive(names)
        return DeviceRequest(
            userCode: code, client: try await client(found.client),
            scopes: try GrantContent(parsing: found.document).scopes)
    }

    /// Lets a device in, or not.
    package func answer(
        _ device: DeviceRequest, isApproved: Bool, by principal: Principal
    ) async throws {
        guard let account = principal.accountID else { throw IdentityError.noAccountToAgree }
        let authentication = principal.authentication
        let count = try await journal.write { transaction, events in
            try transaction.lock("device \(device.userCode)")
            let document = try transaction.first(
                "SELECT document FROM oauth_devices WHERE user_code = ? AND state = 'waiting'", .init(device.userCode)
            ) { $0.text(0) }
            guard let document else { return 0 }
            var content = try GrantContent(parsing: document)
            content.authentication = authentication
            // A session of a browser is not the device's.
            content.authentication?.sessionID = nil
            events.record(isApproved ? .deviceApproved : .deviceRefused, by: principal.name, on: device.client.id) {
                $0.member("scope", content.scopes.text)
            }
            return try transaction.execute(
                "UPDATE oauth_devices SET state = ?, account = ?, document = ? WHERE user_code = ?",
                .init(isApproved ? "approved" : "refused"), .init(account), .init(content.text),
                .init(device.userCode))
        }
        guard count > 0 else { throw IdentityError(.notFound, "the device does not wait any more") }
    }

    /// What a device code stands for, once it was let in.
    ///
    /// - Throws: ``OAuthError`` `.authorizationPending`, `.slowDown`, `.accessDenied`, `.expiredToken`.
    func redeem(deviceCode: String, client: Client) async throws -> (account: Int64, content: GrantContent) {
        let hash = Self.hash(deviceCode)
        // A device that asks too often is told so; what it asked counts only then.
        let isTooSoon = !polls.note(Hex.encode(hash), seconds: Self.deviceInterval - 1)
        let row = try await journal.find { reader in
            try reader.first(
                "SELECT client, document, state, account, expires FROM oauth_devices WHERE hash = ?", .init(hash)
            ) { row in
                (
                    client: row.text(0), document: row.text(1), state: row.text(2), account: row.intOrNil(3),
                    expires: row.int(4)
                )
            }
        }
        guard let row, row.client == client.id else {
            throw OAuthError(.expiredToken, "the device code is unknown, was used already, or has expired")
        }
        guard row.expires > Timestamp.now.microseconds else {
            throw OAuthError(.expiredToken, "nobody has let the device in while its code counted")
        }
        switch row.state {
        case "approved": break
        case "refused": throw OAuthError(.accessDenied, "the device was refused")
        default:
            guard !isTooSoon else { throw OAuthError(.slowDown, "ask every \(Self.deviceInterval + 5) seconds") }
            throw OAuthError(.authorizationPending, "nobody has let the device in yet")
        }
        let count = try await journal.write { transaction, _ in
            try transaction.execute("DELETE FROM oauth_devices WHERE hash = ?", .init(hash))
        }
        guard count > 0, let account = row.account else {
            throw OAuthError(.expiredToken, "the device code was used already")
        }
        return (account, try GrantContent(parsing: row.document))
    }
}

/// Wrong codes that somebody has typed within ten minutes. Kept in memory by each node: it bounds the rate.
final class WrongCodes: Sendable {
    private static let window: Int64 = 600
    /// For one account, and for one address. A code has 34 bits.
    private static let limit = 10
    private static let countMax = 100_000
    private let times = Mutex<[String: [Int64]]>([:])

    /// Counts an attempt, before it is known whether the code is wrong: many at once are no way round the limit.
    func begin(_ names: [String]) throws {
        let now = Timestamp.now.seconds
        try times.withLock { times in
            if times.count > Self.countMax { times = [:] }
            for name in names {
                let recent = (times[name] ?? []).filter { now - $0 < Self.window }
                times[name] = recent.isEmpty ? nil : recent
                if recent.count >= Self.limit, let first = recent.first {
                    let wait = max(1, Self.window - (now - first))
                    throw IdentityError(
                        .rateLimited, "too many codes were wrong: try again in \(wait) seconds", retryAfter: wait)
                }
            }
            for name in names { times[name, default: []].append(now) }
        }
    }

    /// Takes an attempt back whose code was right.
    func forgive(_ names: [String]) {
        times.withLock { times in for name in names { _ = times[name]?.popLast() } }
    }
}
