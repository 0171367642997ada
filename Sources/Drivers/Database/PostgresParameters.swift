import CLibPQ

/// The values of one statement in PostgreSQL's binary format, in buffers that are used again.
struct PostgresParameters {
    /// Object id of each value's type; 0 for NULL, whose type the server infers.
    private(set) var types: [UInt32] = []
    private var bytes: [UInt8] = []
    private var offsets: [Int] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []
    private var pointers: [UnsafePointer<CChar>?] = []

    mutating func fill(_ values: [SQLValue]) throws {
        types.removeAll(keepingCapacity: true)
        offsets.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        // One large blob should not keep its memory for the connection's life.
        bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20)
        // An empty value needs an address too: a null pointer would mean NULL.
        bytes.append(0)
        for value in values {
            let start = bytes.count
            switch value {
            case .null: types.append(0)
            case .integer(let number):
                types.append(PostgresValue.TypeID.int8)
                withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
            case .real(let number):
                types.append(PostgresValue.TypeID.float8)
                withUnsafeBytes(of: number.bitPattern.bigEndian) { bytes.append(contentsOf: $0) }
            case .text(let text):
                types.append(PostgresValue.TypeID.text)
                bytes.append(contentsOf: text.utf8)
            case .blob(let blob):
                types.append(PostgresValue.TypeID.bytea)
                bytes.append(contentsOf: blob)
            }
            guard let length = Int32(exactly: bytes.count - start) else {
                throw DatabaseError(.misuse, "a value is larger than 2 GiB")
            }
            offsets.append(value == .null ? -1 : start)
            lengths.append(length)
        }
        while formats.count < values.count { formats.append(1) }
    }

    /// Calls `body` with the arrays as `PQsendQueryPrepared` takes them.
    mutating func withPointers(
        _ body: (
            _ values: UnsafePointer<UnsafePointer<CChar>?>?, _ lengths: UnsafePointer<Int32>?,
            _ formats: UnsafePointer<Int32>?
        ) -> Int32
    ) -> Int32 {
        bytes.withUnsafeBytes { all in
            pointers.removeAll(keepingCapacity: true)
            let characters = all.assumingMemoryBound(to: CChar.self)
            for offset in offsets {
                pointers.append(offset < 0 ? nil : characters.baseAddress.map { $0 + offset })
            }
            return pointers.withUnsafeBufferPointer { values in
                lengths.withUnsafeBufferPointer { lengths in
                    formats.withUnsafeBufferPointer { formats in
                        body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }
}

/// A statement of the common dialect as this connection knows it: its text in PostgreSQL's dialect and what the
/// server has prepared of it, once for each combination of parameter types.
final class PostgresStatement {
    struct Variant {
        let name: String
        let types: [UInt32]
    }

    /// Beyond this the first variant is given up; only statements with many nullable values get near it.
    static let variantLimit = 8

    let sql: String
    let placeholders: Int
    var variants: [Variant] = []

    init(_ sql: String) {
        (self.sql, placeholders) = Dialect.postgres(sql, isDefinition: false)
    }

    /// A prepared variant these types can be bound to; NULL can be bound to any type.
    func name(for types: [UInt32]) -> String? {
        variants.first { variant in
            zip(variant.types, types).allSatisfy { declared, given in given == declared || given == 0 }
        }?.name
    }
}
