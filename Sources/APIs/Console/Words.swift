package import Geometry
package import Wire

/// Figures in the form in which people read them.
package enum Words {
    /// `1,204`.
    package static func count(_ number: Int64) -> String {
        let digits = String(number.magnitude)
        var out = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
            out.append(digit)
        }
        return out
    }

    /// `1 item`, `1,204 items`.
    package static func count(_ number: Int64, _ singular: String, _ plural: String) -> String {
        number == 1 ? "1 \(singular)" : "\(count(number)) \(plural)"
    }

    /// Bytes in decimal units: `812 B`, `1.3 MB`.
    package static func size(_ bytes: Int64) -> String {
        guard bytes >= 1000 else { return "\(bytes) B" }
        var value = Double(bytes)
        for unit in ["kB", "MB", "GB", "TB", "PB"] {
            value /= 1000
            // What would be rounded to 1,000 takes the next unit.
            if value < 999.5 { return "\(decimal(value, digits: value < 10 ? 1 : 0)) \(unit)" }
        }
        return "\(count(Int64(value))) PB"
    }

    /// A number with at most so many digits after the point, without zeros at its end.
    package static func decimal(_ value: Double, digits: Int) -> String {
        let scale = [1.0, 10, 100, 1000, 10_000, 100_000, 1_000_000][min(max(digits, 0), 6)]
        let scaled = (value.magnitude * scale).rounded()
        // Beyond 2^53 there are no decimals to round.
        guard scaled.isFinite, scaled < 9e15 else { return "\(value)" }
        let whole = Int64(scaled / scale)
        var rest = Int64(scaled) - whole * Int64(scale)
        var text = (value < 0 && scaled > 0 ? "-" : "") + count(whole)
        guard rest > 0 else { return text }
        var tail = String(rest + Int64(scale)).dropFirst()
        while rest % 10 == 0 {
            rest /= 10
            tail = tail.dropLast()
        }
        text += "." + tail
        return text
    }

    /// `8 Sep 2021, 04:27 UTC`.
    package static func time(_ time: Timestamp) -> String {
        let parts = time.parts
        return "\(day(time)), \(two(parts.hour)):\(two(parts.minute)) UTC"
    }

    /// `8 Sep 2021`.
    package static func day(_ time: Timestamp) -> String {
        let parts = time.parts
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return "\(parts.day) \(months[min(max(parts.month, 1), 12) - 1]) \(parts.year)"
    }

    /// From when to when, by days: `3 May 2019 to 8 Sep 2021`.
    package static func days(_ times: ClosedRange<Timestamp>) -> String {
        let (first, last) = (day(times.lowerBound), day(times.upperBound))
        return first == last ? first : "\(first) to \(last)"
    }

    /// `58.2°W to 56.9°W, 10.1°S to 8.0°S`.
    package static func place(_ box: BoundingBox) -> String {
        func range(_ low: Double, _ high: Double, _ name: (Double) -> String) -> String {
            let (first, last) = (name(low), name(high))
            return first == last ? first : "\(first) to \(last)"
        }
        if box.west <= -180, box.east >= 180, box.south <= -90, box.north >= 90 { return "the whole Earth" }
        return range(box.west, box.east) { degrees($0, "E", "W") } + ", "
            + range(box.south, box.north) { degrees($0, "N", "S") }
    }

    private static func degrees(_ value: Double, _ positive: String, _ negative: String) -> String {
        let text = decimal(value.magnitude, digits: 1)
        return text == "0" || text == "180" ? "\(text)°" : "\(text)°\(value < 0 ? negative : positive)"
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
