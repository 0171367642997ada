import Wire

extension ODataFilter {
    /// Reads a filter.
    ///
    /// - Throws: ``ODataError`` with the byte where it is wrong.
    package init(parsing text: String) throws(ODataError) {
        guard text.utf8.count <= Self.bytesMax else {
            throw ODataError("a filter may have \(Self.bytesMax) bytes, this one has \(text.utf8.count)", at: 0)
        }
        var reader = ODataReader(text)
        self = try reader.whole()
    }
}

/// A recursive descent: `or`, `and`, `not`, conditions.
private struct ODataReader {
    private var tokens: ODataTokens
    private var depth = 0
    private var parts = 0
    /// The variable of the lambda that is being read, and the name that it says the attribute has.
    private var lambda: (variable: String, type: ODataFilter.AttributeType, name: String?)?

    init(_ text: String) { tokens = ODataTokens(text) }

    mutating func whole() throws(ODataError) -> ODataFilter {
        try tokens.advance()
        let filter = try alternatives()
        guard tokens.current == .end else { throw fault("\(tokens.text) was not expected here") }
        return filter
    }

    private func fault(_ message: String) -> ODataError { ODataError(message, at: tokens.start) }

    private mutating func take(_ symbol: Character) throws(ODataError) -> Bool {
        guard tokens.current == .symbol(symbol.asciiValue ?? 0) else { return false }
        try tokens.advance()
        return true
    }

    private mutating func take(word: String) throws(ODataError) -> Bool {
        guard tokens.current == .word(word) else { return false }
        try tokens.advance()
        return true
    }

    private mutating func require(_ symbol: Character) throws(ODataError) {
        guard try take(symbol) else { throw fault("'\(symbol)' is missing before \(tokens.text)") }
    }

    // MARK: Conditions

    private mutating func alternatives() throws(ODataError) -> ODataFilter {
        depth += 1
        guard depth <= ODataFilter.depthMax else {
            throw fault("more than \(ODataFilter.depthMax) conditions stand within each other")
        }
        defer { depth -= 1 }
        var operands = [try conjunction()]
        while try take(word: "or") { operands.append(try conjunction()) }
        return operands.count == 1 ? operands[0] : .or(operands)
    }

    private mutating func conjunction() throws(ODataError) -> ODataFilter {
        var operands = [try negation()]
        while try take(word: "and") { operands.append(try negation()) }
        return operands.count == 1 ? operands[0] : .and(operands)
    }

    private mutating func negation() throws(ODataError) -> ODataFilter {
        guard try take(word: "not") else { return try condition() }
        depth += 1
        guard depth <= ODataFilter.depthMax else {
            throw fault("more than \(ODataFilter.depthMax) conditions stand within each other")
        }
        defer { depth -= 1 }
        return .not(try negation())
    }

    private mutating func condition() throws(ODataError) -> ODataFilter {
        parts += 1
        guard parts <= ODataFilter.partsMax else {
            throw fault("a filter may have \(ODataFilter.partsMax) conditions")
        }
        if try take("(") {
            let inner = try alternatives()
            try require(")")
            return inner
        }
        if case .literal(let literal) = tokens.current {
            try tokens.advance()
            let comparison = try comparison()
            return .compare(try path(), comparison.mirrored, literal)
        }
        guard case .word(let word) = tokens.current else {
            throw fault("a condition is missing before \(tokens.text)")
        }
        if word == "OData.CSC.Intersects" || word == "geo.intersects" { return try intersects() }
        if let function = ODataFilter.TextFunction(rawValue: word) {
            try tokens.advance()
            try require("(")
            let path = try path()
            try require(",")
            guard case .string(let text) = try literal() else { throw fault("\(word) takes a text in quotes") }
            try require(")")
            // `contains(Name,'S2A') eq true`
            if tokens.current == .word("eq") || tokens.current == .word("ne") {
                let isEqual = tokens.current == .word("eq")
                try tokens.advance()
                guard case .bool(let wanted) = try literal() else { throw fault("true or false is missing") }
                return wanted == isEqual ? .text(function, path, text) : .not(.text(function, path, text))
            }
            return .text(function, path, text)
        }
        let path = try path()
        if path.hasSuffix("/any") { return try any(path) }
        if try take(word: "in") {
            try require("(")
            var items = [try literal()]
            while try take(",") {
                guard items.count < ODataFilter.partsMax else { throw fault("the list is too long") }
                items.append(try literal())
            }
            try require(")")
            return .isIn(path, items)
        }
        let comparison = try comparison()
        return .compare(path, comparison, try literal())
    }

    private mutating func comparison() throws(ODataError) -> ODataFilter.Comparison {
        guard case .word(let word) = tokens.current, let comparison = ODataFilter.Comparison(rawValue: word) else {
            throw fault("eq, ne, gt, ge, lt, le or in is missing before \(tokens.text)")
        }
        try tokens.advance()
        return comparison
    }

    private mutating func literal() throws(ODataError) -> ODataFilter.Literal {
        guard case .literal(let literal) = tokens.current else {
            throw fault("a value is missing before \(tokens.text): a text stands in single quotes")
        }
        try tokens.advance()
        return literal
    }

    /// Names with slashes between; within a lambda without its variable and the type of its value.
    private mutating func path() throws(ODataError) -> String {
        var names: [String] = []
        repeat {
            guard case .word(let name) = tokens.current else { throw fault("a name is missing before \(tokens.text)") }
            guard names.count < 8 else { throw fault("the path has too many parts") }
            names.append(name)
            try tokens.advance()
        } while try take("/")
        guard let lambda else { return names.joined(separator: "/") }
        guard names.first == lambda.variable else {
            throw fault("within any(…) only \(lambda.variable)/Name and \(lambda.variable)/…/Value can be asked")
        }
        names.removeFirst()
        // Clients of the Data Space ask integers for their `StringAttribute/Value`: the lambda says which it is.
        if names.count == 2, Self.type(names[0]) != nil { names.removeFirst() }
        guard names == ["Name"] || names == ["Value"] || names == ["ValueType"] else {
            throw fault("an attribute has a Name and a Value of the type that any(…) is for")
        }
        return names[0]
    }

    private static func type(_ name: String) -> ODataFilter.AttributeType? {
        guard name.hasPrefix("OData.CSC.") else { return nil }
        return ODataFilter.AttributeType(rawValue: String(name.dropFirst("OData.CSC.".count)))
    }

    // MARK: Attributes and places

    /// `Attributes/OData.CSC.StringAttribute/any(att:att/Name eq '…' and …)`
    private mutating func any(_ path: String) throws(ODataError) -> ODataFilter {
        let names = path.split(separator: "/").map(String.init)
        guard lambda == nil, names.count == 3, names[0] == "Attributes", let type = Self.type(names[1]) else {
            throw fault(
                "any(…) goes with Attributes/OData.CSC.StringAttribute, IntegerAttribute, DoubleAttribute, "
                    + "DateTimeOffsetAttribute or BooleanAttribute")
        }
        try require("(")
        guard case .word(let variable) = tokens.current else { throw fault("a variable is missing in any(…)") }
        try tokens.advance()
        try require(":")
        lambda = (variable, type, nil)
        defer { lambda = nil }
        let inner = try alternatives()
        try require(")")
        var name: String?
        var rest: [ODataFilter] = []
        for condition in inner.conjuncts {
            switch condition {
            case .compare("Name", .eq, .string(let text)) where name == nil: name = text
            case .compare("ValueType", .eq, .string): continue
            default:
                guard condition.asksOnly("Value") else {
                    throw fault("any(…) has one condition Name eq '…', joined to the others by and")
                }
                rest.append(condition)
            }
        }
        guard let name else { throw fault("any(…) has a condition Name eq '…'") }
        return .attribute(type, name: name, rest.isEmpty ? nil : rest.count == 1 ? rest[0] : .and(rest))
    }

    private mutating func intersects() throws(ODataError) -> ODataFilter {
        guard lambda == nil else { throw fault("a place is no property of an attribute") }
        try tokens.advance()
        try require("(")
        // `area=`, or OData's own `Footprint,`.
        guard case .word = tokens.current else { throw fault("area=geography'…' is missing") }
        try tokens.advance()
        let isNamed = try take("=")
        if !isNamed { try require(",") }
        guard case .geography(let text) = tokens.current else { throw fault("geography'SRID=4326;…' is missing") }
        try tokens.advance()
        try require(")")
        guard let semicolon = text.firstIndex(of: ";") else { return .intersects(text) }
        guard text[..<semicolon].uppercased() == "SRID=4326" else {
            throw fault("places are in longitude and latitude: SRID=4326")
        }
        return .intersects(String(text[semicolon...].dropFirst()))
    }
}

extension ODataFilter.Comparison {
    /// What holds from the other side.
    fileprivate var mirrored: ODataFilter.Comparison {
        switch self {
        case .gt: .lt
        case .ge: .le
        case .lt: .gt
        case .le: .ge
        case .eq, .ne: self
        }
    }
}

extension ODataFilter {
    fileprivate func asksOnly(_ name: String) -> Bool {
        switch self {
        case .and(let parts), .or(let parts): parts.allSatisfy { $0.asksOnly(name) }
        case .not(let part): part.asksOnly(name)
        case .compare(let path, _, _), .isIn(let path, _), .text(_, let path, _): path == name
        case .attribute, .intersects: false
        }
    }
}
