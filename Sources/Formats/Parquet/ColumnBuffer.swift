/// The values of one column until their row group is written.
struct ColumnBuffer {
    private let path: [String]
    private let physical: PhysicalType
    private let definitionMax: Int
    private let repetitionMax: Int

    private var repetitions: [UInt32] = []
    private var definitions: [UInt32] = []
    /// The values that are there, PLAIN; truth values have a byte each until they are written.
    private var values: [UInt8] = []
    private var count = 0
    private var integers: ClosedRange<Int64>?
    private var doubles: ClosedRange<Double>?

    /// A dictionary with more bytes than this is none.
    private static let dictionaryBytesMax = 1 << 20

    init(path: [String], physical: PhysicalType, definition: Int, repetition: Int) {
        (self.path, self.physical) = (path, physical)
        (definitionMax, repetitionMax) = (definition, repetition)
    }

    /// How much memory it takes, about.
    var bytes: Int { values.count + 8 * definitions.count }

    /// A value that is not there.
    mutating func append(repetition: Int, definition: Int) {
        if repetitionMax > 0 { repetitions.append(UInt32(truncatingIfNeeded: repetition)) }
        definitions.append(UInt32(truncatingIfNeeded: definition))
    }

    mutating func append(_ value: ParquetValue, repetition: Int, definition: Int) throws {
        switch (value, physical) {
        case (.boolean(let value), .boolean): values.append(value ? 1 : 0)
        case (.integer(let value), .int64):
            values.append(fixed: value)
            integers = integers.map { min($0.lowerBound, value)...max($0.upperBound, value) } ?? value...value
        case (.double(let value), .double):
            guard value.isFinite else { throw ParquetError("a number is not finite", column: name) }
            values.append(fixed: value.bitPattern)
            doubles = doubles.map { min($0.lowerBound, value)...max($0.upperBound, value) } ?? value...value
        case (.bytes(let value), .byteArray):
            guard let size = UInt32(exactly: value.count), size <= UInt32(Int32.max) else {
                throw ParquetError("a value is too long", column: name)
            }
            values.append(fixed: size)
            values.append(contentsOf: value)
        default: throw ParquetError("a value is not of its type", column: name)
        }
        count += 1
        append(repetition: repetition, definition: definition)
    }

    private var name: String { path.joined(separator: ".") }

    /// Its pages, and what the footer says about them; it is empty then.
    ///
    /// - Parameter offset: where in the file the pages will begin.
    mutating func chunk(at offset: Int64) throws -> (pages: [UInt8], metadata: [UInt8], plainBytes: Int64) {
        var pages: [UInt8] = []
        var plainBytes: Int64 = 0
        func page(_ type: PageType, _ body: [UInt8], _ header: (inout ThriftWriter) -> Void) throws {
            let packed = try Codec.compress(body)
            var writer = ThriftWriter()
            writer.structure { writer in
                writer.int32(1, type.rawValue)
                writer.int32(2, Int32(truncatingIfNeeded: body.count))
                writer.int32(3, Int32(truncatingIfNeeded: packed.count))
                header(&writer)
            }
            pages.append(contentsOf: writer.bytes)
            pages.append(contentsOf: packed)
            plainBytes += Int64(writer.bytes.count + body.count)
        }
        let entries = Int32(truncatingIfNeeded: definitions.count)
        let dictionary = physical == .byteArray ? self.dictionary() : nil
        if let dictionary {
            try page(.dictionary, dictionary.values) { header in
                header.structure(7) { header in
                    header.int32(1, Int32(truncatingIfNeeded: dictionary.count))
                    header.int32(2, Encoding.plain.rawValue)
                }
            }
        }
        let dataAt = offset + Int64(pages.count)
        let encoding = dictionary == nil ? Encoding.plain : .dictionary
        try page(.data, body(dictionary)) { header in
            header.structure(5) { header in
                header.int32(1, entries)
                header.int32(2, encoding.rawValue)
                header.int32(3, Encoding.runs.rawValue)
                header.int32(4, Encoding.runs.rawValue)
            }
        }
        var metadata = ThriftWriter()
        metadata.structure { [self] chunk in
            chunk.int64(2, 0)
            chunk.structure(3) { column in
                column.int32(1, physical.rawValue)
                let encodings: [Encoding] = dictionary == nil ? [.plain, .runs] : [.plain, .runs, .dictionary]
                column.list(2, of: .int32, count: encodings.count)
                for encoding in encodings { column.element(encoding.rawValue) }
                column.list(3, of: .binary, count: path.count)
                for name in path { column.element(name.utf8) }
                column.int32(4, Codec.zstd.rawValue)
                column.int64(5, Int64(entries))
                column.int64(6, plainBytes)
                column.int64(7, Int64(pages.count))
                column.int64(9, dataAt)
                if dictionary != nil { column.int64(11, offset) }
                column.structure(12) { statistics(&$0) }
            }
        }
        (repetitions, definitions, values, count, integers, doubles) = ([], [], [], 0, nil, nil)
        return (pages, metadata.bytes, plainBytes)
    }

    private func statistics(_ writer: inout ThriftWriter) {
        writer.int64(3, Int64(definitions.count - count))
        var (least, greatest): ([UInt8], [UInt8]) = ([], [])
        if let integers {
            least.append(fixed: integers.lowerBound)
            greatest.append(fixed: integers.upperBound)
        } else if let doubles {
            // Zeros of both signs are equal: each bound has the sign that includes the other.
            least.append(fixed: (doubles.lowerBound == 0 ? -0.0 : doubles.lowerBound).bitPattern)
            greatest.append(fixed: (doubles.upperBound == 0 ? 0.0 : doubles.upperBound).bitPattern)
        } else {
            return
        }
        writer.binary(5, greatest)
        writer.binary(6, least)
    }

    /// The body of the data page: levels, then values or their places in the dictionary.
    private func body(_ dictionary: (values: [UInt8], count: Int, places: [UInt32])?) -> [UInt8] {
        var body: [UInt8] = []
        func levels(_ levels: [UInt32], _ maximum: Int) {
            var runs: [UInt8] = []
            RunLength.append(levels, width: RunLength.width(maximum), to: &runs)
            body.append(fixed: UInt32(truncatingIfNeeded: runs.count))
            body.append(contentsOf: runs)
        }
        if repetitionMax > 0 { levels(repetitions, repetitionMax) }
        levels(definitions, definitionMax)
        if let dictionary {
            let width = max(1, RunLength.width(dictionary.count - 1))
            body.append(UInt8(truncatingIfNeeded: width))
            RunLength.append(dictionary.places, width: width, to: &body)
        } else if physical == .boolean {
            for start in stride(from: 0, to: values.count, by: 8) {
                var byte: UInt8 = 0
                for (bit, value) in values[start..<min(start + 8, values.count)].enumerated() {
                    byte |= value << UInt8(bit)
                }
                body.append(byte)
            }
        } else {
            body.append(contentsOf: values)
        }
        return body
    }

    /// Hashed as a whole: a collection of bytes is hashed one by one.
    private struct Key: Hashable {
        var bytes: ArraySlice<UInt8>

        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    /// The values that differ, and for each value its place among them; nil where few repeat.
    private func dictionary() -> (values: [UInt8], count: Int, places: [UInt32])? {
        var places: [UInt32] = []
        var known: [Key: UInt32] = [:]
        var distinct: [UInt8] = []
        var at = 0
        while at < values.count {
            let size = (0..<4).reduce(0) { $0 | Int(values[at + $1]) << (8 * $1) }
            let value = Key(bytes: values[(at + 4)..<(at + 4 + size)])
            if let place = known[value] {
                places.append(place)
            } else {
                let place = UInt32(truncatingIfNeeded: known.count)
                known[value] = place
                places.append(place)
                distinct.append(contentsOf: values[at..<(at + 4 + size)])
                guard distinct.count <= Self.dictionaryBytesMax, known.count <= max(16, count / 2) else { return nil }
            }
            at += 4 + size
        }
        return known.isEmpty || known.count == count ? nil : (distinct, known.count, places)
    }
}
