/// Reads BER (X.690) as LDAP uses it (RFC 4511 §5.1): definite lengths only, tags of one byte.
///
/// A reader stands on the bytes of one constructed value and goes from element to element. It never copies more than it
/// is asked for, and reads nothing that its bounds do not hold.
package struct BERReader {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    package var isAtEnd: Bool { rest.isEmpty }

    /// The tag of the next element; nil at the end.
    package var nextTag: UInt8? { rest.first }

    /// Takes the next element.
    package mutating func element() throws(LDAPError) -> (tag: UInt8, content: ArraySlice<UInt8>) {
        guard let tag = rest.popFirst() else { throw .malformed("an element is missing") }
        guard tag & 0x1F != 0x1F else { throw .malformed("a tag has more than one byte") }
        let length = try Self.length(&rest)
        guard length <= rest.count else { throw .malformed("an element is longer than what holds it") }
        let content = rest.prefix(length)
        rest = rest.dropFirst(length)
        return (tag, content)
    }

    /// Takes the next element, which has to have this tag.
    package mutating func content(_ tag: UInt8) throws(LDAPError) -> ArraySlice<UInt8> {
        let found = try element()
        guard found.tag == tag else { throw .malformed("an element has another type than the one that belongs there") }
        return found.content
    }

    /// Takes the next element if it has this tag.
    package mutating func contentIfNext(_ tag: UInt8) throws(LDAPError) -> ArraySlice<UInt8>? {
        nextTag == tag ? try content(tag) : nil
    }

    package mutating func reader(_ tag: UInt8 = BER.sequence) throws(LDAPError) -> BERReader {
        BERReader(try content(tag))
    }

    package mutating func octets(_ tag: UInt8 = BER.octetString) throws(LDAPError) -> [UInt8] {
        Array(try content(tag))
    }

    /// An LDAPString: UTF-8 without NUL.
    package mutating func string(_ tag: UInt8 = BER.octetString) throws(LDAPError) -> String {
        try Self.string(try content(tag))
    }

    package mutating func integer(_ tag: UInt8 = BER.integer) throws(LDAPError) -> Int64 {
        try Self.integer(try content(tag))
    }

    package mutating func boolean(_ tag: UInt8 = BER.boolean) throws(LDAPError) -> Bool {
        try Self.boolean(try content(tag))
    }

    static func string(_ content: ArraySlice<UInt8>) throws(LDAPError) -> String {
        guard let text = String(validating: content, as: UTF8.self), !content.contains(0) else {
            throw .malformed("a text is not UTF-8, or has a NUL in it")
        }
        return text
    }

    static func integer(_ content: ArraySlice<UInt8>) throws(LDAPError) -> Int64 {
        guard let first = content.first, content.count <= 8 else { throw .malformed("a number has 1 to 8 bytes") }
        var value: Int64 = first & 0x80 == 0 ? 0 : -1
        for byte in content { value = value << 8 | Int64(byte) }
        return value
    }

    static func boolean(_ content: ArraySlice<UInt8>) throws(LDAPError) -> Bool {
        guard content.count == 1, let byte = content.first else { throw .malformed("a truth value has one byte") }
        return byte != 0
    }

    private static func length(_ rest: inout ArraySlice<UInt8>) throws(LDAPError) -> Int {
        guard let first = rest.popFirst() else { throw .malformed("a length is missing") }
        if first < 0x80 { return Int(first) }
        guard first != 0x80 else { throw .malformed("a length is indefinite, which LDAP does not have") }
        let count = Int(first & 0x7F)
        guard count <= 4, count <= rest.count else { throw .malformed("a length has more than 4 bytes") }
        var length = 0
        for _ in 0..<count { length = length << 8 | Int(rest.popFirst() ?? 0) }
        return length
    }
}

/// Tags of the universal class.
package enum BER {
    package static let boolean: UInt8 = 0x01
    package static let integer: UInt8 = 0x02
    package static let octetString: UInt8 = 0x04
    package static let null: UInt8 = 0x05
    package static let enumerated: UInt8 = 0x0A
    package static let sequence: UInt8 = 0x30
    package static let set: UInt8 = 0x31
}

/// Writes BER with the shortest lengths, as DER does.
package struct BERWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init(capacity: Int = 256) { bytes.reserveCapacity(capacity) }

    /// Empties the writer and keeps its memory.
    package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// Writes an element with what `body` writes inside.
    @inline(__always)
    package mutating func constructed(_ tag: UInt8 = BER.sequence, _ body: (inout BERWriter) throws -> Void) rethrows {
        bytes.append(tag)
        bytes.append(0)
        let start = bytes.count
        try body(&self)
        let length = bytes.count - start
        if length < 0x80 {
            bytes[start - 1] = UInt8(length)
        } else {
            // What was written moves on to make room: rare, and a copy within a cache.
            let more = Self.lengthBytes(length)
            bytes[start - 1] = 0x80 | UInt8(more)
            bytes.insert(
                contentsOf: (0..<more).map { UInt8(truncatingIfNeeded: length >> (8 * (more - 1 - $0))) }, at: start)
        }
    }

    @inline(__always)
    package mutating func string(_ text: String, tag: UInt8 = BER.octetString) {
        bytes.append(tag)
        length(text.utf8.count)
        bytes.append(contentsOf: text.utf8)
    }

    package mutating func octets(_ content: some Collection<UInt8>, tag: UInt8 = BER.octetString) {
        bytes.append(tag)
        length(content.count)
        bytes.append(contentsOf: content)
    }

    package mutating func integer(_ value: Int64, tag: UInt8 = BER.integer) {
        var count = 1
        while count < 8, value >> (8 * count - 1) != 0, value >> (8 * count - 1) != -1 { count += 1 }
        bytes.append(tag)
        bytes.append(UInt8(count))
        for index in (0..<count).reversed() { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }

    package mutating func boolean(_ value: Bool) { bytes += [BER.boolean, 1, value ? 0xFF : 0] }

    /// Copies elements that were written before.
    package mutating func raw(_ elements: [UInt8]) { bytes += elements }

    @inline(__always)
    private mutating func length(_ length: Int) {
        if length < 0x80 {
            bytes.append(UInt8(length))
        } else {
            let more = Self.lengthBytes(length)
            bytes.append(0x80 | UInt8(more))
            for index in (0..<more).reversed() { bytes.append(UInt8(truncatingIfNeeded: length >> (8 * index))) }
        }
    }

    private static func lengthBytes(_ length: Int) -> Int { (Int.bitWidth - length.leadingZeroBitCount + 7) / 8 }
}
