package import Parquet
package import Wire

/// Writes STAC Items as GeoParquet 1.1 in the form of stac-geoparquet: items are put in, bytes are taken out now and
/// then.
package struct ItemTableWriter {
    private let columns: ItemColumns
    private let kinds: [(field: ParquetField, kind: ValueKind)]
    private var writer: ParquetWriter

    /// - Parameter columns: what looked at each item that will come.
    /// - Throws: `ParquetError`.
    package init(_ columns: ItemColumns) throws {
        self.columns = columns
        kinds = columns.columns
        writer = try ParquetWriter(kinds.map(\.field))
    }

    /// - Throws: `ParquetError` for an item that the columns were not made for.
    package mutating func append(_ item: JSONValue) throws {
        let members = Dictionary((item.object?.members ?? []).map { ($0.name, $0.value) }) { $1 }
        let properties = Dictionary((members["properties"]?.object?.members ?? []).map { ($0.name, $0.value) }) { $1 }
        var row: [ParquetValue] = []
        row.reserveCapacity(kinds.count)
        for (field, kind) in kinds {
            if field.name == ItemColumns.rest {
                row.append(columns.rest(of: item).map { .bytes($0.bytes) } ?? .null)
            } else if field.name == "bbox" {
                let box = members["bbox"].flatMap { ItemColumns.box($0, hasAltitude: columns.boxHasAltitude) }
                row.append(box.map { .group($0) } ?? .null)
            } else {
                let isMember = ItemColumns.members.contains(field.name)
                let value = isMember ? members[field.name] : properties[field.name]
                do {
                    row.append(try value.map { try kind.value($0) } ?? .null)
                } catch var error as ParquetError {
                    error.column = field.name
                    throw error
                }
            }
        }
        try writer.append(row)
    }

    /// What is to be written to the file next.
    package mutating func take() -> [UInt8] { writer.take() }

    /// The end of the file.
    package mutating func finish() throws -> [UInt8] {
        let corners = ["xmin", "ymin", "xmax", "ymax"].map { corner in
            JSONObject.Member(name: corner, value: ["bbox", .string(corner)])
        }
        var geometries: JSONValue = [
            "geometry": [
                "encoding": "WKB", "geometry_types": .array(columns.geometryTypes.sorted().map { .string($0) }),
                "covering": ["bbox": .object(JSONObject(corners))],
            ]
        ]
        if columns.properties[ItemColumns.projectedGeometry] == .geometry, case .object(var all) = geometries {
            // Each item's may be in another reference system.
            all[ItemColumns.projectedGeometry] = ["encoding": "WKB", "geometry_types": [], "crs": .null]
            geometries = .object(all)
        }
        let geo: JSONValue = ["version": "1.1.0", "primary_column": "geometry", "columns": geometries]
        return try writer.finish(metadata: [
            (key: "geo", value: geo.text), (key: "stac-geoparquet", value: #"{"version":"1.1.0"}"#),
        ])
    }
}
