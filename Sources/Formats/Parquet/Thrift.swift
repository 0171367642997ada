/// Thrift's compact protocol, in which Parquet writes its own structures.
enum Thrift {
    enum Kind: UInt8 {
        case yes = 1
        case no, byte, int16, int32, int64, double, binary, list, set, map, structure
    }
}

/// Writes structures: fields in the order of their numbers, each scope closed by the call that opens it.
struct ThriftWriter {
    private(set) var bytes: [UInt8] = []
    private var last: Int16 = 0

    mutating func varint(_ value: UInt64) { bytes.appendVarint(value) }

    private mutating func zigzag(_ value: Int64) { varint(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

    private mutating func header(_ id: Int16, _ kind: Thrift.Kind) {
        let step = id - last
        if (1...15).contains(step) {
            bytes.append(UInt8(step) << 4 | kind.rawValue)
        } else {
            bytes.append(kind.rawValue)
            zigzag(Int64(id))
        }
        last = id
    }

    /// A structure that is an element of a list, or the whole.
    mutating func structure(_ body: (inout ThriftWriter) -> Void) {
        let outer = last
        last = 0
        body(&self)
        bytes.append(0)
        last = outer
    }

    mutating func structure(_ id: Int16, _ body: (inout ThriftWriter) -> Void) {
        header(id, .structure)
        structure(body)
    }

    mutating func bool(_ id: Int16, _ value: Bool) { header(id, value ? .yes : .no) }

    mutating func int32(_ id: Int16, _ value: Int32) {
        header(id, .int32)
        zigzag(Int64(value))
    }

    mutating func int64(_ id: Int16, _ value: Int64) {
        header(id, .int64)
        zigzag(value)
    }

    mutating func binary(_ id: Int16, _ value: some Collection<UInt8>) {
        header(id, .binary)
        element(value)
    }

    mutating func list(_ id: Int16, of kind: Thrift.Kind, count: Int) {
        header(id, .list)
        if count < 15 {
            bytes.append(UInt8(count) << 4 | kind.rawValue)
        } else {
            bytes.append(0xF0 | kind.rawValue)
            varint(UInt64(count))
        }
    }

    /// A text in a list.
    mutating func element(_ value: some Collection<UInt8>) {
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// A number in a list.
    mutating func element(_ value: Int32) { zigzag(Int64(value)) }

    /// Structures that were written before.
    mutating func raw(_ value: [UInt8]) { bytes.append(contentsOf: value) }
}

extension [UInt8] {
    /// Unsigned LEB128.
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Little-endian.
    mutating func append(fixed value: some FixedWidthInteger) {
        var value = value
        for _ in 0..<(value.bitWidth / 8) {
            append(UInt8(truncatingIfNeeded: value))
            value >>= 8
        }
    }
}

/// Reads structures. What a caller does not know is skipped; nothing is allocated before its bytes are there.
struct ThriftReader {
    /// The bytes end within what was begun.
    struct Ended: Error {}

    let bytes: [UInt8]
    var at: Int

    /// Structures, lists and maps in each other, at most.
    private static let depthMax = 32

    init(_ bytes: [UInt8], at: Int = 0) { (self.bytes, self.at) = (bytes, at) }

    mutating func byte() throws -> UInt8 {
        guard at < bytes.count else { throw Ended() }
        defer { at += 1 }
        return bytes[at]
    }

    mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = try byte()
            guard shift < 63 || byte <= 1 else { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw ParquetError("a number of its metadata is too large")
    }

    mutating func int64() throws -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    mutating func int32() throws -> Int32 {
        guard let value = Int32(exactly: try int64()) else {
            throw ParquetError("a number of its metadata is too large")
        }
        return value
    }

    mutating func binary() throws -> ArraySlice<UInt8> {
        let count = try varint()
        guard count <= UInt64(bytes.count - at) else { throw Ended() }
        let start = at
        at += Int(count)
        return bytes[start..<at]
    }

    mutating func text() throws -> String { String(decoding: try binary(), as: UTF8.self) }

    /// Calls `body` for each element of a list.
    mutating func list(_ body: (inout ThriftReader) throws -> Void) throws {
        let (_, count) = try listHeader()
        for _ in 0..<count { try body(&self) }
    }

    private mutating func listHeader() throws -> (Thrift.Kind?, Int) {
        let head = try byte()
        let count = head >> 4 == 15 ? try varint() : UInt64(head >> 4)
        // Each element has a byte at least.
        guard count <= UInt64(bytes.count - at) else { throw Ended() }
        return (Thrift.Kind(rawValue: head & 15), Int(count))
    }

    /// Calls `body` with the number and the kind of each field; it answers whether it read the field's value.
    mutating func fields(_ body: (inout ThriftReader, _ id: Int64, _ kind: Thrift.Kind) throws -> Bool) throws {
        var id: Int64 = 0
        while true {
            let head = try byte()
            if head == 0 { return }
            guard let kind = Thrift.Kind(rawValue: head & 15) else {
                throw ParquetError("its metadata has a field of an unknown kind")
            }
            if head >> 4 == 0 { id = try int64() } else { id &+= Int64(head >> 4) }
            if try !body(&self, id, kind) { try skip(kind, depth: 0) }
        }
    }

    private mutating func skip(_ kind: Thrift.Kind, depth: Int) throws {
        guard depth < Self.depthMax else { throw ParquetError("its metadata is nested too deep") }
        switch kind {
        case .yes, .no: break
        case .byte: _ = try byte()
        case .int16, .int32, .int64: _ = try varint()
        case .double:
            guard bytes.count - at >= 8 else { throw Ended() }
            at += 8
        case .binary: _ = try binary()
        case .list, .set:
            let (kind, count) = try listHeader()
            for _ in 0..<count { try skipElement(kind, depth: depth + 1) }
        case .map:
            let count = try varint()
            guard count <= UInt64(bytes.count - at) else { throw Ended() }
            guard count > 0 else { return }
            let kinds = try byte()
            for _ in 0..<count {
                try skipElement(Thrift.Kind(rawValue: kinds >> 4), depth: depth + 1)
                try skipElement(Thrift.Kind(rawValue: kinds & 15), depth: depth + 1)
            }
        case .structure:
            while true {
                let head = try byte()
                if head == 0 { return }
                guard let kind = Thrift.Kind(rawValue: head & 15) else {
                    throw ParquetError("its metadata has a field of an unknown kind")
                }
                if head >> 4 == 0 { _ = try varint() }
                try skip(kind, depth: depth + 1)
            }
        }
    }

    private mutating func skipElement(_ kind: Thrift.Kind?, depth: Int) throws {
        guard let kind else { throw ParquetError("its metadata has a list of an unknown kind") }
        // In a list, a truth value has a byte of its own.
        if kind == .yes || kind == .no { _ = try byte() } else { try skip(kind, depth: depth) }
    }
}
