/// A pattern for paths, as the tools of the traceability service take them: `*` stands for any characters, slashes too,
/// `?` for one, `[a-z]` and `[!a-z]` for one of a class, `{a,b}` for either; `\` takes the meaning from the next.
package struct GlobPattern: Sendable {
    private enum Part: Sendable {
        case any
        case one
        case scalar(Unicode.Scalar)
        case oneOf([ClosedRange<Unicode.Scalar>], isNegated: Bool)
    }

    /// Without braces: one matches where any of them does.
    private let choices: [[Part]]

    private static let lengthMax = 1024
    private static let choicesMax = 256

    /// - Throws: ``ArchiveError`` for a class or brace that is not closed, and for patterns of more than 1,024
    ///   characters or 256 choices.
    package init(_ text: String) throws {
        guard text.unicodeScalars.count <= Self.lengthMax else {
            throw ArchiveError("a pattern has at most \(Self.lengthMax) characters")
        }
        var scalars = Array(text.unicodeScalars)[...]
        choices = try Self.choices(&scalars, inBraces: false)
        guard scalars.isEmpty else { throw ArchiveError("the pattern '\(text)' has a '}' without '{'") }
    }

    private static func choices(_ rest: inout ArraySlice<Unicode.Scalar>, inBraces: Bool) throws -> [[Part]] {
        var done: [[Part]] = []
        var current: [[Part]] = [[]]
        func add(_ part: Part) { for index in current.indices { current[index].append(part) } }
        while let scalar = rest.first {
            if scalar == "}" { break }
            rest = rest.dropFirst()
            switch scalar {
            case "*": add(.any)
            case "?": add(.one)
            case "[": add(try Self.characters(&rest))
            case ",":
                guard inBraces else {
                    add(.scalar(scalar))
                    continue
                }
                done += current
                current = [[]]
            case "{":
                let inner = try choices(&rest, inBraces: true)
                guard rest.popFirst() == "}" else { throw ArchiveError("a pattern has a '{' without '}'") }
                guard current.count * inner.count <= choicesMax else {
                    throw ArchiveError("a pattern has more than \(choicesMax) choices")
                }
                current = current.flatMap { start in inner.map { start + $0 } }
            case "\\":
                guard let next = rest.popFirst() else { throw ArchiveError("a pattern ends with a backslash") }
                add(.scalar(next))
            default: add(.scalar(scalar))
            }
        }
        guard done.count + current.count <= choicesMax else {
            throw ArchiveError("a pattern has more than \(choicesMax) choices")
        }
        return done + current
    }

    private static func characters(_ rest: inout ArraySlice<Unicode.Scalar>) throws -> Part {
        let isNegated = rest.first == "!" || rest.first == "^"
        if isNegated { rest = rest.dropFirst() }
        var ranges: [ClosedRange<Unicode.Scalar>] = []
        while let first = rest.popFirst() {
            if first == "]", !ranges.isEmpty { return .oneOf(ranges, isNegated: isNegated) }
            if rest.first == "-", let last = rest.dropFirst().first, last != "]", first <= last {
                ranges.append(first...last)
                rest = rest.dropFirst(2)
            } else {
                ranges.append(first...first)
            }
        }
        throw ArchiveError("a pattern has a '[' without ']'")
    }

    /// Whether the whole of a path is of this form. Takes at most the product of both lengths, and never more.
    package func matches(_ path: String) -> Bool {
        let scalars = Array(path.unicodeScalars)
        return choices.contains { Self.matches($0, scalars) }
    }

    private static func matches(_ parts: [Part], _ scalars: [Unicode.Scalar]) -> Bool {
        var (part, scalar) = (0, 0)
        // Where the latest '*' is, and up to where it reaches: only that one has to be tried anew.
        var star: (part: Int, scalar: Int)?
        while scalar < scalars.count {
            if part < parts.count, case .any = parts[part] {
                star = (part, scalar)
                part += 1
            } else if part < parts.count, fits(parts[part], scalars[scalar]) {
                (part, scalar) = (part + 1, scalar + 1)
            } else if let last = star {
                star = (last.part, last.scalar + 1)
                (part, scalar) = (last.part + 1, last.scalar + 1)
            } else {
                return false
            }
        }
        return parts[part...].allSatisfy { if case .any = $0 { true } else { false } }
    }

    private static func fits(_ part: Part, _ scalar: Unicode.Scalar) -> Bool {
        switch part {
        case .any, .one: true
        case .scalar(let own): own == scalar
        case .oneOf(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
        }
    }
}
