/// What a column, or a part of one, holds. Each value may also be missing.
package indirect enum ParquetType: Sendable, Hashable {
    case boolean
    /// 64 bits with a sign; narrower ones are read as such.
    case integer
    case double
    /// UTF-8.
    case text
    /// A JSON document as UTF-8.
    case json
    case binary
    /// Microseconds since 1970 in UTC; other units are read as such.
    case timestamp
    /// Days since 1970-01-01. Only read.
    case date
    case list(ParquetType)
    /// Only read; its values are lists of groups of two, the key and the value.
    case map(ParquetType, ParquetType)
    case group([ParquetField])
}

/// A column, or a member of a group.
package struct ParquetField: Sendable, Hashable {
    package var name: String
    package var type: ParquetType

    package init(_ name: String, _ type: ParquetType) {
        self.name = name
        self.type = type
    }
}

/// A value of a row.
package enum ParquetValue: Sendable, Hashable {
    case null
    case boolean(Bool)
    /// Also of a timestamp and of a date.
    case integer(Int64)
    case double(Double)
    /// Of a text, of JSON and of what is binary.
    case bytes([UInt8])
    case list([ParquetValue])
    /// One for each field of the group, in their order.
    case group([ParquetValue])
}

/// The types that values have in a file (`Type` of parquet.thrift).
enum PhysicalType: Int32 {
    case boolean, int32, int64, int96, float, double, byteArray, fixedByteArray
}

/// How values are written on a page (`Encoding` of parquet.thrift; Encodings.md).
enum Encoding: Int32 {
    case plain = 0
    case plainDictionary = 2
    case runs = 3
    case deltaIntegers = 5
    case deltaLengths = 6
    case deltaBytes = 7
    case dictionary = 8
    case split = 9
}

/// What stands before the bytes of a page (`PageType` of parquet.thrift).
enum PageType: Int32 {
    case data, index, dictionary, data2
}

/// A part of the schema with its levels (Dremel's, as the format's README tells them).
struct SchemaNode: Sendable {
    enum Shape: Sendable {
        case leaf
        case group([SchemaNode])
        /// A value has one of these for each element; an element after the first has this repetition level, and where
        /// there is any element, there is at least this definition level.
        indirect case list(SchemaNode, repetition: Int, definition: Int)
    }

    var name: String
    /// The definition level that says that it is there; nil where it always is.
    var presence: Int?
    var shape: Shape
    /// The columns that it is stored in.
    var leaves: Range<Int>
}
