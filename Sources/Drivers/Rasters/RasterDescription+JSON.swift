internal import ProductMetadata
internal import Wire

extension RasterDescription {
    /// Reads what the child says, and believes none of it unseen.
    ///
    /// - Throws: `notARaster` where the child says so, `misbehaved` for what is not a description.
    init(child bytes: [UInt8], preview: [UInt8]) throws(RasterError) {
        let misbehaved = RasterError(.misbehaved, "the raster reader's answer is not a description of a raster")
        let json: JSONValue
        do {
            json = try JSONValue(parsing: bytes, maximumDepth: 8)
        } catch {
            throw RasterError(.misbehaved, "the raster reader's answer is not JSON: \(error)")
        }
        if let reason = json["error"]?.string { throw RasterError(.notARaster, "not a raster: \(reason.prefix(1000))") }
        guard let driver = json["driver"]?.string else { throw misbehaved }
        self.driver = driver
        (width, height) = (json["width"]?.integer, json["height"]?.integer)
        bandCount = json["band_count"]?.integer ?? 0
        let counts = [width, height, bandCount].compactMap { $0 }
        guard (width == nil) == (height == nil), counts.allSatisfy({ (0...Int64(Int32.max)).contains($0) }) else {
            throw misbehaved
        }
        isCloudOptimized = json["cloud_optimized"]?.bool ?? false
        let (bands, dimensions, variables, layers) = (
            json["bands"]?.array ?? [], json["dimensions"]?.array ?? [], json["variables"]?.array ?? [],
            json["layers"]?.array ?? []
        )
        guard !bands.isEmpty || !dimensions.isEmpty || !variables.isEmpty || !layers.isEmpty, bands.count <= 256,
            dimensions.count <= 1024, variables.count <= 256, layers.count <= 32
        else { throw misbehaved }
        self.bands = bands.map { Band($0) }
        self.dimensions = dimensions.compactMap { Dimension($0) }
        self.variables = variables.compactMap { Variable($0) }
        self.layers = layers.compactMap { Layer($0) }
        for member in json["attributes"]?.object?.members ?? [] { attributes[member.name] = member.value.string }
        (start, end) = (Self.moment(json["start"]), Self.moment(json["end"]))
        camera = json["camera"]?.string
        sampling = (json["sampling"]?.string).flatMap { ["area", "point"].contains($0) ? $0 : nil }
        crsCode = json["crs_code"]?.string
        crsWKT2 = json["crs_wkt2"]?.string
        transform = Self.numbers(json["transform"], count: 6)
        projectedBBox = Self.numbers(json["proj_bbox"], count: 4)
        gsd = json["gsd"]?.number
        datetime = (json["datetime"]?.string).flatMap { Self.moment(tiff: $0, zone: json["zone"]?.string) }
        noFootprint = json["no_geometry"]?.string
        if let ring = json["footprint"]?.array {
            let positions = ring.compactMap { point -> Footprint.Position? in
                Self.numbers(point, count: 2).map { .init(longitude: $0[0], latitude: $0[1]) }
            }
            do {
                footprint = try Footprint(ring: positions)
            } catch {
                noFootprint = error.message
            }
        } else if let box = Self.numbers(json["box"], count: 4) {
            footprint = Footprint(box: box)
        }
        noPreview = json["preview_missing"]?.string
        guard !preview.isEmpty else { return }
        guard preview.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else { throw misbehaved }
        self.preview = preview
    }

    private static func numbers(_ value: JSONValue?, count: Int) -> [Double]? {
        guard let numbers = value?.array?.compactMap(\.number), numbers.count == count else { return nil }
        return numbers
    }

    private static func moment(_ value: JSONValue?) -> Timestamp? {
        (value?.string).flatMap { Timestamp(rfc3339: $0) }
    }

    /// `2019:12:01 15:13:51` (TIFF 6.0, DateTime) with Exif's offset `+01:00`, where there is one.
    private static func moment(tiff text: String, zone: String?) -> Timestamp? {
        let fields = text.split { $0 == ":" || $0 == " " }.compactMap { Int($0) }
        guard fields.count == 6,
            let moment = Timestamp(
                year: fields[0], month: fields[1], day: fields[2], hour: fields[3], minute: fields[4],
                second: fields[5])
        else { return nil }
        guard let zone, let utc = Timestamp(rfc3339: moment.rfc3339.dropLast() + zone) else { return moment }
        return utc
    }
}

extension RasterDescription.Band {
    init(_ json: JSONValue) {
        self.init(
            dataType: json["data_type"]?.string, nodata: json["nodata"],
            colorInterpretation: json["color_interpretation"]?.string, description: json["description"]?.string)
        (scale, offset, unit) = (json["scale"]?.number, json["offset"]?.number, json["unit"]?.string)
        bits = json["bits"]?.integer
    }
}

extension RasterDescription.Dimension {
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.string, let size = json["size"]?.integer, size >= 0,
            let axis = json["axis"]?.string
        else { return nil }
        (self.name, self.size, self.axis) = (name, size, axis)
        unit = json["unit"]?.string
        guard let ends = json["extent"]?.array, ends.count == 2 else { return }
        if let low = ends[0].number, let high = ends[1].number {
            extent = .numbers(low, high)
        } else if let first = ends[0].string.flatMap({ Timestamp(rfc3339: $0) }),
            let last = ends[1].string.flatMap({ Timestamp(rfc3339: $0) })
        {
            extent = .moments(first, last)
        }
    }
}

extension RasterDescription.Variable {
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.string, let dimensions = json["dimensions"]?.array else { return nil }
        self.name = name
        isCoordinate = json["is_coordinate"]?.bool ?? false
        self.dimensions = dimensions.compactMap(\.string)
        dataType = json["data_type"]?.string
        unit = json["unit"]?.string
        description = json["description"]?.string
    }
}

extension RasterDescription.Layer {
    init?(_ json: JSONValue) {
        guard let name = json["name"]?.string, let count = json["count"]?.integer, count >= 0,
            let columns = json["columns"]?.array, columns.count <= 256
        else { return nil }
        (self.name, self.count) = (name, count)
        geometry = json["geometry"]?.string
        self.columns = columns.compactMap { column in
            column["name"]?.string.map { ($0, column["type"]?.string ?? "") }
        }
    }
}
