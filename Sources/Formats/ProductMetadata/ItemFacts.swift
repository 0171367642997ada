package import Wire

/// What the metadata files of a product say, as the parts of a STAC 1.1.0 Item.
package struct ItemFacts: Sendable, Equatable {
    /// The product's own identifier.
    package var title: String?
    /// The nominal moment of acquisition.
    package var datetime: Timestamp?
    package var start: Timestamp?
    package var end: Timestamp?
    /// GeoJSON (RFC 7946), WGS84, longitude first.
    package var geometry: JSONValue?
    /// West, south, east, north; west is greater than east where the antimeridian is crossed (RFC 7946 §5.2).
    package var bbox: [Double]?
    /// Item properties other than the title and the times.
    package var properties = JSONObject()
    /// Schema URLs of the STAC extensions whose fields are used.
    package var extensions: [String] = []
    /// What is known of each file, by its path relative to the product's folder.
    package var files: [String: FileFacts] = [:]

    package init() {}
}

/// What a product's metadata says of one of its files.
package struct FileFacts: Sendable, Equatable {
    package struct Checksum: Sendable, Hashable {
        /// `MD5`, `SHA3-256`, … in upper case.
        package var algorithm: String
        /// Lower-case hexadecimal.
        package var hex: String

        package init(algorithm: String, hex: String) {
            self.algorithm = algorithm
            self.hex = hex
        }
    }

    package var title: String
    package var mediaType: String
    /// STAC asset roles.
    package var roles: [String]
    /// The asset's `bands` array (STAC 1.1.0 common metadata); nil for a file without bands.
    package var bands: JSONValue?
    package var checksum: Checksum?
    /// Bytes.
    package var size: Int64?

    package init(
        title: String, mediaType: String, roles: [String], bands: JSONValue? = nil, checksum: Checksum? = nil,
        size: Int64? = nil
    ) {
        self.title = title
        self.mediaType = mediaType
        self.roles = roles
        self.bands = bands
        self.checksum = checksum
        self.size = size
    }
}
