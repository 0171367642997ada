import Glibc

/// Arithmetic on the bands of rasters, as tile servers write it: `(B08 - B04) / (B08 + B04)`.
///
/// Names are assets (their first band), assets with a band (`visual_b2`), or bands alone (`b1`) of the only asset.
/// Operators are `+ - * / % **`, comparisons (1 or 0), `&` and `|`; functions are those of ``Function``.
package struct BandExpression: Sendable, Hashable {
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package var description: String
    }

    package enum Function: String, Sendable, CaseIterable {
        case abs, sqrt, exp, log, log10, sin, cos, tan, arctan, floor, ceil, minimum, maximum, `where`

        var argumentCount: Int {
            switch self {
            case .minimum, .maximum: 2
            case .where: 3
            default: 1
            }
        }
    }

    enum Operator: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case remainder = "%"
        case power = "**"
        case less = "<"
        case greater = ">"
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case equal = "=="
        case unequal = "!="
        case and = "&"
        case or = "|"

        /// How tightly it binds, as in Python.
        var level: Int {
            switch self {
            case .less, .greater, .lessOrEqual, .greaterOrEqual, .equal, .unequal: 0
            case .or: 1
            case .and: 2
            case .add, .subtract: 3
            case .multiply, .divide, .remainder: 4
            case .power: 6
            }
        }
    }

    /// One step of the evaluation, on a stack.
    enum Step: Sendable, Hashable {
        case number(Float)
        case name(Int)
        case negate
        case combine(Operator)
        case call(Function)
    }

    /// Bytes of a text, and steps of what it means.
    package static let bytesMax = 1024
    static let stepsMax = 256
    private static let depthMax = 32

    /// The names that it has, in the order in which they first come.
    package private(set) var names: [String] = []
    private(set) var steps: [Step] = []

    /// - Throws: ``Failure``, which says where it is not understood.
    package init(_ text: some StringProtocol) throws(Failure) {
        guard text.utf8.count <= Self.bytesMax else {
            throw Failure(description: "an expression has at most \(Self.bytesMax) bytes")
        }
        var reader = Reader(bytes: Array(text.utf8))
        try expression(&reader, level: 0, depth: 0)
        reader.skipSpaces()
        guard reader.isAtEnd else { throw reader.failure("an operator") }
    }

    /// The band itself.
    package init(band name: String) {
        names = [name]
        steps = [.name(0)]
    }

    /// Whether it is a band alone, without arithmetic.
    package var isBand: Bool { steps == [.name(0)] }

    // MARK: Reading

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        init(bytes: [UInt8]) { self.bytes = bytes }

        var isAtEnd: Bool { at >= bytes.count }
        var next: UInt8? { at < bytes.count ? bytes[at] : nil }

        mutating func skipSpaces() { while let byte = next, byte == 0x20 || byte == 0x09 { at += 1 } }

        mutating func take(_ text: String) -> Bool {
            guard bytes[at...].starts(with: text.utf8) else { return false }
            at += text.utf8.count
            return true
        }

        mutating func takeWhile(_ belongs: (UInt8) -> Bool) -> String {
            let start = at
            while let byte = next, belongs(byte) { at += 1 }
            return String(decoding: bytes[start..<at], as: UTF8.self)
        }

        func failure(_ wanted: String) -> Failure {
            let rest = String(decoding: bytes[min(at, bytes.count)...].prefix(20), as: UTF8.self)
            return Failure(
                description: "the expression needs \(wanted) at character \(at + 1)"
                    + (rest.isEmpty ? ", where it ends" : ", not '\(rest)'"))
        }
    }

    private mutating func add(_ step: Step, _ reader: Reader) throws(Failure) {
        guard steps.count < Self.stepsMax else {
            throw Failure(description: "an expression has at most \(Self.stepsMax) names, numbers and operators")
        }
        steps.append(step)
    }

    private static let operators: [Operator] = [
        .power, .lessOrEqual, .greaterOrEqual, .equal, .unequal, .add, .subtract, .multiply, .divide, .remainder,
        .less, .greater, .and, .or,
    ]

    /// Reads operands and the operators between them that bind at least so tightly.
    private mutating func expression(_ reader: inout Reader, level: Int, depth: Int) throws(Failure) {
        guard depth < Self.depthMax else {
            throw Failure(description: "an expression has at most \(Self.depthMax) brackets within each other")
        }
        try operand(&reader, depth: depth)
        while true {
            reader.skipSpaces()
            let start = reader.at
            guard let found = Self.operators.first(where: { reader.take($0.rawValue) }) else { return }
            guard found.level >= level else {
                reader.at = start
                return
            }
            // Powers bind to the right: 2 ** 3 ** 2 is 2 ** 9.
            try expression(&reader, level: found == .power ? found.level : found.level + 1, depth: depth + 1)
            try add(.combine(found), reader)
        }
    }

    private mutating func operand(_ reader: inout Reader, depth: Int) throws(Failure) {
        reader.skipSpaces()
        guard let byte = reader.next else { throw reader.failure("a band, a number or a bracket") }
        switch byte {
        case UInt8(ascii: "("):
            reader.at += 1
            try expression(&reader, level: 0, depth: depth + 1)
            try close(&reader)
        case UInt8(ascii: "-"):
            reader.at += 1
            // Tighter than a product, looser than a power.
            try expression(&reader, level: 5, depth: depth + 1)
            try add(.negate, reader)
        case 0x30...0x39, UInt8(ascii: "."):
            let start = reader.at
            var text = reader.takeWhile { (0x30...0x39).contains($0) || $0 == 0x2E }
            if reader.next == UInt8(ascii: "e") || reader.next == UInt8(ascii: "E") {
                reader.at += 1
                let sign = reader.take("-") ? "-" : ""
                text += "e" + sign + reader.takeWhile { (0x30...0x39).contains($0) }
            }
            guard let number = Float(text), number.isFinite else {
                reader.at = start
                throw reader.failure("a number")
            }
            try add(.number(number), reader)
        case _ where Self.begins(byte):
            let name = reader.takeWhile { Self.begins($0) || (0x30...0x39).contains($0) }
            reader.skipSpaces()
            if let function = Function(rawValue: name), reader.take("(") {
                for index in 0..<function.argumentCount {
                    reader.skipSpaces()
                    if index > 0, !reader.take(",") { throw reader.failure("a comma") }
                    try expression(&reader, level: 0, depth: depth + 1)
                }
                try close(&reader)
                return try add(.call(function), reader)
            }
            let known = names.firstIndex(of: name)
            if known == nil { names.append(name) }
            try add(.name(known ?? names.count - 1), reader)
        default: throw reader.failure("a band, a number or a bracket")
        }
    }

    private func close(_ reader: inout Reader) throws(Failure) {
        reader.skipSpaces()
        guard reader.take(")") else { throw reader.failure("a closing bracket") }
    }

    private static func begins(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "_")
    }

    // MARK: Evaluation

    /// Evaluates for many pixels at once.
    ///
    /// - Parameter planes: the values of each name, in the order of ``names``, all of one length.
    /// - Returns: a value for each pixel; not a number where there is none.
    package func evaluate(_ planes: [[Float]], count: Int) -> [Float] {
        var stack: [[Float]] = []
        func pop() -> [Float] { stack.popLast() ?? [Float](repeating: .nan, count: count) }
        for step in steps {
            switch step {
            case .number(let number): stack.append([Float](repeating: number, count: count))
            case .name(let index): stack.append(planes[index])
            case .negate: stack.append(pop().map { -$0 })
            case .combine(let what):
                let (right, left) = (pop(), pop())
                stack.append(Self.combine(what, left, right))
            case .call(.where):
                let (other, chosen, condition) = (pop(), pop(), pop())
                stack.append(condition.indices.map { condition[$0] != 0 ? chosen[$0] : other[$0] })
            case .call(.minimum):
                let (right, left) = (pop(), pop())
                stack.append(zip(left, right).map { Swift.min($0, $1) })
            case .call(.maximum):
                let (right, left) = (pop(), pop())
                stack.append(zip(left, right).map { Swift.max($0, $1) })
            case .call(let function): stack.append(pop().map { Self.apply(function, $0) })
            }
        }
        return pop()
    }

    private static func combine(_ what: Operator, _ left: [Float], _ right: [Float]) -> [Float] {
        func each(_ body: (Float, Float) -> Float) -> [Float] {
            var out = left
            for index in out.indices { out[index] = body(left[index], right[index]) }
            return out
        }
        switch what {
        case .add: return each { $0 + $1 }
        case .subtract: return each { $0 - $1 }
        case .multiply: return each { $0 * $1 }
        case .divide: return each { $0 / $1 }
        case .remainder: return each { fmodf($0, $1) }
        case .power: return each { powf($0, $1) }
        case .less: return each { $0 < $1 ? 1 : 0 }
        case .greater: return each { $0 > $1 ? 1 : 0 }
        case .lessOrEqual: return each { $0 <= $1 ? 1 : 0 }
        case .greaterOrEqual: return each { $0 >= $1 ? 1 : 0 }
        case .equal: return each { $0 == $1 ? 1 : 0 }
        case .unequal: return each { $0 != $1 ? 1 : 0 }
        case .and: return each { $0 != 0 && $1 != 0 ? 1 : 0 }
        case .or: return each { $0 != 0 || $1 != 0 ? 1 : 0 }
        }
    }

    private static func apply(_ function: Function, _ value: Float) -> Float {
        switch function {
        case .abs: Swift.abs(value)
        case .sqrt: sqrtf(value)
        case .exp: expf(value)
        case .log: logf(value)
        case .log10: log10f(value)
        case .sin: sinf(value)
        case .cos: cosf(value)
        case .tan: tanf(value)
        case .arctan: atanf(value)
        case .floor: floorf(value)
        case .ceil: ceilf(value)
        case .minimum, .maximum, .where: value
        }
    }
}
