import Ciphers
import Dispatch
import Synchronization
import Wire

/// A stored password: scrypt (RFC 7914), r = 8, p = 1.
struct PasswordHash: Sendable {
    var salt: [UInt8]
    var bytes: [UInt8]
    /// scrypt's N.
    var cost: Int64
}

/// Hashes passwords on a queue of its own, two at a time: each takes 32 MiB and some 80 ms.
package final class PasswordHasher: Sendable {
    package static let defaultCost: Int64 = 1 << 15
    /// How many hashes may wait; beyond, logins are refused for a moment instead of piling up.
    private static let waitingMax = 64

    let cost: Int64
    private let waiting = Atomic<Int>(0)
    private let queue = DispatchQueue(label: "martlet.passwords", attributes: .concurrent)
    private let slots = DispatchSemaphore(value: 2)

    init(cost: Int64) { self.cost = cost }

    /// - Throws: ``IdentityError`` `.weakPassword` for fewer than 8 or more than 1,024 bytes.
    func hash(_ password: String) async throws -> PasswordHash {
        guard (8...1024).contains(password.utf8.count) else {
            throw IdentityError(.weakPassword, "a password has 8 to 1,024 bytes")
        }
        let salt = randomBytes(16)
        return PasswordHash(salt: salt, bytes: try await derive(password, salt: salt, cost: cost), cost: cost)
    }

    /// Whether `password` is the one. Takes the same time for an account without a password.
    func verify(_ password: String, _ stored: PasswordHash?) async throws -> Bool {
        let reference =
            stored
            ?? PasswordHash(salt: [UInt8](repeating: 0, count: 16), bytes: [UInt8](repeating: 0, count: 32), cost: cost)
        let derived = try await derive(String(password.prefix(1024)), salt: reference.salt, cost: reference.cost)
        return constantTimeEquals(derived, reference.bytes) && stored != nil
    }

    private func derive(_ password: String, salt: [UInt8], cost: Int64) async throws -> [UInt8] {
        guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= Self.waitingMax else {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            throw IdentityError(.rateLimited, "too many logins at once: try again in a moment")
        }
        defer { waiting.wrappingSubtract(1, ordering: .relaxed) }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { [slots] in
                slots.wait()
                defer { slots.signal() }
                continuation.resume(
                    with: Result {
                        try scrypt(password: Array(password.utf8), salt: salt, n: Int(cost), r: 8, p: 1, length: 32)
                    })
            }
        }
    }
}

/// Slows down guessing: after five failures for one name, or fifty from one address, within five minutes, further
/// attempts are refused until the oldest of them is five minutes old.
///
/// Kept in memory by each node: it bounds the rate, it is not a record. The journal has that.
final class LoginThrottle: Sendable {
    private static let window: Int64 = 300
    private static let perName = 5
    private static let perAddress = 50
    /// Names and addresses remembered at once; beyond, the window of all of them starts anew.
    private static let countMax = 100_000

    private let failures = Mutex<[String: [Int64]]>([:])

    /// - Parameters:
    ///   - name: nil where no name is given, as with passkeys.
    ///   - address: nil where it does not matter who asks.
    func check(name: String?, address: String?) throws {
        let now = Timestamp.now.seconds
        for (key, limit) in Self.keys(name, address) {
            let recent = failures.withLock { ($0[key] ?? []).filter { now - $0 < Self.window } }
            if recent.count >= limit, let first = recent.first {
                let wait = max(1, Self.window - (now - first))
                throw IdentityError(
                    .rateLimited, "too many attempts: try again in \(wait) seconds", retryAfter: wait)
            }
        }
    }

    private static func keys(_ name: String?, _ address: String?) -> [(key: String, limit: Int)] {
        (name.map { [("n:" + $0, perName)] } ?? []) + (address.map { [("a:" + $0, perAddress)] } ?? [])
    }

    func failed(name: String?, address: String?) {
        let now = Timestamp.now.seconds
        failures.withLock { failures in
            if failures.count > Self.countMax { failures = [:] }
            for (key, limit) in Self.keys(name, address) {
                failures[key] = ((failures[key] ?? []).filter { now - $0 < Self.window } + [now]).suffix(limit)
            }
        }
    }

    func succeeded(name: String) {
        failures.withLock { $0["n:" + name] = nil }
    }
}
