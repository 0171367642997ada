import FoundationEssentials
import Wire

/// From when to when a certificate is valid (RFC 5280 §4.1.2.5), in whole seconds.
struct Validity {
    let from: Timestamp
    let until: Timestamp

    /// An hour ago, so that a machine whose clock is behind accepts a new certificate.
    static let backdating: Int64 = 3600
    static let day: Int64 = 86400
    /// About ten years: longer than any key should serve.
    static let daysMax = 3653

    /// From an hour before `now` to `days` after it, inside `outer` where there is one: what outlives its issuer is not
    /// valid any more anyway, and some clients refuse it from the start.
    init(now: Timestamp, days: Int, inside outer: Validity? = nil) throws(CertificatesError) {
        guard (1...Self.daysMax).contains(days) else {
            throw CertificatesError(
                .invalidParameter, "a certificate is valid for 1 to \(Self.daysMax) days, not \(days)")
        }
        // The forms of time in a certificate end with the year 9999; a machine's clock is wrong long before.
        let year = now.parts.year
        guard (1971...9900).contains(year) else {
            throw CertificatesError(.invalidParameter, "the clock says year \(year); a certificate needs 1971 to 9900")
        }
        var from = now.seconds - Self.backdating
        var until = now.seconds + Int64(days) * Self.day
        if let outer {
            guard now.seconds < outer.until.seconds else {
                throw CertificatesError(.expired, "the authority's certificate expired at \(outer.until.rfc3339)")
            }
            from = max(from, outer.from.seconds)
            until = min(until, outer.until.seconds)
        }
        self.from = Timestamp(seconds: from)
        self.until = Timestamp(seconds: until)
    }

    /// From an hour before `now` to `seconds` after it, inside `outer`.
    init(now: Timestamp, seconds: Int64, inside outer: Validity) throws(CertificatesError) {
        let longest = try Validity(now: now, days: Self.daysMax, inside: outer)
        guard (1...Int64(Self.daysMax) * Self.day).contains(seconds) else {
            throw CertificatesError(.invalidParameter, "a certificate is not valid for \(seconds) seconds")
        }
        from = longest.from
        until = min(longest.until, Timestamp(seconds: now.seconds + seconds))
    }

    init(from: Timestamp, until: Timestamp) {
        self.from = from
        self.until = until
    }

    /// Of a certificate that was read; its times have whole seconds of the years 0 to 9999.
    init(from: Date, until: Date) {
        self.from = Timestamp(seconds: Int64(from.timeIntervalSince1970))
        self.until = Timestamp(seconds: Int64(until.timeIntervalSince1970))
    }

    var fromDate: Date { Date(timeIntervalSince1970: Double(from.seconds)) }
    var untilDate: Date { Date(timeIntervalSince1970: Double(until.seconds)) }
}
