package import Parquet
package import Wire

/// Reads STAC Items from a file in the form of stac-geoparquet, as its Python library, rustac, DuckDB and
/// ``ItemTableWriter`` write it.
package struct ItemTableReader {
    private var reader: ParquetReader
    /// Columns that the file's metadata calls geometries.
    private let geometries: Set<String>

    package var rowCount: Int64 { reader.rowCount }

    /// - Parameters: as those of `ParquetReader`.
    /// - Throws: `ParquetError`, also where there is no column `id` or a geometry is not well-known binary.
    package init(size: Int64, read: @escaping (_ offset: Int64, _ count: Int) throws -> [UInt8]) throws {
        reader = try ParquetReader(size: size, read: read)
        guard reader.fields.contains(where: { $0.name == "id" }) else {
            throw ParquetError("it has no column 'id', so it has no STAC Items")
        }
        var geometries: Set<String> = ["geometry", ItemColumns.projectedGeometry]
        let geo = reader.metadata["geo"].flatMap { try? JSONValue(parsing: $0) }
        for column in geo?["columns"]?.object?.members ?? [] {
            guard let encoding = column.value["encoding"]?.string, encoding.uppercased() == "WKB" else {
                throw ParquetError("its geometries are not in well-known binary (WKB)", column: column.name)
            }
            geometries.insert(column.name)
        }
        self.geometries = geometries
    }

    /// The next item; nil at the end.
    ///
    /// What is missing in a row is missing in the item, but for what an Item always has: `type`, `geometry`, `links`,
    /// `assets` and the property `datetime`.
    package mutating func next() throws -> JSONValue? {
        guard let row = try reader.next() else { return nil }
        var members: [String: JSONValue] = [:]
        var properties = JSONObject()
        var rest: JSONObject?
        for (field, value) in zip(reader.fields, row) {
            let json: JSONValue
            do {
                json = try self.json(value, field.type, field.name)
            } catch {
                throw ParquetError(error.message, column: field.name)
            }
            if field.name == ItemColumns.rest, case .object(let object) = json {
                rest = object
            } else if field.name == "bbox" {
                members["bbox"] = Self.box(json)
            } else if json.isNull, field.name != "datetime" {
                continue
            } else if ItemColumns.members.contains(field.name) {
                members[field.name] = json
            } else {
                properties[field.name] = json
            }
        }
        if properties["datetime"] == JSONValue?.none { properties["datetime"] = JSONValue.null }
        var item = JSONObject()
        item["type"] = members["type"] ?? "Feature"
        for name in ["stac_version", "stac_extensions", "id", "collection"] { item.set(name, members[name]) }
        item["geometry"] = members["geometry"] ?? JSONValue.null
        item.set("bbox", members["bbox"])
        item["properties"] = .object(properties)
        item["links"] = members["links"] ?? []
        item["assets"] = members["assets"] ?? [:]
        for member in rest?.members ?? [] {
            if member.name == "properties", let more = member.value.object {
                for property in more.members { properties[property.name] = property.value }
                item["properties"] = .object(properties)
            } else {
                item[member.name] = member.value
            }
        }
        return .object(item)
    }

    private func json(_ value: ParquetValue, _ type: ParquetType, _ name: String) throws(ParquetError) -> JSONValue {
        switch (value, type) {
        case (.null, _): return .null
        case (.boolean(let value), _): return .bool(value)
        case (.integer(let value), .timestamp): return .string(Timestamp(microseconds: value).rfc3339)
        case (.integer(let days), .date):
            return .string(String(Timestamp(seconds: 0).adding(seconds: days.clamped * 86400).rfc3339.prefix(10)))
        case (.integer(let value), _): return .integer(value)
        case (.double(let value), _): return value.isFinite ? .double(value) : .null
        case (.bytes(let bytes), .json):
            do {
                return try JSONValue(parsing: bytes)
            } catch {
                throw ParquetError("a value is \(error)")
            }
        case (.bytes(let bytes), .text):
            guard let text = String(validating: bytes, as: UTF8.self) else { throw ParquetError("a text is not UTF-8") }
            return .string(text)
        case (.bytes(let bytes), _):
            guard geometries.contains(name) else {
                throw ParquetError("'\(name.prefix(80))' is of bytes, which JSON has none of")
            }
            guard let geometry = WellKnownBinary.geometry(bytes) else {
                throw ParquetError("a geometry is not well-known binary, or is empty")
            }
            return geometry
        case (.list(let values), .list(let element)):
            var out: [JSONValue] = []
            for value in values { out.append(try json(value, element, name)) }
            return .array(out)
        case (.list(let pairs), .map(let keys, let values)):
            var out: [JSONObject.Member] = []
            for case .group(let pair) in pairs where pair.count == 2 {
                guard let key = try json(pair[0], keys, name).string else { throw ParquetError("a key is not a text") }
                let value = try json(pair[1], values, key)
                if !value.isNull { out.append(.init(name: key, value: value)) }
            }
            return .object(JSONObject(out))
        case (.group(let values), .group(let fields)):
            var out: [JSONObject.Member] = []
            for (value, field) in zip(values, fields) {
                let value = try json(value, field.type, field.name)
                if !value.isNull { out.append(.init(name: field.name, value: value)) }
            }
            return .object(JSONObject(out))
        default: throw ParquetError("a value is not of its type")
        }
    }

    /// A group of corners, or a list of them, as STAC's list.
    private static func box(_ value: JSONValue) -> JSONValue? {
        if let items = value.array { return .array(items.filter { !$0.isNull }) }
        let corners = ["xmin", "ymin", "zmin", "xmax", "ymax", "zmax"].compactMap { value[$0] }.filter { !$0.isNull }
        return corners.isEmpty ? nil : .array(corners)
    }
}

extension Int64 {
    /// Days, so that their seconds are a number of 64 bits.
    fileprivate var clamped: Int64 { Swift.min(Swift.max(self, -1_000_000_000), 1_000_000_000) }
}
