/// A text of a policy, ready for matching: literal bytes, wildcards and variables.
struct Pattern: Sendable {
    enum Element: Hashable, Sendable {
        case byte(UInt8)
        /// `*`: any number of characters, also none.
        case any
        /// `?`: one character.
        case one
        /// `${key}`: stands for a value of the context, taken literally.
        case variable(key: String, fallback: [UInt8]?)
    }

    /// What may stand in a text besides literal characters.
    struct Syntax: OptionSet, Sendable {
        let rawValue: Int
        static let wildcards = Syntax(rawValue: 1)
        static let variables = Syntax(rawValue: 2)
    }

    /// `*` alone and texts without anything special are common enough to have their own way.
    private enum Form: Sendable {
        case everything
        case exact([UInt8])
        /// Bytes, and the two codes below: numbers compare faster than elements.
        case wildcards([UInt16])
        case variables([Element])
    }

    /// How a match ended.
    enum Outcome { case matches, differs, variableWithoutValue }

    private let form: Form
    private let ignoringCase: Bool
    let variableCount: Int

    /// Whether one text alone matches.
    var isFixed: Bool { if case .exact = form { true } else { false } }

    /// - Parameter ignoringCase: the elements are in lower case, and so is every text that is matched.
    init(_ elements: [Element], ignoringCase: Bool = false) {
        self.ignoringCase = ignoringCase
        variableCount = elements.count { if case .variable = $0 { true } else { false } }
        var literal: [UInt8] = []
        for case .byte(let c) in elements { literal.append(c) }
        form =
            if variableCount > 0 {
                .variables(elements)
            } else if elements == [.any] {
                .everything
            } else if literal.count == elements.count {
                .exact(literal)
            } else {
                .wildcards(elements.map(Self.code))
            }
    }

    /// - Throws: a message for `${` without its end, an empty variable name or a default without quotes.
    init(_ text: String, _ syntax: Syntax, ignoringCase: Bool = false) throws(PatternFault) {
        let text = ignoringCase ? text.lowercased() : text
        self.init(try Self.elements(Array(text.utf8), syntax), ignoringCase: ignoringCase)
    }

    func outcome(_ text: [UInt8], _ context: PolicyContext) -> Outcome {
        switch form {
        case .everything: return .matches
        case .exact(let literal): return literal == text ? .matches : .differs
        case .wildcards(let elements): return Self.matches(elements, text) ? .matches : .differs
        case .variables(let elements): return substituted(elements, text, context)
        }
    }

    /// The literal bytes that the pattern begins with.
    var literalStart: [UInt8] {
        switch form {
        case .everything: []
        case .exact(let literal): literal
        case .wildcards(let elements): elements.prefix { $0 < Self.anyCode }.map { UInt8($0) }
        case .variables(let elements):
            elements.map { if case .byte(let c) = $0 { c } else { nil } }.prefix { $0 != nil }.compactMap { $0 }
        }
    }

    // MARK: Matching

    private static let anyCode: UInt16 = 256
    private static let oneCode: UInt16 = 257

    private static func code(_ element: Element) -> UInt16 {
        switch element {
        case .byte(let c): UInt16(c)
        case .any, .variable: anyCode
        case .one: oneCode
        }
    }

    private static func isContinuation(_ c: UInt8) -> Bool { c & 0xC0 == 0x80 }

    /// Goes through both once and, after a mismatch, returns only to the last `*`: no pattern takes exponential time.
    private static func matches(_ elements: [UInt16], _ text: [UInt8]) -> Bool {
        var e = 0
        var t = 0
        var star: (element: Int, text: Int)?
        while true {
            if e < elements.count, elements[e] == anyCode {
                star = (e + 1, t)
                e += 1
                if e == elements.count { return true }
                continue
            }
            if t == text.count { return e == elements.count }
            if e < elements.count {
                if elements[e] == UInt16(text[t]) {
                    e += 1
                    t += 1
                    continue
                }
                if elements[e] == oneCode {
                    e += 1
                    t += 1
                    while t < text.count, isContinuation(text[t]) { t += 1 }
                    continue
                }
            }
            guard let back = star else { return false }
            star = (back.element, back.text + 1)
            e = back.element
            t = back.text + 1
        }
    }

    /// Walks the elements with the set of places in the text that they may have come to, so that several variables with
    /// many values each cost their sum and not their product.
    private func substituted(_ elements: [Element], _ text: [UInt8], _ context: PolicyContext) -> Outcome {
        var values: [String: [[UInt8]]] = [:]
        for case .variable(let key, let fallback) in elements {
            let found = context[key].map { Array((ignoringCase ? $0.lowercased() : $0).utf8) }
            if found.isEmpty, fallback == nil { return .variableWithoutValue }
            values[key] = found
        }
        var places = [Bool](repeating: false, count: text.count + 1)
        places[0] = true
        for element in elements {
            var next = [Bool](repeating: false, count: text.count + 1)
            var isAlive = false
            switch element {
            case .any:
                guard let first = places.firstIndex(of: true) else { return .differs }
                for place in first...text.count { next[place] = true }
                isAlive = true
            case .byte(let c):
                for place in 0..<text.count where places[place] && text[place] == c {
                    next[place + 1] = true
                    isAlive = true
                }
            case .one:
                for place in 0..<text.count where places[place] {
                    var end = place + 1
                    while end < text.count, Self.isContinuation(text[end]) { end += 1 }
                    next[end] = true
                    isAlive = true
                }
            case .variable(let key, let fallback):
                var candidates = values[key] ?? []
                if candidates.isEmpty, let fallback { candidates = [fallback] }
                for value in candidates where value.count <= text.count {
                    for place in 0...(text.count - value.count) where places[place] {
                        guard Self.stands(value, in: text, at: place) else { continue }
                        next[place + value.count] = true
                        isAlive = true
                    }
                }
            }
            guard isAlive else { return .differs }
            places = next
        }
        return places[text.count] ? .matches : .differs
    }

    private static func stands(_ value: [UInt8], in text: [UInt8], at place: Int) -> Bool {
        for offset in 0..<value.count where text[place + offset] != value[offset] { return false }
        return true
    }
}
