/// Gives the values of a page one after the other.
protocol ValueDecoder: AnyObject {
    /// - Throws: `ParquetError` where the page ends too early or holds what it must not.
    func next() throws -> ParquetValue
}

private let endsEarly = ParquetError("its values end too early")

/// PLAIN: one value behind the other.
final class PlainValues: ValueDecoder {
    private let bytes: [UInt8]
    private var at: Int
    private let physical: PhysicalType
    private let length: Int
    private var bit = 0

    init(_ bytes: [UInt8], at: Int, _ leaf: Leaf) {
        (self.bytes, self.at, physical, length) = (bytes, at, leaf.physical, leaf.length)
    }

    func next() throws -> ParquetValue {
        switch physical {
        case .boolean:
            guard at + bit / 8 < bytes.count else { throw endsEarly }
            defer { bit += 1 }
            return .boolean(bytes[at + bit / 8] >> UInt8(bit % 8) & 1 == 1)
        case .byteArray:
            guard bytes.count - at >= 4 else { throw endsEarly }
            let count = bytes.fixed(at, UInt32.self)
            at += 4
            return .bytes(try take(Int(count)))
        case .fixedByteArray: return .bytes(try take(length))
        case .int32, .int64, .float, .double, .int96:
            let width = physical.width
            guard bytes.count - at >= width else { throw endsEarly }
            defer { at += width }
            return physical.number { bytes[at + $0] }
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        guard count <= bytes.count - at else { throw endsEarly }
        defer { at += count }
        return Array(bytes[at..<(at + count)])
    }
}

extension PhysicalType {
    /// Bytes of a number.
    fileprivate var width: Int { self == .int32 || self == .float ? 4 : self == .int96 ? 12 : 8 }

    /// A number from its bytes, the least first.
    fileprivate func number(_ byte: (Int) -> UInt8) -> ParquetValue {
        var bits: UInt64 = 0
        for index in 0..<min(width, 8) { bits |= UInt64(byte(index)) << UInt64(8 * index) }
        switch self {
        case .int32: return .integer(Int64(Int32(truncatingIfNeeded: bits)))
        case .double: return .double(Double(bitPattern: bits))
        case .float:
            // In the decimal digits that were meant: 0.1, not 0.10000000149.
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
            return .double(Double(value.description) ?? Double(value))
        default: return .integer(Int64(bitPattern: bits))
        }
    }
}

extension [UInt8] {
    /// A number, the least byte first; the caller knows that it is there.
    func fixed<T: FixedWidthInteger>(_ at: Int, _: T.Type) -> T {
        var value: T = 0
        for index in 0..<(T.bitWidth / 8) { value |= T(truncatingIfNeeded: self[at + index]) << T(8 * index) }
        return value
    }
}

/// RLE_DICTIONARY: places in a list of values.
final class DictionaryValues: ValueDecoder {
    private let values: [ParquetValue]
    private var places: RunLengthReader

    init(_ values: [ParquetValue], _ bytes: [UInt8], at: Int) throws {
        guard at < bytes.count else { throw endsEarly }
        guard bytes[at] <= 32 else { throw ParquetError("its places have more than 32 bits") }
        self.values = values
        places = RunLengthReader(bytes, (at + 1)..<bytes.count, width: Int(bytes[at]))
    }

    func next() throws -> ParquetValue {
        let place = Int(try places.next())
        guard place < values.count else { throw ParquetError("a value is not in the dictionary") }
        return values[place]
    }
}

/// RLE of truth values.
final class BooleanRuns: ValueDecoder {
    private var runs: RunLengthReader

    init(_ bytes: [UInt8], at: Int) throws {
        guard bytes.count - at >= 4 else { throw endsEarly }
        let count = Int(bytes.fixed(at, UInt32.self))
        guard count <= bytes.count - at - 4 else { throw endsEarly }
        runs = RunLengthReader(bytes, (at + 4)..<(at + 4 + count), width: 1)
    }

    func next() throws -> ParquetValue { .boolean(try runs.next() == 1) }
}

/// DELTA_BINARY_PACKED: each integer as the difference from the one before.
package struct DeltaReader {
    /// Values of a page: without bits of their own, any number of them takes no bytes.
    private static let countMax = 1 << 24

    private let bytes: [UInt8]
    package private(set) var at: Int
    private var valuesInPart = 0
    private var parts = 0
    private(set) var count = 0
    private var value: Int64 = 0
    private var given = 0
    private var least: Int64 = 0
    private var widths: [UInt8] = []
    private var part = 0
    /// Values of the part that were given, and where its bits begin.
    private var inPart = 0

    /// - Throws: `ParquetError` where the differences are not laid out as they must be.
    package init(_ bytes: [UInt8], at: Int) throws {
        self.bytes = bytes
        var reader = ThriftReader(bytes, at: at)
        do {
            let block = try reader.varint()
            let parts = try reader.varint()
            let count = try reader.varint()
            value = try reader.int64()
            guard block > 0, block % 128 == 0, block <= 1 << 20, parts > 0, parts <= block / 32, block % parts == 0,
                block / parts % 32 == 0, count <= UInt64(Self.countMax)
            else { throw ParquetError("its differences are not laid out as they must be") }
            (self.parts, valuesInPart, self.count) = (Int(parts), Int(block / parts), Int(count))
        } catch is ThriftReader.Ended {
            throw endsEarly
        }
        self.at = reader.at
        part = self.parts
        inPart = valuesInPart
    }

    package mutating func next() throws -> Int64 {
        guard given < count else { throw endsEarly }
        given += 1
        if given == 1 { return value }
        if inPart == valuesInPart {
            if part < parts { closePart() }
            if part >= parts { try openBlock() }
            inPart = 0
        }
        let width = Int(widths[part])
        var delta: UInt64 = 0
        if width > 0 {
            let bit = inPart * width
            let first = at + bit / 8
            let count = (bit % 8 + width + 7) / 8
            guard first + count <= bytes.count else { throw endsEarly }
            delta = UInt64(bytes[first]) >> UInt64(bit % 8)
            for index in 1..<max(1, count) { delta |= UInt64(bytes[first + index]) << UInt64(8 * index - bit % 8) }
            if width < 64 { delta &= (1 << UInt64(width)) - 1 }
        }
        inPart += 1
        value = value &+ least &+ Int64(bitPattern: delta)
        return value
    }

    /// Reads to the end, so that `at` is where what follows begins.
    package mutating func skip() throws {
        while given < count { _ = try next() }
        if inPart > 0, part < parts { closePart() }
    }

    private mutating func closePart() {
        at += valuesInPart * Int(widths[part]) / 8
        part += 1
        inPart = valuesInPart
    }

    private mutating func openBlock() throws {
        var reader = ThriftReader(bytes, at: at)
        do {
            least = try reader.int64()
        } catch is ThriftReader.Ended {
            throw endsEarly
        }
        guard bytes.count - reader.at >= parts else { throw endsEarly }
        widths = Array(bytes[reader.at..<(reader.at + parts)])
        guard widths.allSatisfy({ $0 <= 64 }) else { throw ParquetError("its differences have more than 64 bits") }
        at = reader.at + parts
        part = 0
    }
}

final class DeltaIntegers: ValueDecoder {
    private var reader: DeltaReader
    private let isNarrow: Bool

    init(_ bytes: [UInt8], at: Int, _ leaf: Leaf) throws {
        reader = try DeltaReader(bytes, at: at)
        isNarrow = leaf.physical == .int32
    }

    func next() throws -> ParquetValue {
        let value = try reader.next()
        return .integer(isNarrow ? Int64(Int32(truncatingIfNeeded: value)) : value)
    }
}

/// DELTA_LENGTH_BYTE_ARRAY, and DELTA_BYTE_ARRAY: lengths first, in the second also of what is as in the value before.
final class DeltaBytes: ValueDecoder {
    private let bytes: [UInt8]
    private var shared: DeltaReader?
    private var lengths: DeltaReader
    private var at: Int
    private var last: [UInt8] = []

    init(_ bytes: [UInt8], at: Int, hasShared: Bool) throws {
        self.bytes = bytes
        var at = at
        func reader() throws -> DeltaReader {
            let reader = try DeltaReader(bytes, at: at)
            var end = reader
            try end.skip()
            at = end.at
            return reader
        }
        shared = hasShared ? try reader() : nil
        lengths = try reader()
        self.at = at
    }

    func next() throws -> ParquetValue {
        let kept = try shared?.next() ?? 0
        let count = try lengths.next()
        guard kept >= 0, kept <= last.count, count >= 0, at <= bytes.count, count <= bytes.count - at else {
            throw endsEarly
        }
        var value = Array(last[..<Int(kept)])
        value.append(contentsOf: bytes[at..<(at + Int(count))])
        at += Int(count)
        if shared != nil { last = value }
        return .bytes(value)
    }
}

/// BYTE_STREAM_SPLIT: the first bytes of all values, then their second ones, and so on.
final class SplitValues: ValueDecoder {
    private let bytes: [UInt8]
    private let begin: Int
    private let count: Int
    private let physical: PhysicalType
    private let width: Int
    private var index = 0

    init(_ bytes: [UInt8], at: Int, _ leaf: Leaf) throws {
        (self.bytes, begin, physical) = (bytes, at, leaf.physical)
        width = leaf.physical == .fixedByteArray ? leaf.length : leaf.physical.width
        count = (bytes.count - at) / width
    }

    func next() throws -> ParquetValue {
        guard index < count else { throw endsEarly }
        defer { index += 1 }
        if physical == .fixedByteArray { return .bytes((0..<width).map { bytes[begin + $0 * count + index] }) }
        return physical.number { bytes[begin + $0 * count + index] }
    }
}
