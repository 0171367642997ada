internal import Wire

extension ProductMetadata {
    /// The facts of a Sentinel-2 Level-1C or Level-2A product.
    ///
    /// - Parameters:
    ///   - manifest: the product's `manifest.safe`.
    ///   - product: `MTD_MSIL1C.xml` or `MTD_MSIL2A.xml`.
    ///   - tile: `GRANULE/…/MTD_TL.xml`; nil leaves out the sun's position and the coordinate system.
    /// - Throws: `malformed`, `tooLarge`, `missing` for a product file without an identifier or a time, `unsupported`
    ///   for
    ///   another kind of product.
    package static func sentinel2(
        manifest: SAFEManifest, product: [UInt8], tile: [UInt8]?
    ) throws(ProductMetadataError) -> ItemFacts {
        let product = try Sentinel2Product(parsing: product)
        var facts = safe(manifest)
        facts.title = product.identifier
        facts.datetime = product.sensingStart
        facts.start = nil
        facts.end = nil
        if let start = product.start, let stop = product.stop, start < stop { (facts.start, facts.end) = (start, stop) }
        if let footprint = try product.footprint() {
            facts.geometry = footprint.geometry
            facts.bbox = footprint.bbox
        }
        product.describe(&facts)
        if let tile { try Sentinel2Tile(parsing: tile).describe(&facts) }
        facts.declareExtensions()
        return facts
    }

    /// Where the product's and the tile's metadata are, by the manifest; nil for a product of another kind.
    package static func sentinel2Paths(_ manifest: SAFEManifest) -> (product: String, tile: String?)? {
        guard let product = manifest.files.first(where: { $0.path == "MTD_MSIL1C.xml" || $0.path == "MTD_MSIL2A.xml" })
        else { return nil }
        let tile = manifest.files.first { $0.path.hasPrefix("GRANULE/") && $0.path.hasSuffix("/MTD_TL.xml") }
        return (product.path, tile?.path)
    }
}

/// `MTD_MSIL1C.xml` and `MTD_MSIL2A.xml` (Sentinel-2 Products Specification Document).
struct Sentinel2Product {
    let identifier: String
    let sensingStart: Timestamp
    let start: Timestamp?
    let stop: Timestamp?
    private let root: XMLElement
    private let info: XMLElement

    init(parsing bytes: [UInt8]) throws(ProductMetadataError) {
        root = try XMLElement(metadata: bytes, called: "the Sentinel-2 product metadata")
        guard root.name == "Level-1C_User_Product" || root.name == "Level-2A_User_Product" else {
            throw ProductMetadataError(
                .unsupported,
                "the Sentinel-2 product metadata's root is '\(root.name)'; it must be Level-1C_ or Level-2A_User_Product"
            )
        }
        guard let info = root.descendant("Product_Info"), let uri = info["PRODUCT_URI"]?.text, !uri.isEmpty else {
            throw ProductMetadataError(.missing, "the Sentinel-2 product metadata has no Product_Info/PRODUCT_URI")
        }
        self.info = info
        identifier = uri.hasSuffix(".SAFE") ? String(uri.dropLast(5)) : uri
        start = info["PRODUCT_START_TIME"].flatMap { Timestamp(lenient: $0.text) }
        stop = info["PRODUCT_STOP_TIME"].flatMap { Timestamp(lenient: $0.text) }
        let sensing = info["Datatake"]?["DATATAKE_SENSING_START"].flatMap { Timestamp(lenient: $0.text) }
        guard let sensingStart = sensing ?? start else {
            throw ProductMetadataError(
                .missing, "the Sentinel-2 product metadata has no time in Datatake/DATATAKE_SENSING_START")
        }
        self.sensingStart = sensingStart
    }

    func footprint() throws(ProductMetadataError) -> Footprint? {
        guard let list = root.descendant("Product_Footprint")?.descendant("EXT_POS_LIST") else { return nil }
        return try Footprint(latitudeFirst: list.text, called: "the Sentinel-2 product's footprint")
    }

    func describe(_ facts: inout ItemFacts) {
        let datatake = info["Datatake"]
        facts.properties.set("platform", datatake?["SPACECRAFT_NAME"]?.text.lowercased())
        facts.properties["constellation"] = "sentinel-2"
        facts.properties["instruments"] = ["msi"]
        facts.properties["gsd"] = 10
        facts.properties.set("created", info["GENERATION_TIME"].flatMap { Timestamp(lenient: $0.text)?.rfc3339 })
        facts.properties.set("processing:level", info["PROCESSING_LEVEL"]?.text.replacingPrefix("Level-", with: "L"))
        facts.properties.set("processing:version", info["PROCESSING_BASELINE"]?.text)
        facts.properties.set("eo:cloud_cover", root.descendant("Cloud_Coverage_Assessment").percentage)
        facts.properties.set("sci:doi", info["PRODUCT_DOI"]?.text.replacingPrefix("https://doi.org/", with: ""))
        facts.properties.set(
            "sat:relative_orbit", (datatake?["SENSING_ORBIT_NUMBER"]).flatMap { Int64($0.text) }.map { .integer($0) })
        facts.properties.set("sat:orbit_state", datatake?["SENSING_ORBIT_DIRECTION"]?.text.lowercased())
        facts.properties.set("s2:product_uri", info["PRODUCT_URI"]?.text)
        facts.properties.set("s2:product_type", info["PRODUCT_TYPE"]?.text)
        facts.properties.set("s2:processing_baseline", info["PROCESSING_BASELINE"]?.text)
        facts.properties.set(
            "s2:generation_time", info["GENERATION_TIME"].flatMap { Timestamp(lenient: $0.text)?.rfc3339 })
        facts.properties.set("s2:datatake_id", datatake?.attributes["datatakeIdentifier"])
        facts.properties.set("s2:datatake_type", datatake?["DATATAKE_TYPE"]?.text)
        let granule = info.descendant("Granule") ?? info.descendant("Granules")
        facts.properties.set("s2:datastrip_id", granule?.attributes["datastripIdentifier"])
        facts.properties.set("s2:tile_id", granule?.attributes["granuleIdentifier"])
        let tile = identifier.split(separator: "_").first {
            $0.count == 6 && $0.hasPrefix("T") && $0.dropFirst(3).allSatisfy(\.isLetter)
        }
        if let tile {
            facts.properties["s2:mgrs_tile"] = .string(String(tile.dropFirst()))
            facts.properties["grid:code"] = .string("MGRS-\(tile.dropFirst())")
        }
        facts.properties.set(
            "s2:reflectance_conversion_factor",
            (root.descendant("Reflectance_Conversion")?["U"]).flatMap { Double($0.text) })
        for image in info.descendants("IMAGE_FILE") + info.descendants("IMAGE_FILE_2A") {
            describe(image: image.text, &facts)
        }
        for (path, file) in facts.files where path.hasSuffix("_PVI.jp2") {
            facts.files[path] = file.with(title: "Preview", roles: ["overview"], bands: nil)
        }
    }

    /// Describes one image. The product names it without the extension; the manifest knows the file.
    private func describe(image path: String, _ facts: inout ItemFacts) {
        let candidates = [path, path + ".jp2", path + ".tif"]
        guard let path = candidates.first(where: { facts.files[$0] != nil }), let file = facts.files[path] else {
            return
        }
        let stem = (path.split(separator: "/").last ?? "").split(separator: ".").first ?? ""
        let fields = stem.split(separator: "_")
        let resolution = fields.last.flatMap { $0.hasSuffix("m") ? Int64($0.dropLast()) : nil }
        guard let code = resolution == nil ? fields.last : fields.dropLast().last else { return }
        facts.files[path] = Sentinel2Band.describe(file, code: String(code), resolution: resolution)
    }
}

/// `MTD_TL.xml`.
struct Sentinel2Tile {
    private let root: XMLElement

    init(parsing bytes: [UInt8]) throws(ProductMetadataError) {
        root = try XMLElement(metadata: bytes, called: "the Sentinel-2 tile metadata")
        guard root.name == "Level-1C_Tile_ID" || root.name == "Level-2A_Tile_ID" else {
            throw ProductMetadataError(
                .unsupported,
                "the Sentinel-2 tile metadata's root is '\(root.name)'; it must be Level-1C_ or Level-2A_Tile_ID"
            )
        }
    }

    func describe(_ facts: inout ItemFacts) {
        let sun = root.descendant("Mean_Sun_Angle")
        facts.properties.set("view:sun_azimuth", (sun?["AZIMUTH_ANGLE"]).flatMap { Double($0.text) })
        facts.properties.set("view:sun_elevation", (sun?["ZENITH_ANGLE"]).flatMap { Double($0.text) }.map { 90 - $0 })
        let views = root.descendant("Mean_Viewing_Incidence_Angle_List")?.all("Mean_Viewing_Incidence_Angle") ?? []
        let zeniths = views.compactMap { $0["ZENITH_ANGLE"].flatMap { Double($0.text) } }
        if !zeniths.isEmpty {
            facts.properties.set("view:incidence_angle", zeniths.reduce(0, +) / Double(zeniths.count))
        }
        if let code = root.descendant("HORIZONTAL_CS_CODE")?.text.uppercased(), code.hasPrefix("EPSG:"),
            Int(code.dropFirst(5)) != nil
        {
            facts.properties["proj:code"] = .string(code)
        }
        facts.properties.set(
            "s2:degraded_msi_data_percentage", root.descendant("DEGRADED_MSI_DATA_PERCENTAGE").percentage)
        facts.properties.set("s2:nodata_pixel_percentage", root.descendant("NODATA_PIXEL_PERCENTAGE").percentage)
    }
}

extension XMLElement? {
    /// A number from 0 to 100.
    var percentage: Double? { (self?.text).flatMap { Double($0) }.flatMap { (0...100).contains($0) ? $0 : nil } }
}

extension String {
    func replacingPrefix(_ prefix: String, with other: String) -> String {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
    }
}

extension FileFacts {
    func with(title: String, roles: [String], bands: JSONValue?) -> FileFacts {
        FileFacts(title: title, mediaType: mediaType, roles: roles, bands: bands, checksum: checksum, size: size)
    }
}
