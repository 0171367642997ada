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
        guard let driver = json["driver"]?.string, let width = json["width"]?.integer,
            let height = json["height"]?.integer,
            let bandCount = json["band_count"]?.integer, let bands = json["bands"]?.array, bands.count <= 256,
            width > 0,
            height > 0, bandCount > 0, width <= Int32.max, height <= Int32.max, bandCount <= Int32.max
        else { throw misbehaved }
        self.driver = driver
        (self.width, self.height, self.bandCount) = (width, height, bandCount)
        isCloudOptimized = json["cloud_optimized"]?.bool ?? false
        self.bands = bands.map {
            Band(
                dataType: $0["data_type"]?.string, nodata: $0["nodata"],
                colorInterpretation: $0["color_interpretation"]?.string,
                description: $0["description"]?.string)
        }
        crsCode = json["crs_code"]?.string
        crsWKT2 = json["crs_wkt2"]?.string
        transform = Self.numbers(json["transform"], count: 6)
        projectedBBox = Self.numbers(json["proj_bbox"], count: 4)
        gsd = json["gsd"]?.number
        datetime = (json["datetime"]?.string).flatMap { Self.moment(tiff: $0) }
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

    /// `2019:12:01 15:13:51` (TIFF 6.0, DateTime).
    private static func moment(tiff text: String) -> Timestamp? {
        let fields = text.split { $0 == ":" || $0 == " " }.compactMap { Int($0) }
        guard fields.count == 6 else { return nil }
        return Timestamp(
            year: fields[0], month: fields[1], day: fields[2], hour: fields[3], minute: fields[4], second: fields[5])
    }
}
