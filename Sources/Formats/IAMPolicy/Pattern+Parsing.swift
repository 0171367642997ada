/// What is wrong with the text of a pattern; the caller adds where it stands.
struct PatternFault: Error {
    let message: String
}

extension Pattern {
    static func elements(_ text: [UInt8], _ syntax: Syntax) throws(PatternFault) -> [Element] {
        var out: [Element] = []
        out.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            let c = text[at]
            if c == UInt8(ascii: "$"), at + 1 < text.count, text[at + 1] == UInt8(ascii: "{"),
                syntax.contains(.variables)
            {
                guard let end = end(of: text, from: at + 2) else {
                    throw PatternFault(message: "a variable begins with ${ but does not end with }")
                }
                out.append(try variable(text[(at + 2)..<end]))
                at = end + 1
                continue
            }
            at += 1
            switch c {
            case UInt8(ascii: "*") where syntax.contains(.wildcards):
                if out.last != .any { out.append(.any) }
            case UInt8(ascii: "?") where syntax.contains(.wildcards): out.append(.one)
            default: out.append(.byte(c))
            }
        }
        return out
    }

    /// The closing brace; one inside a quoted default does not count.
    private static func end(of text: [UInt8], from start: Int) -> Int? {
        var isQuoted = false
        for at in start..<text.count {
            if text[at] == UInt8(ascii: "'") { isQuoted.toggle() }
            if text[at] == UInt8(ascii: "}"), !isQuoted { return at }
        }
        return nil
    }

    private static func variable(_ inside: ArraySlice<UInt8>) throws(PatternFault) -> Element {
        if inside.count == 1, let c = inside.first, "*?$".utf8.contains(c) { return .byte(c) }
        let comma = inside.firstIndex(of: UInt8(ascii: ","))
        let key = trim(inside[..<(comma ?? inside.endIndex)])
        guard !key.isEmpty, key.allSatisfy({ $0 > 0x20 && !"*?${}'\"".utf8.contains($0) }) else {
            throw PatternFault(message: "a variable needs the name of a context key, like ${aws:username}")
        }
        let name = String(decoding: key, as: UTF8.self).lowercased()
        guard let comma else { return .variable(key: name, fallback: nil) }
        let fallback = trim(inside[(comma + 1)...])
        guard fallback.count >= 2, fallback.first == UInt8(ascii: "'"), fallback.last == UInt8(ascii: "'") else {
            throw PatternFault(message: "a variable's default stands in single quotes, like ${aws:username, 'nobody'}")
        }
        return .variable(key: name, fallback: Array(fallback.dropFirst().dropLast()))
    }

    private static func trim(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = text.drop { $0 == 0x20 }
        while text.last == 0x20 { text.removeLast() }
        return text
    }
}
