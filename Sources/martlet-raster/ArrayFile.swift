internal import CGDAL
internal import ProductMetadata
internal import Wire

/// A file of arrays with named dimensions: NetCDF, HDF5, Zarr, read by GDAL's multidimensional interface. What its
/// coordinates mean is said by the CF conventions (1.11), and by common names where those are silent.
struct ArrayFile {
    private enum Axis: String { case x, y, z, time, other }

    private struct Dimension {
        var name: String
        var size: UInt64
    }

    private struct Variable {
        var handle: GDALMDArrayH
        var name: String
        var dimensions: [Dimension]
        var type: String?
        var unit: String?
        var attributes: [String: String]

        var count: UInt64 { dimensions.reduce(1) { $0.multipliedReportingOverflow(by: $1.size).partialValue } }

        /// Whether it gives the places of its one dimension.
        var isCoordinate: Bool { dimensions.count == 1 && dimensions[0].name == name }

        var isLongitude: Bool {
            attributes["standard_name"] == "longitude" || ArrayFile.eastward.contains(unit ?? "")
                || ["lon", "longitude", "long"].contains(name.lowercased())
        }

        var isLatitude: Bool {
            attributes["standard_name"] == "latitude" || ArrayFile.northward.contains(unit ?? "")
                || ["lat", "latitude"].contains(name.lowercased())
        }

        var axis: Axis {
            let (axis, standard) = (attributes["axis"]?.uppercased(), attributes["standard_name"] ?? "")
            if axis == "X" || isLongitude || standard == "projection_x_coordinate" { return .x }
            if axis == "Y" || isLatitude || standard == "projection_y_coordinate" { return .y }
            if axis == "T" || standard == "time" || unit?.contains(" since ") == true { return .time }
            let vertical = ["depth", "height", "altitude", "air_pressure", "model_level_number"]
            if axis == "Z" || attributes["positive"] != nil || vertical.contains(standard) { return .z }
            switch name.lowercased() {
            case "x", "easting", "xc": return .x
            case "y", "northing", "yc": return .y
            case "depth", "level", "height", "altitude": return .z
            default: return .other
            }
        }
    }

    private static let eastward: Set = ["degrees_east", "degree_east", "degrees_E", "degree_E", "degreesE", "degreeE"]
    private static let northward: Set = [
        "degrees_north", "degree_north", "degrees_N", "degree_N", "degreesN", "degreeN",
    ]

    private static let variablesMax = 256
    private static let depthMax = 4
    /// Coordinates of one dimension that are read; of a longer one the first and the last.
    private static let coordinatesMax: UInt64 = 1_000_000
    /// A file in a form that is only read from memory.
    private static let bytesInMemoryMax: UInt64 = 256 << 20
    private static let attributesTold = [
        "title", "summary", "institution", "platform", "instrument", "sensor", "license", "time_coverage_start",
        "time_coverage_end", "start_time", "stop_time", "processing_level", "geospatial_lon_min", "geospatial_lon_max",
        "geospatial_lat_min", "geospatial_lat_max",
    ]

    private let files: VirtualFiles
    private let dataset: GDALDatasetH
    private let root: GDALGroupH
    private let variables: [Variable]
    /// A picture of the largest array that has a horizontal place, its first one in every other dimension.
    let grid: Raster?

    init?(_ files: VirtualFiles) {
        var path = files.path
        // The classic forms (CDF and a version) are read by a library that knows no virtual files but those in memory.
        if files.magic(3) == Array("CDF".utf8) {
            guard let copy = Self.copyToMemory(files) else { return nil }
            path = copy
        }
        let flags = UInt32(GDAL_OF_MULTIDIM_RASTER | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR)
        guard let dataset = GDALOpenEx(path, flags, nil, nil, nil), let root = GDALDatasetGetRootGroup(dataset) else {
            return nil
        }
        self.files = files
        self.dataset = dataset
        self.root = root
        var variables: [Variable] = []
        Self.collect(root, depth: 0, into: &variables)
        guard !variables.isEmpty else { return nil }
        self.variables = variables
        grid = Self.grid(of: variables)
    }

    private static func copyToMemory(_ files: VirtualFiles) -> String? {
        guard files.first.size <= bytesInMemoryMax else {
            CPLErrorSetState(
                CE_Failure, 1, "a classic NetCDF file of more than \(bytesInMemoryMax >> 20) MiB is not looked into")
            return nil
        }
        let path = "/vsimem/classic.nc"
        return CPLCopyFile(path, files.path) == 0 ? path : nil
    }

    private static func collect(_ group: GDALGroupH, depth: Int, into variables: inout [Variable]) {
        for name in strings(GDALGroupGetMDArrayNames(group, nil)) {
            guard variables.count < variablesMax else { return }
            if let handle = GDALGroupOpenMDArray(group, name, nil) { variables.append(variable(handle, name)) }
        }
        guard depth < depthMax else { return }
        for name in strings(GDALGroupGetGroupNames(group, nil)) where variables.count < variablesMax {
            if let inner = GDALGroupOpenGroup(group, name, nil) { collect(inner, depth: depth + 1, into: &variables) }
        }
    }

    private static func variable(_ handle: GDALMDArrayH, _ name: String) -> Variable {
        var count = 0
        let list = GDALMDArrayGetDimensions(handle, &count)
        let dimensions = (0..<count).compactMap { index in
            list?[index].map {
                Dimension(
                    name: GDALDimensionGetName($0).map { String(cString: $0) } ?? "\(index)",
                    size: GDALDimensionGetSize($0))
            }
        }
        let unit = GDALMDArrayGetUnit(handle).map { String(cString: $0) } ?? ""
        var attributes: [String: String] = [:]
        for name in ["standard_name", "long_name", "axis", "positive", "calendar", "units"] {
            attributes[name] = GDALMDArrayGetAttribute(handle, name).flatMap { text($0) }
        }
        return Variable(
            handle: handle, name: name, dimensions: dimensions,
            type: GDALMDArrayGetDataType(handle).flatMap {
                GDALExtendedDataTypeGetClass($0) == GEDTC_NUMERIC
                    ? Raster.dataType(GDALExtendedDataTypeGetNumericDataType($0)) : nil
            }, unit: unit.isEmpty ? attributes["units"] : unit, attributes: attributes)
    }

    private static func text(_ attribute: GDALAttributeH) -> String? {
        GDALAttributeReadAsString(attribute).map { String(String(cString: $0).prefix(2000)) }
    }

    // MARK: Description

    func describe(_ json: inout JSONWriter) {
        if let name = driverName(dataset) { json.member("driver", name) }
        var told: [String: String] = [:]
        for name in Self.attributesTold { told[name] = GDALGroupGetAttribute(root, name).flatMap { Self.text($0) } }
        json.key("attributes")
        json.object { json in for (name, text) in told.sorted(by: { $0.key < $1.key }) { json.member(name, text) } }
        json.key("dimensions")
        json.array { json in
            var seen: Set<String> = []
            for dimension in variables.lazy.flatMap(\.dimensions) where seen.insert(dimension.name).inserted {
                json.object { describe(dimension, &$0) }
            }
        }
        json.key("variables")
        json.array { json in
            for variable in variables where !variable.dimensions.isEmpty { json.object { describe(variable, &$0) } }
        }
        grid?.describeGrid(&json)
        if let grid, Georeference(grid, isDegrees: isInDegrees).describeOutline(&json) { return }
        describePlace(told, &json)
    }

    private var isInDegrees: Bool {
        variables.contains { $0.isCoordinate && $0.isLongitude }
            && variables.contains { $0.isCoordinate && $0.isLatitude }
    }

    private func describe(_ dimension: Dimension, _ json: inout JSONWriter) {
        json.member("name", dimension.name.prefix(256))
        json.member("size", Int64(clamping: dimension.size))
        guard let coordinate = variables.first(where: { $0.isCoordinate && $0.name == dimension.name }) else {
            json.member("axis", Axis.other.rawValue)
            return
        }
        let axis = coordinate.axis
        json.member("axis", axis.rawValue)
        if let unit = coordinate.unit { json.member("unit", unit.prefix(256)) }
        guard let values = values(of: coordinate), let low = values.min(), let high = values.max() else { return }
        json.key("extent")
        json.array { json in
            let time = coordinate.unit.flatMap { CFTime(unit: $0, calendar: coordinate.attributes["calendar"]) }
            if let first = time?.moment(low), let last = time?.moment(high) {
                json.string(first.rfc3339)
                json.string(last.rfc3339)
            } else {
                json.number(low)
                json.number(high)
            }
        }
    }

    private func describe(_ variable: Variable, _ json: inout JSONWriter) {
        json.member("name", variable.name.prefix(256))
        json.member("is_coordinate", variable.isCoordinate)
        json.member("dimensions", variable.dimensions.map(\.name))
        if let type = variable.type { json.member("data_type", type) }
        if let unit = variable.unit { json.member("unit", unit.prefix(256)) }
        if let name = variable.attributes["long_name"] ?? variable.attributes["standard_name"] {
            json.member("description", name)
        }
    }

    // MARK: Where

    /// Where there is no grid with a geotransform: the outline of a swath, the box of the coordinates, or what the
    /// attributes say.
    private func describePlace(_ told: [String: String], _ json: inout JSONWriter) {
        if let ring = swath() {
            Georeference.write(ring: ring, &json)
            return
        }
        let longitudes = variables.first { $0.isLongitude && $0.dimensions.count == 1 }.flatMap { values(of: $0) }
        let latitudes = variables.first { $0.isLatitude && $0.dimensions.count == 1 }.flatMap { values(of: $0) }
        let read = [longitudes?.min(), latitudes?.min(), longitudes?.max(), latitudes?.max()]
        let names = ["lon_min", "lat_min", "lon_max", "lat_max"]
        let box = zip(read, names).compactMap { $0 ?? told["geospatial_\($1)"].flatMap { Double($0) } }
        guard box.count == 4, abs(box[0]) <= 360, abs(box[2]) <= 360, abs(box[1]) <= 90, abs(box[3]) <= 90 else {
            json.member("no_geometry", "the arrays name no place on Earth")
            return
        }
        guard box[0] < box[2], box[1] < box[3] else {
            json.key("box")
            json.array { json in for number in box { json.number(number) } }
            return
        }
        Georeference.write(ring: Georeference.outline(of: box, steps: 1), &json)
    }

    /// Around the border of longitudes and latitudes that are arrays of two dimensions.
    private func swath() -> [(x: Double, y: Double)]? {
        guard let longitude = variables.first(where: { $0.isLongitude && $0.dimensions.count == 2 }),
            let latitude = variables.first(where: { $0.isLatitude && $0.dimensions.count == 2 }),
            longitude.dimensions.map(\.size) == latitude.dimensions.map(\.size),
            longitude.dimensions.allSatisfy({ $0.size > 1 })
        else { return nil }
        let (rows, columns) = (longitude.dimensions[0].size - 1, longitude.dimensions[1].size - 1)
        let steps: UInt64 = 8
        let places = (0..<4 * steps).map { index -> [UInt64] in
            let part = index % steps
            switch index / steps {
            case 0: return [0, columns * part / steps]
            case 1: return [rows * part / steps, columns]
            case 2: return [rows, columns - columns * part / steps]
            default: return [rows - rows * part / steps, 0]
            }
        }
        let ring = places.compactMap { place -> (x: Double, y: Double)? in
            guard let x = Self.read(longitude, from: place, count: [1, 1])?.first,
                let y = Self.read(latitude, from: place, count: [1, 1])?.first,
                abs(x) <= 360, abs(y) <= 90
            else { return nil }
            return (x, y)
        }
        return ring.count >= 4 ? ring : nil
    }

    // MARK: Values

    private func values(of variable: Variable) -> [Double]? {
        guard let size = variable.dimensions.first?.size, variable.dimensions.count == 1, size > 0, isThere(variable)
        else { return nil }
        let found =
            size <= Self.coordinatesMax
            ? Self.read(variable, from: [0], count: [Int(size)])
            : [0, size - 1].compactMap { Self.read(variable, from: [$0], count: [1])?.first }
        let numbers = found?.filter(\.isFinite) ?? []
        return numbers.isEmpty ? nil : numbers
    }

    /// Of a large store the node shows no chunks of large arrays: what GDAL reads there are no values.
    private func isThere(_ variable: Variable) -> Bool {
        guard files.path.hasSuffix(".zarr"), let name = GDALMDArrayGetFullName(variable.handle) else { return true }
        return files.names(in: files.path + String(cString: name)).contains {
            $0.utf8.first.map { 0x30...0x39 ~= $0 } ?? false
        }
    }

    private static func read(_ variable: Variable, from start: [UInt64], count: [Int]) -> [Double]? {
        guard let type = GDALExtendedDataTypeCreate(GDT_Float64) else { return nil }
        let array = GDALMDArrayGetUnscaled(variable.handle) ?? variable.handle
        var (start, count) = (start, count)
        var values = [Double](repeating: .nan, count: count.reduce(1, *))
        return GDALMDArrayRead(array, &start, &count, nil, nil, type, &values, nil, 0) != 0 ? values : nil
    }

    // MARK: The picture

    private static func grid(of variables: [Variable]) -> Raster? {
        let axes = Dictionary(
            variables.filter(\.isCoordinate).map { ($0.name, $0.axis) }, uniquingKeysWith: { first, _ in first })
        let candidates = variables.compactMap { variable -> (variable: Variable, x: Int, y: Int)? in
            guard variable.dimensions.count >= 2, variable.type != nil else { return nil }
            let found = variable.dimensions.map { axes[$0.name] ?? .other }
            guard let x = found.lastIndex(of: .x), let y = found.lastIndex(of: .y) else {
                return nil
            }
            return (variable, x, y)
        }
        guard let best = candidates.max(by: { $0.variable.count < $1.variable.count }) else { return nil }
        let names = best.variable.dimensions.indices.map { $0 == best.x || $0 == best.y ? ":" : "0" }
        guard let view = GDALMDArrayGetView(best.variable.handle, "[\(names.joined(separator: ","))]"),
            let picture = GDALMDArrayAsClassicDataset(view, best.x < best.y ? 0 : 1, best.x < best.y ? 1 : 0)
        else { return nil }
        return Raster(picture)
    }
}
