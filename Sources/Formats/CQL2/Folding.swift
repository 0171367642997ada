@_spi(_Unicode) import Swift

/// Texts in a form in which differences do not count that a reader does not mean.
package enum TextFolding {
    /// Without difference of case (CASEI): upper case first, since some letters have no other common form.
    package static func caseless(_ text: String) -> String { text.uppercased().lowercased() }

    /// Without accents (ACCENTI): letters taken apart, marks dropped.
    package static func accentless(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 >= 0x80 }) else { return text }
        var scalars = String.UnicodeScalarView()
        for scalar in text._nfd where scalar.properties.generalCategory != .nonspacingMark { scalars.append(scalar) }
        return String(scalars)
    }
}

/// Compares a text with a pattern of LIKE: `%` for any characters, `_` for one, a backslash before a literal one.
enum Pattern {
    static func matches(_ text: String, _ pattern: String) -> Bool {
        let text = Array(text.unicodeScalars)
        let pattern = steps(of: pattern)
        // Where the last `%` stood, and what it has taken so far: one place to go back to is enough.
        var (at, step) = (0, 0)
        var back: (at: Int, step: Int)?
        while at < text.count {
            if step < pattern.count, pattern[step].matches(text[at]) {
                (at, step) = (at + 1, step + 1)
            } else if step < pattern.count, pattern[step] == .any {
                back = (at, step)
                step += 1
            } else if let last = back {
                back = (last.at + 1, last.step)
                (at, step) = (last.at + 1, last.step + 1)
            } else {
                return false
            }
        }
        return pattern[step...].allSatisfy { $0 == .any }
    }

    private enum Step: Equatable {
        case any, one
        case literal(Unicode.Scalar)

        func matches(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .any: false
            case .one: true
            case .literal(let wanted): wanted == scalar
            }
        }
    }

    private static func steps(of pattern: String) -> [Step] {
        var out: [Step] = []
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if isEscaped {
                out.append(.literal(scalar))
                isEscaped = false
            } else if scalar == "\\" {
                isEscaped = true
            } else if scalar == "%" {
                if out.last != .any { out.append(.any) }
            } else {
                out.append(scalar == "_" ? .one : .literal(scalar))
            }
        }
        return out
    }
}
