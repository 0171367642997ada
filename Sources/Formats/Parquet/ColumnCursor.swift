/// What is taken together from the memory of a process while a file is read.
final class ParquetBudget {
    /// Bytes of pages that are open at the same time, over all columns.
    private static let pagesMax = 1 << 30
    /// Bytes of one row's values.
    private static let rowMax = 256 << 20
    /// Values of one row, also missing ones.
    private static let rowValuesMax = 4 << 20

    private var pages = 0
    private var row = 0
    private var rowValues = 0

    func hold(_ bytes: Int) throws {
        pages += bytes
        guard pages <= Self.pagesMax else { throw ParquetError("its pages together are larger than 1 GiB") }
    }

    func release(_ bytes: Int) { pages -= bytes }

    func beginRow() { (row, rowValues) = (0, 0) }

    func take(_ bytes: Int) throws {
        row += bytes
        rowValues += 1
        guard row <= Self.rowMax, rowValues <= Self.rowValuesMax else { throw ParquetError("a row is too large") }
    }
}

/// Goes through one column of a row group, with one page in memory.
final class ColumnCursor {
    typealias Read = (_ offset: Int64, _ count: Int) throws -> [UInt8]

    /// Bytes that a page may have when it is unpacked. Writers make them of 1 MiB; with less than a row none is done.
    private static let pageBytesMax = 128 << 20
    private static let headerBytesMax = 1 << 20
    /// A value of a dictionary takes so many times its bytes in memory, about.
    private static let dictionaryFactor = 8
    /// Bytes read at once, at least.
    private static let readAhead = 64 << 10

    let leaf: Leaf
    private let budget: ParquetBudget
    private let read: Read
    private let codec: Codec

    // What is read of the file and not used yet.
    private var buffer: [UInt8] = []
    private var bufferAt = 0
    private var offset: Int64
    private let end: Int64

    private var pageNumber = 0
    private var pageBytes = 0
    private var left: Int64 = 0
    private var repetitions: RunLengthReader?
    private var definitions: RunLengthReader?
    private var values: (any ValueDecoder)?
    private var dictionary: [ParquetValue]?
    private var dictionaryBytes = 0

    /// The levels of the entry that `take()` gives next.
    private(set) var repetition = 0
    private(set) var definition = 0
    private(set) var isAtEnd = false

    init(
        _ leaf: Leaf, _ chunk: FileMetadata.Chunk, fileBytes: Int64, budget: ParquetBudget, read: @escaping Read
    ) throws {
        (self.leaf, self.budget, self.read) = (leaf, budget, read)
        guard let codec = Codec(rawValue: chunk.codec) else {
            let name = [3: "LZO", 4: "Brotli", 5: "LZ4", 7: "LZ4"][chunk.codec] ?? "number \(chunk.codec)"
            throw ParquetError(
                "its compression is not read: \(name) (there are none, snappy, gzip and zstd)", column: leaf.path)
        }
        self.codec = codec
        var start = chunk.dataAt
        if let dictionaryAt = chunk.dictionaryAt, dictionaryAt > 0 { start = min(start, dictionaryAt) }
        guard chunk.physical == leaf.physical.rawValue, !chunk.isElsewhere, start >= 4, chunk.compressedBytes >= 0,
            chunk.compressedBytes <= fileBytes, start <= fileBytes - chunk.compressedBytes
        else { throw ParquetError("the footer says wrongly where it is", column: leaf.path) }
        (offset, end) = (start, start + chunk.compressedBytes)
        try advance()
    }

    deinit { budget.release(pageBytes) }

    /// The value of the present entry; the next one becomes present. Only where the entry's definition is the leaf's.
    func take() throws -> ParquetValue {
        guard !isAtEnd, definition == leaf.definition, let values else {
            throw fault("its levels do not fit its schema")
        }
        let value: ParquetValue
        do {
            value = try values.next()
        } catch let error as ParquetError {
            throw fault(error.message)
        }
        if case .bytes(let bytes) = value { try budget.take(bytes.count) } else { try budget.take(8) }
        try advance()
        return try meant(value)
    }

    /// Leaves the present entry out, which has no value.
    func skip() throws {
        guard !isAtEnd, definition < leaf.definition else { throw fault("its levels do not fit its schema") }
        try budget.take(1)
        try advance()
    }

    private func meant(_ value: ParquetValue) throws -> ParquetValue {
        guard case .integer(let number) = value else { return value }
        switch leaf.meaning {
        case .plain: return value
        case .unsigned:
            guard number < 0 else { return value }
            return leaf.physical == .int32
                ? .integer(number & 0xFFFF_FFFF) : .double(Double(UInt64(bitPattern: number)))
        case .time(let multiplier, let divisor):
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: multiplier)
            guard !isTooLarge else { throw fault("a time is out of range") }
            return .integer(product / divisor - (product % divisor < 0 ? 1 : 0))
        }
    }

    private func fault(_ message: String) -> ParquetError {
        ParquetError(message, column: leaf.path, page: pageNumber == 0 ? nil : pageNumber)
    }

    private func advance() throws {
        do {
            while left == 0 {
                guard try openPage() else {
                    (isAtEnd, repetition, definition) = (true, 0, 0)
                    return
                }
            }
            left -= 1
            repetition = Int(try repetitions?.next() ?? 0)
            definition = Int(try definitions?.next() ?? 0)
        } catch let error as ParquetError {
            throw fault(error.message)
        } catch is ThriftReader.Ended {
            throw fault("it ends too early")
        }
        guard repetition <= leaf.repetition, definition <= leaf.definition else {
            throw fault("its levels do not fit its schema")
        }
    }

    // MARK: Pages

    /// - Returns: false at the column's end.
    private func openPage() throws -> Bool {
        guard bufferAt < buffer.count || offset < end else {
            letPageGo()
            return false
        }
        pageNumber += 1
        let header = try header()
        guard header.compressedBytes >= 0, (0...Int32(Self.pageBytesMax)).contains(header.plainBytes),
            header.values >= 0
        else { throw ParquetError("its size is out of range") }
        let compressed = try next(Int(header.compressedBytes))
        let count = Int(header.plainBytes)
        switch PageType(rawValue: header.type) {
        case .dictionary:
            guard dictionary == nil else { throw ParquetError("a second dictionary") }
            dictionaryBytes = Self.dictionaryFactor * count
            try budget.hold(dictionaryBytes)
            pageBytes += dictionaryBytes
            dictionary = try self.dictionary(try codec.decompress(compressed, count: count), Int(header.values), header)
        case .data:
            let body = try hold(count) { try codec.decompress(compressed, count: count) }
            try open(body, header)
        case .data2:
            let levels = Int(header.repetitionBytes) + Int(header.definitionBytes)
            guard header.repetitionBytes >= 0, header.definitionBytes >= 0, levels <= compressed.count, levels <= count
            else { throw ParquetError("its levels are out of range") }
            let body = try hold(count) {
                let rest = compressed.dropFirst(levels)
                return Array(compressed.prefix(levels))
                    + (header.isCompressed && !rest.isEmpty
                        ? try codec.decompress(rest, count: count - levels) : Array(rest))
            }
            try open2(body, header)
        case .index, nil: break
        }
        return true
    }

    private func letPageGo() {
        (repetitions, definitions, values) = (nil, nil, nil)
        budget.release(pageBytes - dictionaryBytes)
        pageBytes = dictionaryBytes
    }

    private func hold(_ count: Int, _ unpack: () throws -> [UInt8]) throws -> [UInt8] {
        letPageGo()
        try budget.hold(count)
        pageBytes += count
        return try unpack()
    }

    private func header() throws -> PageHeader {
        var wanted = 1 << 10
        while true {
            try fill(wanted)
            var reader = ThriftReader(buffer, at: bufferAt)
            do {
                let header = try PageHeader(&reader)
                bufferAt = reader.at
                return header
            } catch is ThriftReader.Ended {
                guard offset < end, wanted < Self.headerBytesMax else { throw ThriftReader.Ended() }
                wanted *= 8
            }
        }
    }

    /// Reads until there are so many bytes in the buffer, or all of the column.
    private func fill(_ count: Int) throws {
        guard buffer.count - bufferAt < count, offset < end else { return }
        let missing = max(count - (buffer.count - bufferAt), Self.readAhead)
        let more = Int(min(Int64(missing), end - offset))
        buffer.removeFirst(bufferAt)
        bufferAt = 0
        buffer += try read(offset, more)
        offset += Int64(more)
    }

    private func next(_ count: Int) throws -> ArraySlice<UInt8> {
        guard Int64(count) <= Int64(buffer.count - bufferAt) + (end - offset) else { throw ThriftReader.Ended() }
        try fill(count)
        guard count <= buffer.count - bufferAt else { throw ThriftReader.Ended() }
        defer { bufferAt += count }
        return buffer[bufferAt..<(bufferAt + count)]
    }

    private func dictionary(_ bytes: [UInt8], _ count: Int, _ header: PageHeader) throws -> [ParquetValue] {
        let encoding = Encoding(rawValue: header.encoding)
        guard encoding == .plain || encoding == .plainDictionary, leaf.physical != .boolean else {
            throw ParquetError("the dictionary's encoding is not read")
        }
        let values = PlainValues(bytes, at: 0, leaf)
        // Each value has bytes of its own, so that a wrong number ends with the page: no room is made for it before.
        var out: [ParquetValue] = []
        for _ in 0..<count { out.append(try values.next()) }
        return out
    }

    private func open(_ body: [UInt8], _ header: PageHeader) throws {
        var at = 0
        func levels(_ maximum: Int, _ encoding: Int32) throws -> RunLengthReader? {
            guard maximum > 0 else { return nil }
            guard encoding == Encoding.runs.rawValue else {
                throw ParquetError("the encoding of its levels is not read")
            }
            guard body.count - at >= 4 else { throw ParquetError("its levels end too early") }
            let count = Int(body.fixed(at, UInt32.self))
            at += 4
            guard count <= body.count - at else { throw ParquetError("its levels end too early") }
            defer { at += count }
            return RunLengthReader(body, at..<(at + count), width: RunLength.width(maximum))
        }
        repetitions = try levels(leaf.repetition, header.repetitionEncoding)
        definitions = try levels(leaf.definition, header.definitionEncoding)
        try open(body, at, header)
    }

    private func open2(_ body: [UInt8], _ header: PageHeader) throws {
        let split = Int(header.repetitionBytes)
        let at = split + Int(header.definitionBytes)
        func levels(_ range: Range<Int>, _ maximum: Int) -> RunLengthReader? {
            maximum > 0 ? RunLengthReader(body, range, width: RunLength.width(maximum)) : nil
        }
        repetitions = levels(0..<split, leaf.repetition)
        definitions = levels(split..<at, leaf.definition)
        try open(body, at, header)
    }

    private func open(_ body: [UInt8], _ at: Int, _ header: PageHeader) throws {
        left = Int64(header.values)
        // A page on which all values are missing may have none at all, and so no encoding either.
        values = at == body.count ? nil : try decoder(body, at, header)
    }

    private func decoder(_ body: [UInt8], _ at: Int, _ header: PageHeader) throws -> any ValueDecoder {
        switch (Encoding(rawValue: header.encoding), leaf.physical) {
        case (.plain, _): return PlainValues(body, at: at, leaf)
        case (.dictionary, _), (.plainDictionary, _):
            guard let dictionary else { throw ParquetError("its dictionary is missing") }
            return try DictionaryValues(dictionary, body, at: at)
        case (.runs, .boolean): return try BooleanRuns(body, at: at)
        case (.deltaIntegers, .int32), (.deltaIntegers, .int64): return try DeltaIntegers(body, at: at, leaf)
        case (.deltaLengths, .byteArray): return try DeltaBytes(body, at: at, hasShared: false)
        case (.deltaBytes, .byteArray), (.deltaBytes, .fixedByteArray):
            return try DeltaBytes(body, at: at, hasShared: true)
        case (.split, let physical) where physical != .boolean && physical != .byteArray && physical != .int96:
            return try SplitValues(body, at: at, leaf)
        default: throw ParquetError("its encoding, number \(header.encoding), is not read")
        }
    }
}
