/// Media types: of what the faces answer, and of the files that Earth-observation products are made of.
package enum MediaType {
    package static let json = "application/json"
    package static let geoJSON = "application/geo+json"
    package static let schema = "application/schema+json"
    /// One JSON document a line.
    package static let lines = "application/x-ndjson"
    /// GeoParquet; `application/x-parquet` is asked for too.
    package static let parquet = "application/vnd.apache.parquet"
    package static let html = "text/html"
    package static let openAPI = "application/vnd.oai.openapi+json;version=3.0"
    package static let zip = "application/zip"
    package static let cloudOptimizedGeoTIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
    package static let geoTIFF = "image/tiff; application=geotiff"
    package static let unknown = "application/octet-stream"

    /// The media type that a file's extension stands for; `application/octet-stream` where it stands for none.
    ///
    /// A name cannot tell a cloud-optimized GeoTIFF from another one: that takes a look inside.
    package static func of(path: some StringProtocol) -> String {
        let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return unknown }
        return types[String(name[name.index(after: dot)...])] ?? unknown
    }

    private static let types: [String: String] = [
        "7z": "application/x-7z-compressed", "avif": "image/avif", "bz2": "application/x-bzip2",
        "cbor": "application/cbor", "css": "text/css", "csv": "text/csv", "eof": "application/xml",
        "fgb": "application/vnd.flatgeobuf", "geojson": geoJSON, "gif": "image/gif",
        "gml": "application/gml+xml", "gpkg": "application/geopackage+sqlite3", "grib": "application/wmo-GRIB2",
        "grib2": "application/wmo-GRIB2", "grb": "application/wmo-GRIB2", "gz": "application/gzip",
        "h5": "application/x-hdf5", "hdf": "application/x-hdf", "hdf5": "application/x-hdf5", "htm": html,
        "html": html, "j2k": "image/jp2", "jp2": "image/jp2", "jpeg": "image/jpeg", "jpg": "image/jpeg",
        "js": "text/javascript", "json": json, "jsonl": lines,
        "kml": "application/vnd.google-earth.kml+xml", "kmz": "application/vnd.google-earth.kmz",
        "las": "application/vnd.las", "laz": "application/vnd.laszip", "md": "text/markdown",
        "nc": "application/x-netcdf",
        "nc4": "application/x-netcdf", "ndjson": lines, "parquet": parquet,
        "pdf": "application/pdf", "png": "image/png", "pmtiles": "application/vnd.pmtiles", "safe": "application/xml",
        "svg": "image/svg+xml", "tar": "application/x-tar", "tgz": "application/gzip", "tif": geoTIFF, "tiff": geoTIFF,
        "txt": "text/plain", "wasm": "application/wasm", "webp": "image/webp", "xfdu": "application/xml",
        "xml": "application/xml", "xsd": "application/xml", "xsl": "application/xslt+xml", "yaml": "application/yaml",
        "yml": "application/yaml", "zarr": "application/vnd.zarr", "zip": zip, "zst": "application/zstd",
    ]
}
