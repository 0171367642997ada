/// A value in PostgreSQL's binary result format (big-endian), with the type's object id from `pg_type`.
struct PostgresValue {
    /// The object ids are fixed for built-in types (`pg_type.dat`).
    enum TypeID {
        static let bool: UInt32 = 16
        static let bytea: UInt32 = 17
        static let int8: UInt32 = 20
        static let int2: UInt32 = 21
        static let int4: UInt32 = 23
        static let text: UInt32 = 25
        static let oid: UInt32 = 26
        static let float4: UInt32 = 700
        static let float8: UInt32 = 701
        static let numeric: UInt32 = 1700
        static let xid8: UInt32 = 5069
    }

    let type: UInt32
    let bytes: UnsafeRawBufferPointer

    var integer: Int64 {
        switch type {
        case TypeID.int8, TypeID.xid8: load(Int64.self)
        case TypeID.int4: Int64(load(Int32.self))
        case TypeID.int2: Int64(load(Int16.self))
        case TypeID.oid: Int64(load(UInt32.self))
        case TypeID.bool: bytes.first == 1 ? 1 : 0
        case TypeID.float4, TypeID.float8, TypeID.numeric: Self.truncated(real)
        default: Int64(text) ?? 0
        }
    }

    var real: Double {
        switch type {
        case TypeID.float8: Double(bitPattern: load(UInt64.self))
        case TypeID.float4: Double(Float(bitPattern: load(UInt32.self)))
        case TypeID.numeric: numeric
        case TypeID.int8, TypeID.int4, TypeID.int2, TypeID.oid, TypeID.xid8, TypeID.bool: Double(integer)
        default: Double(text) ?? 0
        }
    }

    var text: String {
        switch type {
        case TypeID.int8, TypeID.int4, TypeID.int2, TypeID.oid, TypeID.xid8, TypeID.bool: String(integer)
        case TypeID.float4, TypeID.float8, TypeID.numeric: String(real)
        default: String(decoding: bytes, as: UTF8.self)
        }
    }

    private func load<T: FixedWidthInteger>(_: T.Type) -> T {
        guard bytes.count == MemoryLayout<T>.size else { return 0 }
        return T(bigEndian: bytes.loadUnaligned(as: T.self))
    }

    /// `sum(bigint)` and `avg` answer numeric: count of base-10000 digits, weight of the first, sign, scale, digits.
    private var numeric: Double {
        func word(_ index: Int) -> UInt16 {
            guard (index + 1) * 2 <= bytes.count else { return 0 }
            return UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self))
        }
        switch word(2) {
        case 0xC000: return .nan
        case 0xD000: return .infinity
        case 0xF000: return -.infinity
        default: break
        }
        var value = 0.0
        let count = min(Int(word(0)), max(0, bytes.count / 2 - 4))
        for index in 0..<count { value = value * 10_000 + Double(word(4 + index)) }
        var shift = Int(Int16(bitPattern: word(1))) - count + 1
        while shift > 0 {
            value *= 10_000
            shift -= 1
        }
        while shift < 0 {
            value /= 10_000
            shift += 1
        }
        return word(2) == 0x4000 ? -value : value
    }

    private static func truncated(_ value: Double) -> Int64 {
        if value.isNaN { return 0 }
        return Int64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
    }
}
