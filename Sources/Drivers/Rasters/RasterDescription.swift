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
        /// What makes a physical value of a stored one: times the scale, plus the offset; nil where it is one already.
        package var scale: Double?
        package var offset: Double?
        package var unit: String?
        /// Bits of a sample, where they are fewer than its type has.
        package var bits: Int64?

        package init(
            dataType: String? = nil, nodata: JSONValue? = nil, colorInterpretation: String? = nil,
            description: String? = nil
        ) {
            self.dataType = dataType
            self.nodata = nodata
            self.colorInterpretation = colorInterpretation
            self.description = description
        }
    }

    package struct Dimension: Sendable, Equatable {
        package enum Extent: Sendable, Equatable {
            case numbers(Double, Double)
            case moments(Timestamp, Timestamp)
        }

        package var name: String
        package var size: Int64
        /// `x`, `y`, `z`, `time` or `other`.
        package var axis: String
        /// From the smallest to the largest coordinate; nil where there are none.
        package var extent: Extent?
        package var unit: String?
    }

    package struct Variable: Sendable, Equatable {
        package var name: String
        /// Whether it holds the coordinates of a dimension.
        package var isCoordinate: Bool
        package var dimensions: [String]
        /// STAC's name.
        package var dataType: String?
        package var unit: String?
        package var description: String?
    }

    package struct Layer: Sendable, Equatable {
        package var name: String
        package var count: Int64
        /// OGR's name: `Point`, `Multi Polygon`, …
        package var geometry: String?
        /// Names and OGR's names of the types, in lower case.
        package var columns: [(name: String, type: String)]

        package static func == (a: Layer, b: Layer) -> Bool {
            a.name == b.name && a.count == b.count && a.geometry == b.geometry
                && a.columns.elementsEqual(b.columns) { $0 == $1 }
        }
    }

    /// GDAL's short name: `GTiff`, `netCDF`, `HDF5`, `Zarr`, `ESRI Shapefile`, `GPKG`, `CSV`, …
    package var driver: String
    package var isCloudOptimized: Bool
    /// Pixels; nil for what is no picture.
    package var width: Int64?
    package var height: Int64?
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
    /// What a pixel stands for: `area` or `point`.
    package var sampling: String?
    /// A picture's own date and time, as if it were UTC where it has no time zone.
    package var datetime: Timestamp?
    /// When what is in a file of arrays or features begins and ends.
    package var start: Timestamp?
    package var end: Timestamp?
    /// The make and model that a picture was taken with.
    package var camera: String?
    /// Of a file of arrays.
    package var dimensions: [Dimension] = []
    package var variables: [Variable] = []
    /// What a file of arrays says of itself: `title`, `institution`, `time_coverage_start`, …
    package var attributes: [String: String] = [:]
    /// Of a file of features.
    package var layers: [Layer] = []
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
        case "netCDF": "application/x-netcdf"
        case "GPKG": "application/geopackage+sqlite3"
        case "CSV": "text/csv"
        case "GeoJSON": "application/geo+json"
        case "FlatGeobuf": "application/vnd.flatgeobuf"
        case "ESRI Shapefile": "application/vnd.shp"
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
        if let width, let height { fields["proj:shape"] = [.integer(height), .integer(width)] }
        if let transform { fields["proj:transform"] = .array(transform.map { .double($0) }) }
        if let projectedBBox { fields["proj:bbox"] = .array(projectedBBox.map { .double($0) }) }
        return fields
    }
}
