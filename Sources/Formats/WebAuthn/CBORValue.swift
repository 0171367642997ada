/// A CBOR value (RFC 8949) of the kinds that authenticators send: no tags, floats or values of indefinite length, which
/// CTAP2's canonical form has none of.
package indirect enum CBORValue: Sendable, Equatable {
    case integer(Int64)
    case bytes([UInt8])
    case text(String)
    case array([CBORValue])
    case map([(key: CBORValue, value: CBORValue)])
    case bool(Bool)
    case null

    /// Arrays and maps within others; CTAP2 allows four.
    package static let depthMax = 8
    /// Values of one document, all together.
    package static let valuesMax = 1000

    package static func == (a: CBORValue, b: CBORValue) -> Bool {
        switch (a, b) {
        case (.integer(let a), .integer(let b)): a == b
        case (.bytes(let a), .bytes(let b)): a == b
        case (.text(let a), .text(let b)): a == b
        case (.array(let a), .array(let b)): a == b
        case (.map(let a), .map(let b)): a.elementsEqual(b) { $0.key == $1.key && $0.value == $1.value }
        case (.bool(let a), .bool(let b)): a == b
        case (.null, .null): true
        default: false
        }
    }

    /// Reads one value that is all there is.
    ///
    /// - Throws: ``WebAuthnError`` `.malformed`.
    package init(parsing bytes: some Collection<UInt8>) throws(WebAuthnError) {
        let (value, count) = try Self.first(of: bytes)
        guard count == bytes.count else { throw .malformed("something follows the CBOR value") }
        self = value
    }

    /// Reads the first value, and tells how many bytes it takes.
    package static func first(
        of bytes: some Collection<UInt8>
    ) throws(WebAuthnError) -> (value: CBORValue, count: Int) {
        var reader = CBORReader(bytes: Array(bytes))
        let value = try reader.value(depth: 0)
        return (value, reader.at)
    }

    package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    package var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    package var text: String? { if case .text(let value) = self { value } else { nil } }

    package subscript(_ key: String) -> CBORValue? { self[.text(key)] }
    package subscript(_ key: Int64) -> CBORValue? { self[.integer(key)] }

    private subscript(_ key: CBORValue) -> CBORValue? {
        guard case .map(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }
}

private struct CBORReader {
    let bytes: [UInt8]
    var at = 0
    private var values = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func value(depth: Int) throws(WebAuthnError) -> CBORValue {
        guard depth <= CBORValue.depthMax else {
            throw .malformed("the CBOR is nested deeper than \(CBORValue.depthMax) levels")
        }
        values += 1
        guard values <= CBORValue.valuesMax else {
            throw .malformed("the CBOR has more than \(CBORValue.valuesMax) values")
        }
        guard let head = try take(1).first else { throw .malformed("the CBOR ends in the midst of a value") }
        if head >> 5 == 7 {
            switch head & 31 {
            case 20: return .bool(false)
            case 21: return .bool(true)
            case 22: return .null
            default: throw .malformed("the CBOR has a float or simple value, which authenticators do not send")
            }
        }
        let argument = try argument(head & 31)
        switch head >> 5 {
        case 0:
            guard let number = Int64(exactly: argument) else { throw .malformed("a CBOR number is out of range") }
            return .integer(number)
        case 1:
            guard let number = Int64(exactly: argument) else { throw .malformed("a CBOR number is out of range") }
            return .integer(-1 - number)
        case 2: return .bytes(Array(try take(argument)))
        case 3:
            guard let text = String(validating: try take(argument), as: UTF8.self) else {
                throw .malformed("a CBOR text is not UTF-8")
            }
            return .text(text)
        case 4:
            var items: [CBORValue] = []
            var left = argument
            while left > 0 {
                items.append(try value(depth: depth + 1))
                left -= 1
            }
            return .array(items)
        case 5:
            var members: [(key: CBORValue, value: CBORValue)] = []
            var left = argument
            while left > 0 {
                let key = try value(depth: depth + 1)
                // Two readers could take one of the two each.
                guard !members.contains(where: { $0.key == key }) else { throw .malformed("a CBOR key comes twice") }
                members.append((key, try value(depth: depth + 1)))
                left -= 1
            }
            return .map(members)
        default: throw .malformed("the CBOR has a tag, which authenticators do not send")
        }
    }

    private mutating func argument(_ short: UInt8) throws(WebAuthnError) -> UInt64 {
        switch short {
        case 0..<24: return UInt64(short)
        case 24...27:
            var number: UInt64 = 0
            for byte in try take(UInt64(1) << UInt64(short - 24)) { number = number << 8 | UInt64(byte) }
            return number
        default: throw .malformed("the CBOR has a value of indefinite length, which authenticators do not send")
        }
    }

    private mutating func take(_ count: UInt64) throws(WebAuthnError) -> ArraySlice<UInt8> {
        guard count <= UInt64(bytes.count - at) else { throw .malformed("the CBOR ends in the midst of a value") }
        defer { at += Int(count) }
        return bytes[at..<(at + Int(count))]
    }
}
