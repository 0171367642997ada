internal import CGDAL
internal import Wire

/// An open raster and what it says of itself.
struct Raster {
    let dataset: GDALDatasetH
    let width: Int32
    let height: Int32
    let bandCount: Int32

    /// Bands beyond this many are counted, not described.
    static let bandsDescribed: Int32 = 256

    /// Nil where no driver opens the file, or what opens has no pixels.
    init?(path: String) {
        let flags = UInt32(GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR)
        guard let dataset = GDALOpenEx(path, flags, nil, nil, nil) else { return nil }
        self.init(dataset)
    }

    init?(_ dataset: GDALDatasetH) {
        self.dataset = dataset
        width = GDALGetRasterXSize(dataset)
        height = GDALGetRasterYSize(dataset)
        bandCount = GDALGetRasterCount(dataset)
        guard width > 0, height > 0, bandCount > 0 else { return nil }
    }

    func band(_ number: Int32) -> GDALRasterBandH? { GDALGetRasterBand(dataset, number) }

    func describe(_ json: inout JSONWriter) {
        if let name = driverName(dataset) { json.member("driver", name) }
        describeGrid(&json)
        json.member("cloud_optimized", isCloudOptimized)
        if let moment = metadata("EXIF_DateTimeOriginal", domain: nil) ?? metadata("TIFFTAG_DATETIME", domain: nil) {
            json.member("datetime", moment.prefix(64))
        }
        if let sampling = metadata("AREA_OR_POINT", domain: nil) { json.member("sampling", sampling.lowercased()) }
        if let zone = metadata("EXIF_OffsetTimeOriginal", domain: nil) { json.member("zone", zone.prefix(16)) }
        let camera = ["EXIF_Make", "EXIF_Model"].compactMap { metadata($0, domain: nil) }
        if !camera.isEmpty { json.member("camera", camera.joined(separator: " ").prefix(256)) }
        if let place = cameraPlace {
            json.key("box")
            json.array { json in for number in place + place { json.number(number) } }
        }
        json.key("bands")
        json.array { json in
            for number in 1...min(bandCount, Self.bandsDescribed) {
                if let band = band(number) { Self.describe(band, &json) }
            }
        }
        Georeference(self).describe(&json)
    }

    func describeGrid(_ json: inout JSONWriter) {
        json.member("width", width)
        json.member("height", height)
        json.member("band_count", bandCount)
    }

    /// Longitude and latitude of the camera (Exif 2.32 §4.6.6): degrees, minutes and seconds, each in brackets.
    private var cameraPlace: [Double]? {
        func degrees(_ name: String, negative: String) -> Double? {
            guard let text = metadata("EXIF_GPS\(name)", domain: nil) else { return nil }
            let parts = text.split { "() ,".contains($0) }.compactMap { Double($0) }
            guard (1...3).contains(parts.count) else { return nil }
            let sum = zip(parts, [1.0, 60, 3600]).reduce(0) { $0 + $1.0 / $1.1 }
            return metadata("EXIF_GPS\(name)Ref", domain: nil)?.hasPrefix(negative) == true ? -sum : sum
        }
        guard let longitude = degrees("Longitude", negative: "W"), let latitude = degrees("Latitude", negative: "S"),
            abs(longitude) <= 180, abs(latitude) <= 90
        else { return nil }
        return [longitude, latitude]
    }

    /// Whether the file says so, or is laid out so: directory first, tiles, overviews where it is large (OGC 21-026).
    private var isCloudOptimized: Bool {
        if metadata("LAYOUT", domain: "IMAGE_STRUCTURE") == "COG" { return true }
        guard let band = band(1), let text = GDALGetMetadataItem(band, "IFD_OFFSET", "TIFF") else { return false }
        let directory = String(cString: text)
        var (columns, rows): (Int32, Int32) = (0, 0)
        GDALGetBlockSize(band, &columns, &rows)
        let isTiled = columns < width || height <= rows
        return (directory == "8" || directory == "16") && isTiled
            && (max(width, height) <= 512 || GDALGetOverviewCount(band) > 0)
    }

    private func metadata(_ name: String, domain: String?) -> String? {
        GDALGetMetadataItem(dataset, name, domain).map { String(cString: $0) }
    }

    private static func describe(_ band: GDALRasterBandH, _ json: inout JSONWriter) {
        json.object { json in
            if let type = dataType(GDALGetRasterDataType(band)) { json.member("data_type", type) }
            if let nodata = nodata(of: band) {
                json.key("nodata")
                // STAC's words for what JSON has no number for.
                if nodata.isNaN {
                    json.string("nan")
                } else if nodata.isInfinite {
                    json.string(nodata < 0 ? "-inf" : "inf")
                } else {
                    json.number(nodata)
                }
            }
            var exists: Int32 = 0
            let (scale, offset) = (GDALGetRasterScale(band, &exists), GDALGetRasterOffset(band, &exists))
            if scale != 1 || offset != 0 {
                json.member("scale", scale)
                json.member("offset", offset)
            }
            if let unit = GDALGetRasterUnitType(band), unit.pointee != 0 {
                json.member("unit", String(cString: unit).prefix(64))
            }
            if let bits = GDALGetMetadataItem(band, "NBITS", "IMAGE_STRUCTURE"), let count = Int(String(cString: bits))
            {
                json.member("bits", count)
            }
            if let name = GDALGetColorInterpretationName(GDALGetRasterColorInterpretation(band)) {
                json.member("color_interpretation", String(cString: name))
            }
            if let text = GDALGetDescription(band), text.pointee != 0 {
                json.member("description", String(cString: text).prefix(256))
            }
        }
    }

    static func nodata(of band: GDALRasterBandH) -> Double? {
        var exists: Int32 = 0
        let value = GDALGetRasterNoDataValue(band, &exists)
        return exists != 0 ? value : nil
    }

    /// STAC's names of the data types.
    static func dataType(_ type: GDALDataType) -> String? {
        switch type {
        case GDT_Byte: "uint8"
        case GDT_Int16: "int16"
        case GDT_UInt16: "uint16"
        case GDT_Int32: "int32"
        case GDT_UInt32: "uint32"
        case GDT_Int64: "int64"
        case GDT_UInt64: "uint64"
        case GDT_Float32: "float32"
        case GDT_Float64: "float64"
        case GDT_CInt16: "cint16"
        case GDT_CInt32: "cint32"
        case GDT_CFloat32: "cfloat32"
        case GDT_CFloat64: "cfloat64"
        default: nil
        }
    }
}
