import Glibc
package import Identity
import Synchronization
package import Wire

/// Lets so many requests a second through for each key; what is not used is saved up for ten seconds (a token bucket).
/// Kept in memory by each node.
package final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var filled: Int64
    }

    /// Seconds' worth of requests that may come at once.
    private static let burstSeconds = 10.0
    /// Keys remembered at once. Beyond, those that have saved up everything are forgotten, and then all.
    private static let countMax = 100_000

    private let perSecond: Double
    private let buckets = Mutex<(buckets: [String: Bucket], pruned: Int64)>(([:], 0))

    /// Nil for no limit.
    package init?(perSecond: Int64) {
        guard perSecond > 0 else { return nil }
        self.perSecond = Double(perSecond)
    }

    /// Counts one request.
    ///
    /// - Returns: nil where it is let through, otherwise in how many seconds, at least 1, another one will be.
    package func take(_ key: String, now: Timestamp = .now) -> Int64? {
        let time = now.microseconds
        let most = perSecond * Self.burstSeconds
        return buckets.withLock { state in
            var bucket = state.buckets[key] ?? Bucket(tokens: most, filled: time)
            // A clock that was set back gives nothing.
            bucket.tokens = min(most, bucket.tokens + Double(max(0, time - bucket.filled)) / 1e6 * perSecond)
            bucket.filled = time
            let isThrough = bucket.tokens >= 1
            if isThrough { bucket.tokens -= 1 }
            if state.buckets.count >= Self.countMax, state.buckets[key] == nil { prune(&state, time) }
            state.buckets[key] = bucket
            return isThrough ? nil : max(1, Int64(((1 - bucket.tokens) / perSecond).rounded(.up)))
        }
    }

    private func prune(_ state: inout (buckets: [String: Bucket], pruned: Int64), _ time: Int64) {
        // Looking through all of them takes milliseconds, so that is done once a second at most.
        if time - state.pruned >= 1_000_000 {
            state.pruned = time
            let full = Int64(Self.burstSeconds * 1e6)
            state.buckets = state.buckets.filter { time - $0.value.filled < full }
        }
        if state.buckets.count >= Self.countMax { state.buckets = [:] }
    }
}

/// How many requests one source address and one principal may make.
package struct RequestLimits: Sendable {
    private let perAddress: RateLimiter?
    private let perPrincipal: RateLimiter?

    /// - Parameters: perAddress, perPrincipal: requests a second, 0 for no limit.
    package init(perAddress: Int64 = 0, perPrincipal: Int64 = 0) {
        self.perAddress = RateLimiter(perSecond: perAddress)
        self.perPrincipal = RateLimiter(perSecond: perPrincipal)
    }

    /// - Throws: ``TooManyRequests``.
    package func check(address: String) throws {
        guard let perAddress, let source = Self.source(address) else { return }
        if let wait = perAddress.take(source) { throw TooManyRequests(whose: "your address", retryAfter: wait) }
    }

    /// - Throws: ``TooManyRequests``.
    package func check(_ principal: Principal) throws {
        guard let perPrincipal, !principal.isAnonymous else { return }
        if let wait = perPrincipal.take(principal.name) {
            throw TooManyRequests(whose: "'\(principal.name)'", retryAfter: wait)
        }
    }

    /// What counts as one source: an IPv4 address, or the 64 bits of an IPv6 address that name a network. Nil for this
    /// machine itself.
    static func source(_ address: String) -> String? {
        guard !address.isEmpty, !ConnectionInfo.isLoopback(address) else { return nil }
        var six = in6_addr()
        guard address.contains(":"), inet_pton(AF_INET6, address, &six) == 1 else { return address }
        let isMapped = address.lowercased().hasPrefix("::ffff:") && address.contains(".")
        return isMapped
            ? String(address.dropFirst("::ffff:".count)) : withUnsafeBytes(of: six) { Hex.encode($0.prefix(8)) }
    }
}

/// Somebody makes more requests than they may.
package struct TooManyRequests: Error, Sendable, CustomStringConvertible {
    package var whose: String
    /// Seconds.
    package var retryAfter: Int64

    package var description: String {
        "\(whose) makes more requests than this node takes: try again in \(retryAfter) second\(retryAfter == 1 ? "" : "s")"
    }
}
