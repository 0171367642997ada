import ProductMetadata
import Rasters
import Wire

extension RasterDescription {
    /// When what is in it begins: by its coordinates, else by what it says of itself.
    var begin: Timestamp? { start ?? times?.0 ?? moment("time_coverage_start") ?? moment("start_time") }

    var close: Timestamp? { end ?? times?.1 ?? moment("time_coverage_end") ?? moment("stop_time") }

    private var times: (Timestamp, Timestamp)? {
        for dimension in dimensions where dimension.axis == "time" {
            if case .moments(let first, let last) = dimension.extent { return (first, last) }
        }
        return nil
    }

    private func moment(_ attribute: String) -> Timestamp? {
        attributes[attribute].flatMap { Timestamp(rfc3339: $0) ?? Timestamp(rfc3339: $0 + "Z") }
    }

    /// Properties of an Item that holds this alone.
    func describe(_ properties: inout JSONObject) {
        func set(_ name: String, _ value: JSONValue?) {
            if let value, properties[name] == nil { properties[name] = value }
        }
        set("title", attributes["title"].map { .string($0) })
        set("description", attributes["summary"].map { .string($0) })
        set("license", attributes["license"].flatMap { $0.count <= 64 && !$0.contains(" ") ? .string($0) : nil })
        set("platform", attributes["platform"].map { .string($0.lowercased()) })
        let instrument = attributes["instrument"] ?? attributes["sensor"] ?? camera
        set("instruments", instrument.map { .array([.string($0.lowercased())]) })
        set("processing:level", attributes["processing_level"].map { .string($0) })
        if let name = attributes["institution"] {
            set("providers", [["name": .string(name), "roles": ["producer"]]])
        }
        if !dimensions.isEmpty {
            set("cube:dimensions", DataCube.dimensions(of: self))
            set("cube:variables", DataCube.variables(of: self))
        }
    }
}

/// The fields of STAC's datacube extension (v2.3.0).
enum DataCube {
    static let schema = "https://stac-extensions.github.io/datacube/v2.3.0/schema.json"

    static func dimensions(of look: RasterDescription) -> JSONValue {
        var out = JSONObject()
        for dimension in look.dimensions { out[dimension.name] = value(dimension, look) }
        return .object(out)
    }

    private static func value(_ dimension: RasterDescription.Dimension, _ look: RasterDescription) -> JSONValue {
        var out = JSONObject()
        switch (dimension.axis, dimension.extent) {
        case ("x", .numbers(let low, let high)), ("y", .numbers(let low, let high)), ("z", .numbers(let low, let high)):
            out["type"] = "spatial"
            out["axis"] = .string(dimension.axis)
            out["extent"] = [.double(low), .double(high)]
            if dimension.axis != "z", let code = look.crsCode, code.hasPrefix("EPSG:") {
                out.set("reference_system", Int64(code.dropFirst(5)).map { .integer($0) })
            }
        case (_, .moments(let first, let last)):
            out["type"] = "temporal"
            out["extent"] = [.string(first.rfc3339), .string(last.rfc3339)]
        case (_, .numbers(let low, let high)):
            out["type"] = "other"
            out["extent"] = [.double(low), .double(high)]
        case (_, nil):
            // Without coordinates its places are only counted.
            out["type"] = "index"
            out["extent"] = [0, .integer(max(0, dimension.size - 1))]
        }
        out.set("unit", dimension.unit)
        return .object(out)
    }

    static func variables(of look: RasterDescription) -> JSONValue {
        var out = JSONObject()
        for variable in look.variables {
            var fields = JSONObject()
            fields["dimensions"] = .array(variable.dimensions.map { .string($0) })
            fields["type"] = variable.isCoordinate ? "auxiliary" : "data"
            fields.set("description", variable.description)
            fields.set("unit", variable.unit)
            fields.set("data_type", variable.dataType)
            out[variable.name] = .object(fields)
        }
        return .object(out)
    }
}

/// The fields of STAC's raster extension (v2.0.0), which stand with each band.
enum RasterFields {
    static let schema = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"

    static func describe(_ look: RasterDescription) -> Bool {
        look.bands.contains { !members(of: $0, in: look).isEmpty }
    }

    static func members(
        of band: RasterDescription.Band, in look: RasterDescription
    ) -> [(name: String, value: JSONValue)] {
        var out: [(name: String, value: JSONValue)] = []
        if let sampling = look.sampling { out.append(("raster:sampling", .string(sampling))) }
        if let gsd = look.gsd { out.append(("raster:spatial_resolution", .double(gsd))) }
        if let bits = band.bits { out.append(("raster:bits_per_sample", .integer(bits))) }
        if let scale = band.scale { out.append(("raster:scale", .double(scale))) }
        if let offset = band.offset { out.append(("raster:offset", .double(offset))) }
        return out
    }
}

/// The fields of STAC's table extension (v1.2.0), which knows one table a file; a file of several names them.
enum TableFields {
    static let schema = "https://stac-extensions.github.io/table/v1.2.0/schema.json"

    static func members(of look: RasterDescription) -> [(name: String, value: JSONValue)] {
        guard let first = look.layers.first else { return [] }
        if look.layers.count == 1 {
            return [("table:row_count", .integer(first.count)), ("table:columns", columns(first))]
        }
        let layers = look.layers.map { layer -> JSONValue in
            var out = JSONObject()
            out["name"] = .string(layer.name)
            out["row_count"] = .integer(layer.count)
            out.set("geometry", layer.geometry)
            out["columns"] = columns(layer)
            return .object(out)
        }
        return [("martlet:layers", .array(layers))]
    }

    private static func columns(_ layer: RasterDescription.Layer) -> JSONValue {
        var columns = layer.columns
        if let geometry = layer.geometry { columns.append(("geometry", geometry.lowercased())) }
        return .array(
            columns.map { column in
                var out = JSONObject()
                out["name"] = .string(column.name)
                out.set("type", column.type)
                return .object(out)
            })
    }
}
