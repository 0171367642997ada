/// The footer of a file (`FileMetaData` of parquet.thrift), as far as rows are read from it.
struct FileMetadata {
    struct Chunk {
        var physical: Int32 = -1
        var codec: Int32 = 0
        var values: Int64 = 0
        var compressedBytes: Int64 = 0
        var dataAt: Int64 = 0
        var dictionaryAt: Int64?
        var isElsewhere = false
    }

    struct Group {
        var chunks: [Chunk] = []
        var rows: Int64 = 0
    }

    struct Element {
        var physical: Int32?
        var length: Int32 = 0
        var repetition: Int32 = 0
        var name = ""
        var children: Int32 = 0
        var converted: Int32?
        /// The number of the logical type's member in its union.
        var logical: Int64?
        /// The number of a timestamp's unit in its union: 1 is milliseconds, 2 microseconds, 3 nanoseconds.
        var unit: Int64?
    }

    /// An empty structure has one byte in the file, and many more here.
    private static let elementsMax = 1 << 16
    private static let chunksMax = 1 << 20

    private(set) var elements: [Element] = []
    private(set) var groups: [Group] = []
    private(set) var rows: Int64 = 0
    private(set) var pairs: [String: String] = [:]

    init(_ footer: [UInt8]) throws {
        var reader = ThriftReader(footer)
        do {
            try reader.fields { reader, id, kind in
                switch (id, kind) {
                case (2, .list):
                    try reader.list { reader in
                        guard elements.count < Self.elementsMax else { throw ParquetError("its schema is too large") }
                        elements.append(try Self.element(&reader))
                    }
                case (3, .int64): rows = try reader.int64()
                case (4, .list):
                    var chunks = 0
                    try reader.list { reader in
                        guard groups.count < Self.chunksMax else { throw ParquetError("it has too many row groups") }
                        groups.append(try Self.group(&reader, &chunks))
                    }
                case (5, .list):
                    try reader.list { reader in
                        var (key, value) = ("", "")
                        try reader.fields { reader, id, kind in
                            switch (id, kind) {
                            case (1, .binary): key = try reader.text()
                            case (2, .binary): value = try reader.text()
                            default: return false
                            }
                            return true
                        }
                        pairs[key] = value
                    }
                default: return false
                }
                return true
            }
        } catch is ThriftReader.Ended {
            throw ParquetError("its footer ends too early")
        }
    }

    private static func element(_ reader: inout ThriftReader) throws -> Element {
        var out = Element()
        try reader.fields { reader, id, kind in
            switch (id, kind) {
            case (1, .int32): out.physical = try reader.int32()
            case (2, .int32): out.length = try reader.int32()
            case (3, .int32): out.repetition = try reader.int32()
            case (4, .binary): out.name = try reader.text()
            case (5, .int32): out.children = try reader.int32()
            case (6, .int32): out.converted = try reader.int32()
            case (10, .structure):
                try reader.fields { reader, id, kind in
                    out.logical = id
                    guard id == 8, kind == .structure else { return false }
                    try reader.fields { reader, id, kind in
                        guard id == 2, kind == .structure else { return false }
                        try reader.fields { _, id, _ in
                            out.unit = id
                            return false
                        }
                        return true
                    }
                    return true
                }
            default: return false
            }
            return true
        }
        return out
    }

    private static func group(_ reader: inout ThriftReader, _ chunks: inout Int) throws -> Group {
        var out = Group()
        try reader.fields { reader, id, kind in
            switch (id, kind) {
            case (1, .list):
                try reader.list { reader in
                    chunks += 1
                    guard chunks <= chunksMax else { throw ParquetError("it has too many row groups") }
                    out.chunks.append(try chunk(&reader))
                }
            case (3, .int64): out.rows = try reader.int64()
            default: return false
            }
            return true
        }
        return out
    }

    private static func chunk(_ reader: inout ThriftReader) throws -> Chunk {
        var out = Chunk()
        try reader.fields { reader, id, kind in
            switch (id, kind) {
            case (1, .binary): out.isElsewhere = try !reader.binary().isEmpty
            case (3, .structure):
                try reader.fields { reader, id, kind in
                    switch (id, kind) {
                    case (1, .int32): out.physical = try reader.int32()
                    case (4, .int32): out.codec = try reader.int32()
                    case (5, .int64): out.values = try reader.int64()
                    case (7, .int64): out.compressedBytes = try reader.int64()
                    case (9, .int64): out.dataAt = try reader.int64()
                    case (11, .int64): out.dictionaryAt = try reader.int64()
                    default: return false
                    }
                    return true
                }
            default: return false
            }
            return true
        }
        return out
    }
}

/// What stands before each page (`PageHeader` of parquet.thrift).
struct PageHeader {
    var type: Int32 = -1
    var plainBytes: Int32 = -1
    var compressedBytes: Int32 = -1
    var values: Int32 = 0
    var encoding: Int32 = 0
    var definitionEncoding: Int32 = Encoding.runs.rawValue
    var repetitionEncoding: Int32 = Encoding.runs.rawValue
    /// Of version 2.
    var definitionBytes: Int32 = 0
    var repetitionBytes: Int32 = 0
    var isCompressed = true

    init(_ reader: inout ThriftReader) throws {
        try reader.fields { reader, id, kind in
            switch (id, kind) {
            case (1, .int32): type = try reader.int32()
            case (2, .int32): plainBytes = try reader.int32()
            case (3, .int32): compressedBytes = try reader.int32()
            case (5, .structure):
                try reader.fields { reader, id, kind in
                    switch (id, kind) {
                    case (1, .int32): values = try reader.int32()
                    case (2, .int32): encoding = try reader.int32()
                    case (3, .int32): definitionEncoding = try reader.int32()
                    case (4, .int32): repetitionEncoding = try reader.int32()
                    default: return false
                    }
                    return true
                }
            case (7, .structure):
                try reader.fields { reader, id, kind in
                    switch (id, kind) {
                    case (1, .int32): values = try reader.int32()
                    case (2, .int32): encoding = try reader.int32()
                    default: return false
                    }
                    return true
                }
            case (8, .structure):
                try reader.fields { reader, id, kind in
                    switch (id, kind) {
                    case (1, .int32): values = try reader.int32()
                    case (4, .int32): encoding = try reader.int32()
                    case (5, .int32): definitionBytes = try reader.int32()
                    case (6, .int32): repetitionBytes = try reader.int32()
                    case (7, .yes): isCompressed = true
                    case (7, .no): isCompressed = false
                    default: return false
                    }
                    return true
                }
            default: return false
            }
            return true
        }
    }
}
