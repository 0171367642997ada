import Testing
import Wire

@testable import HTTPSupport

@Suite struct RateLimitTests {
    private let start = Timestamp(microseconds: 1_800_000_000_000_000)

    @Test("ten seconds' worth may come at once, then as many as the rate says")
    func burst() throws {
        let limiter = try #require(RateLimiter(perSecond: 2))
        for _ in 0..<20 { #expect(limiter.take("a", now: start) == nil) }
        #expect(limiter.take("a", now: start) == 1)
        #expect(limiter.take("b", now: start) == nil, "everybody has their own")
        let later = start.adding(seconds: 3)
        for _ in 0..<6 { #expect(limiter.take("a", now: later) == nil) }
        #expect(limiter.take("a", now: later) == 1)
        // A clock that is set back gives nothing, and takes nothing away.
        #expect(limiter.take("a", now: start) == 1)
        let muchLater = start.adding(seconds: 1000)
        for _ in 0..<20 { #expect(limiter.take("a", now: muchLater) == nil) }
        #expect(limiter.take("a", now: muchLater) != nil)
    }

    @Test("no rate is no limit, and who asks too soon is told how long to wait")
    func waiting() throws {
        #expect(RateLimiter(perSecond: 0) == nil)
        let limits = RequestLimits(perAddress: 1)
        for _ in 0..<10 { try limits.check(address: "192.0.2.1") }
        #expect(throws: TooManyRequests.self) { try limits.check(address: "192.0.2.1") }
        try limits.check(address: "192.0.2.2")
        for _ in 0..<100 { try limits.check(address: "127.0.0.1") }
        for _ in 0..<100 { try limits.check(address: "") }
    }

    @Test("the table stays small whoever asks")
    func bounded() throws {
        let limiter = try #require(RateLimiter(perSecond: 1))
        for number in 0..<250_000 { #expect(limiter.take("\(number)", now: start) == nil) }
    }

    @Test(
        "an IPv6 network is one source, and this machine is none",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2::7", "20010db800010002"),
            ("2001:db8:1:2:ffff::", "20010db800010002"), ("::1", nil), ("127.9.9.9", nil), ("::ffff:127.0.0.1", nil),
            ("", nil),
        ])
    func sources(address: String, source: String?) {
        #expect(RequestLimits.source(address) == source)
    }
}
