import Geometry
import Wire

extension CQL2 {
    /// Reads a filter in the text encoding (OGC 21-065r2, §7).
    ///
    /// - Throws: ``CQL2Error`` with the byte where it is wrong.
    package init(parsing text: String) throws(CQL2Error) {
        guard text.utf8.count <= Self.bytesMax else {
            throw CQL2Error("a filter may have \(Self.bytesMax) bytes, this one has \(text.utf8.count)")
        }
        var reader = TextReader(text)
        self = try reader.whole()
    }
}

/// A recursive descent through the grammar, one method for each rank of operators.
private struct TextReader {
    private var tokens: Tokens
    private var parts = 0
    private var depth = 0

    init(_ text: String) { tokens = Tokens(text) }

    mutating func whole() throws(CQL2Error) -> CQL2 {
        try tokens.advance()
        let filter = try alternatives()
        guard tokens.current == .end else { throw fault("'\(tokens.current.text)' was not expected here") }
        guard filter.kind == .condition || filter.kind == .any else {
            throw CQL2Error("a filter is a condition, this is a \(filter.kind.rawValue)")
        }
        return filter
    }

    private func fault(_ message: String) -> CQL2Error { CQL2Error(message, at: "byte \(tokens.start)") }

    /// Runs `body` one level deeper.
    private mutating func nested(
        _ body: (inout TextReader) throws(CQL2Error) -> CQL2
    ) throws(CQL2Error) -> CQL2 {
        depth += 1
        guard depth <= CQL2.depthMax else { throw fault("more than \(CQL2.depthMax) parts stand within each other") }
        defer { depth -= 1 }
        return try body(&self)
    }

    private mutating func counted(_ part: CQL2) throws(CQL2Error) -> CQL2 {
        parts += 1
        guard parts <= CQL2.partsMax else { throw fault("a filter may have \(CQL2.partsMax) parts") }
        return part
    }

    private mutating func call(_ call: CQL2.Operator, _ arguments: [CQL2]) throws(CQL2Error) -> CQL2 {
        try counted(CQL2.checked(call, arguments, at: "byte \(tokens.start)"))
    }

    private mutating func take(_ symbol: String) throws(CQL2Error) -> Bool {
        guard tokens.current == .symbol(symbol) else { return false }
        try tokens.advance()
        return true
    }

    private mutating func take(word: String) throws(CQL2Error) -> Bool {
        guard tokens.current.isWord(word) else { return false }
        try tokens.advance()
        return true
    }

    private mutating func require(_ symbol: String) throws(CQL2Error) {
        guard try take(symbol) else { throw fault("'\(symbol)' is missing before '\(tokens.current.text)'") }
    }

    // MARK: Conditions

    private mutating func alternatives() throws(CQL2Error) -> CQL2 {
        try nested { reader throws(CQL2Error) in
            var operands = [try reader.conjunction()]
            while try reader.take(word: "OR") { operands.append(try reader.conjunction()) }
            return operands.count == 1 ? operands[0] : try reader.call(.or, operands)
        }
    }

    private mutating func conjunction() throws(CQL2Error) -> CQL2 {
        var operands = [try negation()]
        while try take(word: "AND") { operands.append(try negation()) }
        return operands.count == 1 ? operands[0] : try call(.and, operands)
    }

    private mutating func negation() throws(CQL2Error) -> CQL2 {
        guard try take(word: "NOT") else { return try predicate() }
        return try nested { reader throws(CQL2Error) in try reader.call(.not, [try reader.negation()]) }
    }

    private static let comparisons = ["=", "<>", "<", ">", "<=", ">="]

    private mutating func predicate() throws(CQL2Error) -> CQL2 {
        let left = try sum()
        if case .symbol(let symbol) = tokens.current, Self.comparisons.contains(symbol),
            let comparison = CQL2.Operator(rawValue: symbol)
        {
            try tokens.advance()
            return try call(comparison, [left, try sum()])
        }
        if try take(word: "IS") {
            let isNegated = try take(word: "NOT")
            guard try take(word: "NULL") else { throw fault("NULL is missing after IS") }
            return try negated(isNegated, .isNull, [left])
        }
        let isNegated = try take(word: "NOT")
        if try take(word: "LIKE") { return try negated(isNegated, .like, [left, try sum()]) }
        if try take(word: "BETWEEN") {
            let low = try sum()
            guard try take(word: "AND") else { throw fault("AND is missing between the two ends of BETWEEN") }
            return try negated(isNegated, .between, [left, low, try sum()])
        }
        if try take(word: "IN") {
            try require("(")
            return try negated(isNegated, .isIn, [left, .array(try list())])
        }
        guard !isNegated else { throw fault("after NOT comes LIKE, BETWEEN or IN") }
        return left
    }

    private mutating func negated(
        _ isNegated: Bool, _ call: CQL2.Operator, _ arguments: [CQL2]
    ) throws(CQL2Error) -> CQL2 {
        let condition = try self.call(call, arguments)
        return isNegated ? try self.call(.not, [condition]) : condition
    }

    // MARK: Values

    private mutating func sum() throws(CQL2Error) -> CQL2 {
        try chain(["+", "-"]) { reader throws(CQL2Error) in
            try reader.chain(["*", "/", "%", "div"]) { reader throws(CQL2Error) in try reader.power() }
        }
    }

    /// Operands joined from the left. Each makes the tree deeper, so there cannot be more than it may be deep.
    private mutating func chain(
        _ operators: [String], operand: (inout TextReader) throws(CQL2Error) -> CQL2
    ) throws(CQL2Error) -> CQL2 {
        var value = try operand(&self)
        var count = 0
        while let symbol = operators.first(where: { tokens.current == .symbol($0) || tokens.current.isWord($0) }),
            let arithmetic = CQL2.Operator(rawValue: symbol)
        {
            count += 1
            guard count + depth <= CQL2.depthMax else {
                throw fault("more than \(CQL2.depthMax) parts stand within each other")
            }
            try tokens.advance()
            value = try call(arithmetic, [value, try operand(&self)])
        }
        return value
    }

    private mutating func power() throws(CQL2Error) -> CQL2 {
        let base = try signed()
        guard try take("^") else { return base }
        return try nested { reader throws(CQL2Error) in try reader.call(.power, [base, try reader.power()]) }
    }

    private mutating func signed() throws(CQL2Error) -> CQL2 {
        if try take("+") { return try nested { reader throws(CQL2Error) in try reader.signed() } }
        guard try take("-") else { return try primary() }
        return try nested { reader throws(CQL2Error) in
            let value = try reader.signed()
            if case .number(let number) = value { return .number(-number) }
            return try reader.call(.multiply, [.number(-1), value])
        }
    }

    private mutating func primary() throws(CQL2Error) -> CQL2 {
        let token = tokens.current
        switch token {
        case .number(let number):
            try tokens.advance()
            return try counted(.number(number))
        case .string(let text):
            try tokens.advance()
            return try counted(.string(text))
        case .quoted(let name):
            try tokens.advance()
            return try counted(.property(name))
        case .symbol("("):
            try tokens.advance()
            let items = try list()
            return items.count == 1 ? items[0] : try counted(.array(items))
        case .word(let word):
            try tokens.advance()
            return try named(word)
        default:
            throw fault(token == .end ? "the filter ends where a value should stand" : "'\(token.text)' is no value")
        }
    }

    /// Expressions up to the closing parenthesis.
    private mutating func list() throws(CQL2Error) -> [CQL2] {
        var items: [CQL2] = []
        if try take(")") { return items }
        repeat { items.append(try alternatives()) } while try take(",")
        try require(")")
        return items
    }

    private static let reserved: Set<String> = ["AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL", "DIV"]

    private mutating func named(_ word: String) throws(CQL2Error) -> CQL2 {
        let name = word.uppercased()
        switch name {
        case "TRUE": return .bool(true)
        case "FALSE": return .bool(false)
        case _ where Self.reserved.contains(name):
            throw fault("a value is missing before \(word); a property of this name stands in double quotes")
        default: break
        }
        if let type = Geometry.type(wellKnown: word), try startsGeometry() { return try geometry(type) }
        guard try take("(") else { return try counted(.property(word)) }
        switch name {
        case "DATE", "TIMESTAMP":
            let text = try string(of: name)
            try require(")")
            return try counted(Instant.read(text, isDate: name == "DATE", at: "byte \(tokens.start)"))
        case "INTERVAL":
            let from = try end()
            try require(",")
            let to = try end()
            try require(")")
            return try counted(.interval(from, to))
        case "BBOX": return try box()
        default: break
        }
        guard let function = CQL2.Operator.named[word.lowercased()], !Self.reserved.contains(name) else {
            throw fault("there is no function \(word.prefix(60)); /functions lists those that there are")
        }
        var arguments = try list()
        if function.group == .array {
            // A list of one looks like a value in parentheses.
            arguments = arguments.map {
                if case .any = $0.kind { $0 } else if case .array = $0 { $0 } else { .array([$0]) }
            }
        }
        return try call(function, arguments)
    }

    private mutating func string(of name: String) throws(CQL2Error) -> String {
        guard case .string(let text) = tokens.current else { throw fault("\(name) takes a text in single quotes") }
        try tokens.advance()
        return text
    }

    private mutating func end() throws(CQL2Error) -> CQL2 {
        guard case .string(let text) = tokens.current else { return try sum() }
        try tokens.advance()
        return try Instant.end(text, at: "byte \(tokens.start)")
    }

    private mutating func box() throws(CQL2Error) -> CQL2 {
        var numbers: [Double] = []
        repeat { numbers.append(try signedNumber()) } while try take(",") && numbers.count < 6
        try require(")")
        do {
            return try counted(.box(BoundingBox(parsing: numbers)))
        } catch let error as GeometryError {
            throw fault(error.message)
        } catch let error as CQL2Error {
            throw error
        } catch {
            throw fault("a box has four or six numbers")
        }
    }

    private mutating func signedNumber() throws(CQL2Error) -> Double {
        let isNegative = try take("-")
        if !isNegative { _ = try take("+") }
        guard case .number(let number) = tokens.current else { throw fault("a number is missing") }
        try tokens.advance()
        return isNegative ? -number : number
    }

    // MARK: Well-known text

    /// Whether coordinates follow, perhaps behind a Z. Otherwise the word is a property's name.
    private mutating func startsGeometry() throws(CQL2Error) -> Bool {
        if tokens.current.isWord("Z") { try tokens.advance() }
        return tokens.current == .symbol("(")
    }

    private mutating func geometry(_ type: String) throws(CQL2Error) -> CQL2 {
        let json = try geoJSON(type)
        do {
            return try counted(.geometry(Geometry(parsing: json)))
        } catch let error as GeometryError {
            throw fault(error.message)
        } catch let error as CQL2Error {
            throw error
        } catch {
            throw fault("the geometry cannot be read")
        }
    }

    private mutating func geoJSON(_ type: String) throws(CQL2Error) -> JSONValue {
        try require("(")
        if type == "GeometryCollection" {
            var members: [JSONValue] = []
            repeat {
                guard case .word(let word) = tokens.current, let inner = Geometry.type(wellKnown: word),
                    inner != "GeometryCollection"
                else { throw fault("a geometry that is no collection is missing") }
                try tokens.advance()
                guard try startsGeometry() else { throw fault("'(' is missing") }
                members.append(try geoJSON(inner))
            } while try take(",")
            try require(")")
            return ["type": .string(type), "geometries": .array(members)]
        }
        let depth =
            switch type {
            case "Point": 0
            case "MultiPoint", "LineString": 1
            case "MultiLineString", "Polygon": 2
            default: 3
            }
        let coordinates: JSONValue
        if depth == 0 {
            coordinates = try position()
        } else {
            coordinates = .array(try coordinateList(depth, isMultiPoint: type == "MultiPoint"))
        }
        try require(")")
        return ["type": .string(type), "coordinates": coordinates]
    }

    private mutating func coordinateList(_ depth: Int, isMultiPoint: Bool) throws(CQL2Error) -> [JSONValue] {
        var out: [JSONValue] = []
        repeat {
            if depth == 1 {
                // The points of a MULTIPOINT stand in parentheses, or do not.
                let isWrapped = isMultiPoint ? try take("(") : false
                out.append(try position())
                if isWrapped { try require(")") }
            } else {
                try require("(")
                out.append(.array(try coordinateList(depth - 1, isMultiPoint: false)))
                try require(")")
            }
        } while try take(",")
        return out
    }

    private mutating func position() throws(CQL2Error) -> JSONValue {
        var numbers: [JSONValue] = [.double(try signedNumber()), .double(try signedNumber())]
        while numbers.count < 4, tokens.current != .symbol(","), tokens.current != .symbol(")") {
            numbers.append(.double(try signedNumber()))
        }
        return .array(numbers)
    }
}
