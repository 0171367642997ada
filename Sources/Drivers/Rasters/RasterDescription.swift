package import ProductMetadata
package import Wire

/// What a raster says of itself.
package struct RasterDescription: Sendable, Equatable {
    package struct Band: Sendable, Equatable {
        /// STAC's name: `uint8`, `float32`, …
        package var dataType: String?
        /// A number, or `nan`, `inf`, `-inf`.
        package var nodata: JSONValue?
        /// GDAL's name: `Red`, `Gray`, `Palette`, …
        package var colorInterpretation: String?
        package var description: String?
    }

    /// GDAL's short name: `GTiff`, `JP2OpenJPEG`, `PNG`, `JPEG`.
    package var driver: String
    package var isCloudOptimized: Bool
    package var width: Int64
    package var height: Int64
    package var bandCount: Int64
    /// The first 256 bands.
    package var bands: [Band]
    /// `EPSG:32632`.
    package var crsCode: String?
    /// ISO 19162 text, where there is a coordinate reference system without a code.
    package var crsWKT2: String?
    /// The affine transform from (column, row) to coordinates, row-major, six numbers.
    package var transform: [Double]?
    /// In the raster's own coordinates: minimum x, minimum y, maximum x, maximum y.
    package var projectedBBox: [Double]?
    /// GeoJSON and bounding box in WGS84.
    package var footprint: Footprint?
    /// Why there is no footprint.
    package var noFootprint: String?
    /// Metres, for a projected system.
    package var gsd: Double?
    /// TIFF's own date and time, which has no time zone, as if it were UTC.
    package var datetime: Timestamp?
    /// PNG of at most 512 × 512 pixels.
    package var preview: [UInt8]?
    /// Why there is no preview, where one was asked for.
    package var noPreview: String?
    /// What looking cost.
    package var requestCount = 0
    package var bytesRead: Int64 = 0

    /// The media type, which for a GeoTIFF takes a look inside.
    package var mediaType: String {
        switch driver {
        case "GTiff": isCloudOptimized ? MediaType.cloudOptimizedGeoTIFF : MediaType.geoTIFF
        case "JP2OpenJPEG": "image/jp2"
        case "PNG": "image/png"
        case "JPEG": "image/jpeg"
        default: MediaType.unknown
        }
    }

    /// The fields of STAC's projection extension (v2.0.0).
    package var projection: JSONObject {
        var fields = JSONObject()
        if let crsCode {
            fields["proj:code"] = .string(crsCode)
        } else if let crsWKT2 {
            fields["proj:wkt2"] = .string(crsWKT2)
        }
        fields["proj:shape"] = [.integer(height), .integer(width)]
        if let transform { fields["proj:transform"] = .array(transform.map { .double($0) }) }
        if let projectedBBox { fields["proj:bbox"] = .array(projectedBBox.map { .double($0) }) }
        return fields
    }
}
