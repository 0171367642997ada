internal import CGDAL
internal import Wire

/// A file of features: shapefile, GeoPackage, GeoJSON, FlatGeobuf, a table with coordinates.
struct FeatureFile {
    private struct Layer {
        var handle: OGRLayerH
        var name: String
        var count: Int64
        var geometry: String?
        /// Minimum x, minimum y, maximum x, maximum y in the layer's own coordinates.
        var extent: [Double]?
        var system: OGRSpatialReferenceH?
    }

    private static let layersMax: Int32 = 32
    private static let columnsMax: Int32 = 256
    /// Features whose times are read, and that are drawn.
    private static let readMax: Int64 = 1_000_000
    private static let drawnMax: Int64 = 200_000
    /// Processor seconds of the process after which reading stops.
    private static let processorSecondsMax = 8.0

    private let dataset: GDALDatasetH
    private let layers: [Layer]

    init?(path: String) {
        let options = [
            "X_POSSIBLE_NAMES=lon,long,longitude,lng,x,lon_dd,decimallongitude",
            "Y_POSSIBLE_NAMES=lat,latitude,y,lat_dd,decimallatitude", "KEEP_GEOM_COLUMNS=YES", "AUTODETECT_TYPE=YES",
        ]
        let isTable = path.lowercased().hasSuffix(".csv")
        var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        for option in isTable ? options : [] { list = CSLAddString(list, option) }
        defer { CSLDestroy(list) }
        let arguments = UnsafeRawPointer(list)?.assumingMemoryBound(to: UnsafePointer<CChar>?.self)
        let flags = UInt32(GDAL_OF_VECTOR | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR)
        guard let dataset = GDALOpenEx(path, flags, nil, arguments, nil) else { return nil }
        self.dataset = dataset
        layers = (0..<min(GDALDatasetGetLayerCount(dataset), Self.layersMax)).compactMap { index in
            guard let handle = GDALDatasetGetLayer(dataset, index) else { return nil }
            var layer = Layer(
                handle: handle, name: OGR_L_GetName(handle).map { String(cString: $0) } ?? "",
                count: max(0, OGR_L_GetFeatureCount(handle, 1)))
            let type = OGR_L_GetGeomType(handle)
            guard type != wkbNone else { return layer }
            layer.geometry = OGRGeometryTypeToName(type).map { String(cString: $0) }
            var envelope = OGREnvelope()
            if layer.count > 0, OGR_L_GetExtent(handle, &envelope, 1) == OGRERR_NONE {
                let extent = [envelope.MinX, envelope.MinY, envelope.MaxX, envelope.MaxY]
                if extent.allSatisfy(\.isFinite) { layer.extent = extent }
            }
            layer.system = OGR_L_GetSpatialRef(handle)
            // A table names no system; columns that are called so hold degrees.
            if isTable, layer.system == nil, let extent = layer.extent, Self.areDegrees(extent) {
                layer.system = Georeference.wgs84
            }
            return layer
        }
        guard !layers.isEmpty else { return nil }
    }

    private static func areDegrees(_ extent: [Double]) -> Bool {
        extent[0] >= -180 && extent[2] <= 180 && extent[1] >= -90 && extent[3] <= 90
    }

    func describe(_ json: inout JSONWriter) {
        if let name = driverName(dataset) { json.member("driver", name) }
        json.key("layers")
        json.array { json in
            for layer in layers { json.object { Self.describe(layer, &$0) } }
        }
        let times = layers.compactMap { Self.times(of: $0) }
        if let first = times.map(\.lowerBound).min(), let last = times.map(\.upperBound).max() {
            json.member("start", first.rfc3339)
            json.member("end", last.rfc3339)
        }
        if let system = layers.first(where: { $0.extent != nil })?.system { Georeference.describe(system, &json) }
        describePlace(&json)
    }

    /// The box around all layers.
    private func describePlace(_ json: inout JSONWriter) {
        let rings = layers.compactMap { layer -> [(x: Double, y: Double)]? in
            guard let extent = layer.extent, let system = layer.system else { return nil }
            return Georeference.geographic(Georeference.outline(of: extent, steps: 8), from: system)
        }
        let (x, y) = (rings.joined().map(\.x), rings.joined().map(\.y))
        guard let west = x.min(), let east = x.max(), let south = y.min(), let north = y.max() else {
            let hasExtent = layers.contains { $0.extent != nil }
            json.member(
                "no_geometry", hasExtent ? "the features name no coordinate reference system" : "there are no features")
            return
        }
        if rings.count == 1, west < east, south < north {
            Georeference.write(ring: rings[0], &json)
        } else if west == east || south == north {
            // One place, or a line of them: no ring can be drawn around it.
            json.key("box")
            json.array { json in for number in [west, south, east, north] { json.number(number) } }
        } else {
            Georeference.write(ring: Georeference.outline(of: [west, south, east, north], steps: 1), &json)
        }
    }

    private static func describe(_ layer: Layer, _ json: inout JSONWriter) {
        json.member("name", layer.name.prefix(256))
        json.member("count", layer.count)
        if let geometry = layer.geometry { json.member("geometry", geometry) }
        json.key("columns")
        json.array { json in
            guard let definition = OGR_L_GetLayerDefn(layer.handle) else { return }
            for index in 0..<min(OGR_FD_GetFieldCount(definition), columnsMax) {
                guard let field = OGR_FD_GetFieldDefn(definition, index), let name = OGR_Fld_GetNameRef(field) else {
                    continue
                }
                json.object { json in
                    json.member("name", String(cString: name).prefix(256))
                    if let type = OGR_GetFieldTypeName(OGR_Fld_GetType(field)) {
                        json.member("type", String(cString: type).lowercased())
                    }
                }
            }
        }
    }

    /// From when to when the layer's first column of dates or times goes.
    private static func times(of layer: Layer) -> ClosedRange<Timestamp>? {
        guard let definition = OGR_L_GetLayerDefn(layer.handle),
            let column = (0..<min(OGR_FD_GetFieldCount(definition), columnsMax)).first(where: { index in
                let type = OGR_FD_GetFieldDefn(definition, index).map { OGR_Fld_GetType($0) }
                return type == OFTDateTime || type == OFTDate
            })
        else { return nil }
        var range: ClosedRange<Timestamp>?
        OGR_L_ResetReading(layer.handle)
        for number in 0..<readMax {
            guard let feature = OGR_L_GetNextFeature(layer.handle) else { break }
            defer { OGR_F_Destroy(feature) }
            if number % 1024 == 0, Preview.processorSeconds > processorSecondsMax { return nil }
            guard let moment = moment(feature, column) else { continue }
            range = range.map { min($0.lowerBound, moment)...max($0.upperBound, moment) } ?? moment...moment
        }
        return range
    }

    /// Without a zone it is taken for UTC.
    private static func moment(_ feature: OGRFeatureH, _ column: Int32) -> Timestamp? {
        var (year, month, day, hour, minute, zone) = (Int32(0), Int32(0), Int32(0), Int32(0), Int32(0), Int32(0))
        var second: Float = 0
        guard OGR_F_IsFieldSetAndNotNull(feature, column) != 0,
            OGR_F_GetFieldAsDateTimeEx(feature, column, &year, &month, &day, &hour, &minute, &second, &zone) != 0,
            let moment = Timestamp(
                year: Int(year), month: Int(month), day: Int(day), hour: Int(hour), minute: Int(minute),
                second: Int(second))
        else { return nil }
        // 100 is UTC; each step is a quarter of an hour.
        return zone > 1 ? moment.adding(seconds: -Int64(zone - 100) * 900) : moment
    }

    // MARK: The picture

    /// The outlines of the first layer that has any, drawn in one colour.
    func preview() -> Result<[UInt8], Preview.Missing> {
        guard let layer = layers.first(where: { $0.extent != nil }), let extent = layer.extent else {
            return .failure(Preview.Missing(message: "there are no geometries"))
        }
        guard layer.count <= Self.drawnMax else {
            return .failure(Preview.Missing(message: "there are \(layer.count) features"))
        }
        let edge = Double(Preview.edgeMax)
        let span = max(extent[2] - extent[0], extent[3] - extent[1])
        // One point has no size; it gets a pixel in the middle.
        let unit = span > 0 ? span / (edge * 0.96) : 1
        let (width, height) = (
            Int32(max(1, ((extent[2] - extent[0]) / unit + edge * 0.04).rounded())),
            Int32(max(1, ((extent[3] - extent[1]) / unit + edge * 0.04).rounded()))
        )
        let margin = edge * 0.02 * unit
        var transform = [extent[0] - margin, unit, 0, extent[3] + margin, 0, -unit]
        let failure = Preview.Missing(message: "the features cannot be drawn")
        guard let driver = GDALGetDriverByName("MEM"),
            let picture = GDALCreate(driver, "", width, height, 1, GDT_Byte, nil),
            GDALSetGeoTransform(picture, &transform) == CE_None
        else { return .failure(failure) }
        if let system = layer.system { GDALSetSpatialRef(picture, system) }
        var bands: [Int32] = [1]
        var handles: [OGRLayerH?] = [layer.handle]
        var values = [255.0]
        var options: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        options = CSLAddString(options, "ALL_TOUCHED=TRUE")
        defer { CSLDestroy(options) }
        OGR_L_ResetReading(layer.handle)
        guard
            GDALRasterizeLayers(
                picture, 1, &bands, 1, &handles, nil, nil, &values, options,
                { _, _, _ in Preview.processorSeconds < Preview.processorSecondsMax ? 1 : 0 }, nil) == CE_None
        else { return .failure(failure) }
        var drawn = [UInt8](repeating: 0, count: Int(width) * Int(height))
        guard let band = GDALGetRasterBand(picture, 1),
            GDALRasterIO(band, GF_Read, 0, 0, width, height, &drawn, width, height, GDT_Byte, 0, 0) == CE_None
        else { return .failure(failure) }
        let colour: [UInt8] = [31, 95, 139]
        return Preview.encode(
            colour.map { [UInt8](repeating: $0, count: drawn.count) } + [drawn], width: Int(width), height: Int(height))
    }
}
