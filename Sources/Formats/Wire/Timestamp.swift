import Glibc

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z, with the text forms that protocols use.
///
/// Years 0000 to 9999. Written by hand: `ISO8601DateFormatter` parses 10,000 dates a second, this two million.
package struct Timestamp: Sendable, Hashable, Comparable, Codable {
    package var microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }
    package init(seconds: Int64) { microseconds = seconds &* 1_000_000 }

    /// The clock of this machine.
    package static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    /// Whole seconds since 1970, rounded down.
    package var seconds: Int64 { microseconds / 1_000_000 - (microseconds % 1_000_000 < 0 ? 1 : 0) }

    /// The microseconds since the last whole second, 0 to 999999.
    private var fraction: Int { Int((microseconds % 1_000_000 + 1_000_000) % 1_000_000) }

    /// The first moment of year 0 and the last second of year 9999, in seconds.
    private static let range: ClosedRange<Int64> = -62_167_219_200...253_402_300_799

    package static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

    /// The moment so many seconds later; at the ends of what 64 bits hold, their end.
    package func adding(seconds: Int64) -> Timestamp {
        let (product, isTooLarge) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, isOutside) = microseconds.addingReportingOverflow(product)
        return Timestamp(microseconds: isTooLarge || isOutside ? (seconds < 0 ? .min : .max) : sum)
    }

    // MARK: Calendar

    /// Year, month, day, hour, minute, second and day of the week (0 is Sunday), in UTC. A moment outside the years 0
    /// to 9999 counts as the nearer end, so that every text form has four digits for the year.
    package var parts: (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, weekday: Int) {
        let s = min(max(seconds, Self.range.lowerBound), Self.range.upperBound)
        var days = s / 86400
        var rest = s % 86400
        if rest < 0 {
            rest += 86400
            days -= 1
        }
        // Days to civil date: eras of 400 years that begin on 1 March.
        let z = days + 719_468
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shifted + 2) / 5 + 1
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let weekday = ((days + 4) % 7 + 7) % 7
        return (Int(year), Int(month), Int(day), Int(rest / 3600), Int(rest / 60 % 60), Int(rest % 60), Int(weekday))
    }

    /// The moment of a date and time in UTC. Nil where a part is out of its range.
    package init?(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, micro: Int = 0) {
        guard (0...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let lengths = [
            31, year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31,
        ]
        guard day <= lengths[month - 1] else { return nil }
        let y = Int64(month <= 2 ? year - 1 : year)
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        microseconds = (days * 86400 + Int64(hour * 3600 + minute * 60 + second)) * 1_000_000 + Int64(micro)
    }

    // MARK: RFC 3339

    /// `2027-03-31`, in UTC.
    package var day: String { String(rfc3339.prefix(10)) }

    /// `2026-11-21T03:56:00Z`, with milliseconds or microseconds where there are any.
    package var rfc3339: String {
        let p = parts
        var out = Digits(capacity: 28)
        out.date(p.year, p.month, p.day, separator: UInt8(ascii: "-"))
        out.add(UInt8(ascii: "T"))
        out.time(p.hour, p.minute, p.second, separator: UInt8(ascii: ":"))
        let micro = fraction
        if micro != 0 {
            out.add(UInt8(ascii: "."))
            if micro % 1000 == 0 { out.number(micro / 1000, width: 3) } else { out.number(micro, width: 6) }
        }
        out.add(UInt8(ascii: "Z"))
        return out.text
    }

    /// `2026-11-21T03:56:00.123Z`: always milliseconds, as S3's XML has it.
    package var rfc3339Milliseconds: String {
        let p = parts
        var out = Digits(capacity: 24)
        out.date(p.year, p.month, p.day, separator: UInt8(ascii: "-"))
        out.add(UInt8(ascii: "T"))
        out.time(p.hour, p.minute, p.second, separator: UInt8(ascii: ":"))
        out.add(UInt8(ascii: "."))
        out.number(fraction / 1000, width: 3)
        out.add(UInt8(ascii: "Z"))
        return out.text
    }

    /// Parses an RFC 3339 date-time (§5.6): a fraction of any length (beyond microseconds it is cut), `Z` or an offset,
    /// `T` or a space, either case.
    package init?(rfc3339 text: some StringProtocol) {
        var p = DigitParser(text)
        guard let year = p.number(4), p.skip("-"), let month = p.number(2), p.skip("-"), let day = p.number(2),
            p.skip("T") || p.skip("t") || p.skip(" "), let hour = p.number(2), p.skip(":"), let minute = p.number(2),
            p.skip(":"), let second = p.number(2)
        else { return nil }
        var micro = 0
        if p.skip(".") {
            guard let fraction = p.fraction() else { return nil }
            micro = fraction
        }
        var offset = 0
        if !(p.skip("Z") || p.skip("z")) {
            let sign: Int
            if p.skip("+") { sign = 1 } else if p.skip("-") { sign = -1 } else { return nil }
            guard let hours = p.number(2), p.skip(":"), let minutes = p.number(2), hours < 24, minutes < 60 else {
                return nil
            }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        guard p.isAtEnd,
            let local = Timestamp(
                year: year, month: month, day: day, hour: hour, minute: minute, second: second, micro: micro)
        else { return nil }
        self = local.adding(seconds: Int64(-offset))
        guard Self.range.contains(seconds) else { return nil }
    }

    // MARK: HTTP and AWS

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Sat, 21 Nov 2026 03:56:00 GMT`: IMF-fixdate, RFC 9110 §5.6.7.
    package var httpDate: String {
        let p = parts
        var out = Digits(capacity: 29)
        out.ascii(Self.weekdays[p.weekday])
        out.ascii(", ")
        out.number(p.day, width: 2)
        out.ascii(" ")
        out.ascii(Self.months[p.month - 1])
        out.ascii(" ")
        out.number(p.year, width: 4)
        out.ascii(" ")
        out.time(p.hour, p.minute, p.second, separator: UInt8(ascii: ":"))
        out.ascii(" GMT")
        return out.text
    }

    /// Parses IMF-fixdate, the one form that HTTP lets senders use.
    package init?(httpDate text: some StringProtocol) {
        let fields = text.split(separator: " ")
        guard fields.count == 6, fields[5] == "GMT" || fields[5] == "UTC", fields[0].utf8.count == 4,
            fields[0].hasSuffix(","),
            Self.weekdays.contains(String(fields[0].dropLast())),
            let month = Self.months.firstIndex(of: String(fields[2]))
        else { return nil }
        var days = DigitParser(fields[1])
        var years = DigitParser(fields[3])
        var p = DigitParser(fields[4])
        guard let day = days.number(2), days.isAtEnd, let year = years.number(4), years.isAtEnd, let hour = p.number(2),
            p.skip(":"), let minute = p.number(2), p.skip(":"), let second = p.number(2), p.isAtEnd
        else { return nil }
        self.init(year: year, month: month + 1, day: day, hour: hour, minute: minute, second: second)
    }

    /// `20261121T035600Z`: ISO 8601 basic form, as in `X-Amz-Date`.
    package var basic: String {
        let p = parts
        var out = Digits(capacity: 16)
        out.date(p.year, p.month, p.day, separator: nil)
        out.add(UInt8(ascii: "T"))
        out.time(p.hour, p.minute, p.second, separator: nil)
        out.add(UInt8(ascii: "Z"))
        return out.text
    }

    /// `20261121035600Z`: generalized time of ASN.1, as LDAP has it (RFC 4517 §3.3.13).
    package var generalizedTime: String {
        let p = parts
        var out = Digits(capacity: 15)
        out.date(p.year, p.month, p.day, separator: nil)
        out.time(p.hour, p.minute, p.second, separator: nil)
        out.add(UInt8(ascii: "Z"))
        return out.text
    }

    /// Parses ISO 8601 basic form `20261121T035600Z`.
    package init?(basic text: some StringProtocol) {
        var p = DigitParser(text)
        guard let year = p.number(4), let month = p.number(2), let day = p.number(2), p.skip("T"),
            let hour = p.number(2),
            let minute = p.number(2), let second = p.number(2), p.skip("Z"), p.isAtEnd
        else { return nil }
        self.init(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    }
}

/// A small writer of fixed-width numbers.
private struct Digits {
    private var bytes: [UInt8] = []

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    mutating func add(_ byte: UInt8) { bytes.append(byte) }
    mutating func ascii(_ text: String) { bytes.append(contentsOf: text.utf8) }

    mutating func number(_ value: Int, width: Int) {
        var divisor = 1
        for _ in 1..<width { divisor *= 10 }
        var rest = value
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / divisor % 10))
            rest %= divisor
            divisor /= 10
        }
    }

    mutating func date(_ year: Int, _ month: Int, _ day: Int, separator: UInt8?) {
        number(year, width: 4)
        if let separator { add(separator) }
        number(month, width: 2)
        if let separator { add(separator) }
        number(day, width: 2)
    }

    mutating func time(_ hour: Int, _ minute: Int, _ second: Int, separator: UInt8?) {
        number(hour, width: 2)
        if let separator { add(separator) }
        number(minute, width: 2)
        if let separator { add(separator) }
        number(second, width: 2)
    }
}

/// A small reader of fixed-width numbers.
private struct DigitParser {
    private var rest: Substring.UTF8View

    init(_ text: some StringProtocol) { rest = Substring(text).utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ c: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: c) else { return false }
        rest = rest.dropFirst()
        return true
    }

    mutating func number(_ width: Int) -> Int? {
        var value = 0
        for _ in 0..<width {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    /// Microseconds from the digits after a decimal point.
    mutating func fraction() -> Int? {
        var value = 0
        var count = 0
        while let digit = digit() {
            if count < 6 { value = value * 10 + digit }
            count += 1
        }
        guard count > 0 else { return nil }
        while count < 6 {
            value *= 10
            count += 1
        }
        return value
    }

    private mutating func digit() -> Int? {
        guard let c = rest.first, c >= UInt8(ascii: "0"), c <= UInt8(ascii: "9") else { return nil }
        rest = rest.dropFirst()
        return Int(c - UInt8(ascii: "0"))
    }
}
