package import Wire

/// The unit of a time coordinate as the CF conventions have it (§4.4): `hours since 1970-01-01 00:00:00`.
package struct CFTime: Sendable {
    private let origin: Timestamp
    private let microseconds: Double

    /// Nil for what is no unit of time, and for calendars whose days are not those of the civil one (`360_day`,
    /// `noleap`) or differ from it before 1582 (`julian`).
    ///
    /// - Parameters:
    ///   - unit: the attribute `units`. Months and years have no fixed length, and are not taken.
    ///   - calendar: the attribute `calendar`; nil where there is none.
    package init?(unit: String, calendar: String?) {
        guard ["", "standard", "gregorian", "proleptic_gregorian"].contains(calendar?.lowercased() ?? "") else {
            return nil
        }
        let words = unit.split(separator: " ", maxSplits: 2)
        guard words.count == 3, words[1].lowercased() == "since", let seconds = Self.seconds[words[0].lowercased()],
            let origin = Self.moment(words[2])
        else { return nil }
        self.origin = origin
        microseconds = seconds * 1e6
    }

    /// The moment of a coordinate; nil where it is no number or beyond the years 0 to 9999.
    package func moment(_ value: Double) -> Timestamp? {
        let offset = (value * microseconds).rounded()
        guard offset.isFinite, abs(offset) < 4e17 else { return nil }
        let (sum, overflows) = origin.microseconds.addingReportingOverflow(Int64(offset))
        let moment = Timestamp(microseconds: sum)
        return overflows || !(0...9999).contains(moment.parts.year) ? nil : moment
    }

    private static let seconds: [String: Double] = [
        ("microsecond", 1e-6), ("microsec", 1e-6), ("millisecond", 1e-3), ("millisec", 1e-3), ("msec", 1e-3),
        ("second", 1), ("sec", 1), ("minute", 60), ("min", 60), ("hour", 3600), ("hr", 3600), ("day", 86_400),
        ("week", 604_800),
    ].reduce(into: ["s": 1, "h": 3600, "d": 86_400, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "nanoseconds": 1e-9]) {
        $0[$1.0] = $1.1
        $0[$1.0 + "s"] = $1.1
    }

    /// `1970-1-1`, `1970-01-01 00:00`, `1970-01-01T00:00:00.0Z`, `1970-01-01 00:00:00 UTC`.
    private static func moment(_ text: Substring) -> Timestamp? {
        var words = text.split(separator: " ")
        if let last = words.last, ["UTC", "GMT", "Z", "+00:00", "+0:00"].contains(last) { words.removeLast() }
        let parts = words.flatMap { $0.split(separator: "T") }
        guard parts.count == 1 || parts.count == 2 else { return nil }
        let date = parts[0].split(separator: "-").compactMap { Int($0) }
        guard date.count == 3 else { return nil }
        var clock: [Int] = [0, 0, 0]
        if parts.count == 2 {
            let text = parts[1].hasSuffix("Z") ? parts[1].dropLast() : parts[1]
            // A fraction of a second in an origin is always zero in practice, and is left out.
            let fields = text.split(separator: ":").map { Int($0.prefix { $0 != "." }) }
            guard (1...3).contains(fields.count) else { return nil }
            for (index, field) in fields.enumerated() {
                guard let field else { return nil }
                clock[index] = field
            }
        }
        return Timestamp(
            year: date[0], month: date[1], day: date[2], hour: clock[0], minute: clock[1], second: clock[2])
    }
}
