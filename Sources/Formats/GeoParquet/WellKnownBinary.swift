import Parquet
import Wire

/// GeoJSON geometries as well-known binary (OGC 06-103r4 §8, ISO 13249-3), as GeoParquet has them.
enum WellKnownBinary {
    private static let types = [
        "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection",
    ]
    /// What the type's number is more by, where positions have an altitude.
    private static let altitude: UInt32 = 1000
    private static let depthMax = 8

    /// What a geometry is called in GeoParquet's metadata, like `Polygon Z`; nil for what is none.
    static func type(of geometry: JSONValue) -> String? {
        guard let type = geometry["type"]?.string, types.contains(type) else { return nil }
        return hasAltitude(geometry) ? type + " Z" : type
    }

    /// - Returns: the geometry's bytes, or nil for what is none or has no position; and whether all of it is in them:
    ///   an altitude that only some positions have is not, nor is another member than `type` and `coordinates`.
    static func bytes(of geometry: JSONValue) -> (bytes: [UInt8], isWhole: Bool)? {
        var writer = Writer(hasAltitude: hasAltitude(geometry))
        guard writer.geometry(geometry, depth: 0) else { return nil }
        return (writer.bytes, writer.isWhole)
    }

    /// Whether every position has a third number.
    private static func hasAltitude(_ geometry: JSONValue) -> Bool {
        func all(_ value: JSONValue) -> Bool {
            guard let items = value.array, let first = items.first else { return false }
            return first.number == nil ? items.allSatisfy(all) : items.count == 3
        }
        if let parts = geometry["geometries"]?.array { return !parts.isEmpty && parts.allSatisfy(hasAltitude) }
        return geometry["coordinates"].map(all) ?? false
    }

    private struct Writer {
        var bytes: [UInt8] = []
        var isWhole = true
        let hasAltitude: Bool

        init(hasAltitude: Bool) { self.hasAltitude = hasAltitude }

        /// False for what is no geometry.
        mutating func geometry(_ value: JSONValue, depth: Int) -> Bool {
            guard depth < depthMax, let object = value.object, let type = object["type"]?.string,
                let number = types.firstIndex(of: type),
                let items = object[number == 6 ? "geometries" : "coordinates"]?.array
            else { return false }
            if object.members.count != 2 { isWhole = false }
            header(UInt32(number) + 1)
            switch number {
            case 0: return position(items)
            case 1: return positions(items)
            case 2: return parts(items) { $0.positions($1) }
            case 3: return parts(items, type: 1) { $0.position($1) }
            case 4: return parts(items, type: 2) { $0.positions($1) }
            case 5: return parts(items, type: 3) { $0.parts($1) { $0.positions($1) } }
            default:
                guard count(items) else { return false }
                for item in items where !geometry(item, depth: depth + 1) { return false }
                return true
            }
        }

        private mutating func header(_ type: UInt32) {
            bytes.append(1)
            append(type + (hasAltitude ? altitude : 0))
        }

        private mutating func append(_ value: UInt32) {
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value >> shift))
            }
        }

        private mutating func count(_ items: [JSONValue]) -> Bool {
            guard !items.isEmpty, let count = UInt32(exactly: items.count) else { return false }
            append(count)
            return true
        }

        private mutating func parts(
            _ items: [JSONValue], type: UInt32? = nil, _ body: (inout Writer, [JSONValue]) -> Bool
        ) -> Bool {
            guard count(items) else { return false }
            for item in items {
                guard let part = item.array else { return false }
                if let type { header(type) }
                guard body(&self, part) else { return false }
            }
            return true
        }

        private mutating func positions(_ items: [JSONValue]) -> Bool { parts(items) { $0.position($1) } }

        private mutating func position(_ numbers: [JSONValue]) -> Bool {
            guard numbers.count >= 2 else { return false }
            if numbers.count != (hasAltitude ? 3 : 2) { isWhole = false }
            for number in numbers.prefix(hasAltitude ? 3 : 2) {
                guard let value = number.number else { return false }
                let bits = value.bitPattern
                append(UInt32(truncatingIfNeeded: bits))
                append(UInt32(truncatingIfNeeded: bits >> 32))
            }
            return true
        }
    }

    /// Reads one geometry; also the extended form (EWKB), whose reference system and measures are left out.
    ///
    /// - Returns: nil for what is none, and for an empty point.
    static func geometry(_ bytes: [UInt8]) -> JSONValue? {
        var reader = Reader(bytes: bytes)
        guard let geometry = reader.geometry(depth: 0), reader.at == bytes.count else { return nil }
        return geometry
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0
        private var isLittle = true
        /// Numbers of a position.
        private var width = 2
        private var hasAltitude = false

        init(bytes: [UInt8]) { self.bytes = bytes }

        private mutating func number(_ count: Int) -> UInt64? {
            guard count <= bytes.count - at else { return nil }
            var value: UInt64 = 0
            for index in 0..<count {
                value |= UInt64(bytes[at + index]) << UInt64(8 * (isLittle ? index : count - 1 - index))
            }
            at += count
            return value
        }

        private mutating func header() -> Int? {
            guard let order = number(1), order <= 1 else { return nil }
            isLittle = order == 1
            guard var type = number(4) else { return nil }
            if type & 0x2000_0000 != 0, number(4) == nil { return nil }
            let (z, m) = (type & 0x8000_0000 != 0, type & 0x4000_0000 != 0)
            type &= 0x0FFF_FFFF
            guard type < 4000 else { return nil }
            hasAltitude = z || type / 1000 == 1 || type / 1000 == 3
            width = 2 + (hasAltitude ? 1 : 0) + (m || type / 1000 >= 2 ? 1 : 0)
            return Int(type % 1000)
        }

        mutating func geometry(depth: Int) -> JSONValue? {
            guard depth < depthMax, let type = header(), (1...7).contains(type) else { return nil }
            let items: JSONValue?
            switch type {
            case 1: items = position()
            case 2: items = list { $0.position() }
            case 3: items = list { $0.list { $0.position() } }
            case 7: items = list { $0.geometry(depth: depth + 1) }
            default:
                // Each part is a geometry with its own header.
                items = list { reader in
                    guard reader.header() == type - 3 else { return nil }
                    switch type {
                    case 4: return reader.position()
                    case 5: return reader.list { $0.position() }
                    default: return reader.list { $0.list { $0.position() } }
                    }
                }
            }
            guard let items else { return nil }
            return [
                "type": .string(types[type - 1]), (type == 7 ? "geometries" : "coordinates"): items,
            ]
        }

        private mutating func list(_ body: (inout Reader) -> JSONValue?) -> JSONValue? {
            // What is counted has four bytes each, at least.
            guard let count = number(4), count <= UInt64((bytes.count - at) / 4) else { return nil }
            var out: [JSONValue] = []
            for _ in 0..<count {
                guard let item = body(&self) else { return nil }
                out.append(item)
            }
            return .array(out)
        }

        private mutating func position() -> JSONValue? {
            var out: [JSONValue] = []
            for index in 0..<width {
                guard let bits = number(8) else { return nil }
                let value = Double(bitPattern: bits)
                guard index < (hasAltitude ? 3 : 2) else { continue }
                guard value.isFinite else { return nil }
                out.append(.double(value))
            }
            return .array(out)
        }
    }
}
