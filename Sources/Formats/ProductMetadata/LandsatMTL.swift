internal import Wire

/// The metadata file of a Landsat Collection 2 scene, Level-1 or Level-2, Landsat 4 to 9 (LSDS-1618, LSDS-1619).
package struct LandsatMTL: Sendable {
    /// `LC08_L2SP_008059_20191201_20200825_02_T1`.
    package let productID: String
    /// The names of what makes the scene complete, the metadata file itself included, in the order of the list.
    package let files: [String]
    /// The same by the name of the entry, such as `FILE_NAME_BAND_1`.
    let fileEntries: [(key: String, name: String)]
    let contents: JSONObject
    let image: JSONObject
    let projection: JSONObject
    private let root: JSONObject

    /// Reads `…_MTL.txt` or `…_MTL.json`: a brace begins the latter.
    ///
    /// - Throws: `malformed`, `tooLarge`, `missing` for a file without identifier or file list, `unsupported` for
    ///   another collection.
    package init(parsing bytes: [UInt8]) throws(ProductMetadataError) {
        let document: JSONObject
        if bytes.first(where: { $0 > 0x20 }) == UInt8(ascii: "{") {
            guard bytes.count <= ODLParser.bytesMax else {
                throw ProductMetadataError(
                    .tooLarge, "the MTL file has \(bytes.count) bytes; at most \(ODLParser.bytesMax) are read")
            }
            do {
                document = try JSONValue(parsing: bytes, maximumDepth: ODLParser.depthMax).object ?? JSONObject()
            } catch {
                throw ProductMetadataError(.malformed, "the MTL file is not JSON", cause: error)
            }
        } else {
            document = try ODLParser.parse(bytes)
        }
        guard let root = document["LANDSAT_METADATA_FILE"]?.object else {
            let isOld = document["L1_METADATA_FILE"] != nil
            throw ProductMetadataError(
                isOld ? .unsupported : .missing,
                isOld
                    ? "the MTL file is of Landsat Collection 1; Collection 2 is read"
                    : "the MTL file has no LANDSAT_METADATA_FILE")
        }
        self.root = root
        contents = try Self.group("PRODUCT_CONTENTS", root)
        image = try Self.group("IMAGE_ATTRIBUTES", root)
        projection = try Self.group("PROJECTION_ATTRIBUTES", root)
        guard let id = contents["LANDSAT_PRODUCT_ID"]?.string, !id.isEmpty else {
            throw ProductMetadataError(.missing, "the MTL file has no PRODUCT_CONTENTS/LANDSAT_PRODUCT_ID")
        }
        productID = id
        let names = contents.members.filter { $0.name.hasPrefix("FILE_NAME_") }
        guard !names.isEmpty, names.count <= 200 else {
            throw ProductMetadataError(
                .missing, "the MTL file names \(names.count) files; 1 to 200 FILE_NAME_… entries are expected")
        }
        var entries: [(key: String, name: String)] = []
        for entry in names {
            guard let name = entry.value.string, !name.isEmpty, name.utf8.count <= 255, name != "..",
                !name.contains("/"),
                !name.contains("\\"), !name.utf8.contains(0)
            else {
                throw ProductMetadataError(
                    .malformed, "the MTL file's \(entry.name) must be the name of a file in the scene's folder")
            }
            entries.append((entry.name, name))
        }
        fileEntries = entries
        files = entries.map(\.name)
    }

    private static func group(_ name: String, _ root: JSONObject) throws(ProductMetadataError) -> JSONObject {
        guard let group = root[name]?.object else {
            throw ProductMetadataError(.missing, "the MTL file has no group \(name)")
        }
        return group
    }

    /// The first of the named entries, in any group.
    func text(_ name: String) -> String? {
        for group in root.members {
            if let value = group.value[name]?.string { return value }
        }
        return nil
    }

    /// The moment of the scene's centre. The time has seven decimals, and in some files no quotes.
    func acquired() throws(ProductMetadataError) -> Timestamp {
        guard let date = image["DATE_ACQUIRED"]?.string, let time = image["SCENE_CENTER_TIME"]?.string else {
            throw ProductMetadataError(.missing, "the MTL file has no DATE_ACQUIRED and SCENE_CENTER_TIME")
        }
        guard let moment = Timestamp(lenient: "\(date)T\(time)") else {
            throw ProductMetadataError(.malformed, "the MTL file's '\(date)' and '\(time)' are not a date and a time")
        }
        return moment
    }

    /// The corners of the image. The scene itself lies turned inside, its corners are not in the file.
    func footprint() throws(ProductMetadataError) -> Footprint {
        var ring: [Footprint.Position] = []
        for corner in ["UL", "LL", "LR", "UR"] {
            guard let latitude = projection.number("CORNER_\(corner)_LAT_PRODUCT"),
                let longitude = projection.number("CORNER_\(corner)_LON_PRODUCT")
            else {
                throw ProductMetadataError(
                    .missing,
                    "the MTL file has no numbers CORNER_\(corner)_LAT_PRODUCT and CORNER_\(corner)_LON_PRODUCT")
            }
            ring.append(.init(longitude: longitude, latitude: latitude))
        }
        return try Footprint(ring: ring)
    }

    /// The coordinate reference system. Landsat gives southern scenes in northern zones too, with negative northings.
    var projectionCode: String? {
        switch projection["MAP_PROJECTION"]?.string {
        case "UTM":
            guard let zone = projection.number("UTM_ZONE"), (1...60).contains(zone), zone == zone.rounded() else {
                return nil
            }
            return "EPSG:\(32600 + Int(zone))"
        case "PS": return (projection.number("TRUE_SCALE_LAT") ?? 0) < 0 ? "EPSG:3031" : nil
        default: return nil
        }
    }
}

extension JSONObject {
    /// A finite number that stands as text or as itself.
    func number(_ name: String) -> Double? {
        (self[name]?.number ?? self[name]?.string.flatMap { Double($0) }).flatMap { $0.isFinite ? $0 : nil }
    }
}
