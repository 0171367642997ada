internal import Wire

extension ProductMetadata {
    /// The facts of a Landsat Collection 2 scene.
    ///
    /// - Throws: `missing` and `malformed` for a date, a time or corners that are not there or not what they should be.
    package static func landsat(_ mtl: LandsatMTL) throws(ProductMetadataError) -> ItemFacts {
        var facts = ItemFacts()
        facts.title = mtl.productID
        facts.datetime = try mtl.acquired()
        let footprint = try mtl.footprint()
        facts.geometry = footprint.geometry
        facts.bbox = footprint.bbox
        let craft = mtl.image["SPACECRAFT_ID"]?.string ?? ""
        let sensors = (mtl.image["SENSOR_ID"]?.string ?? "").lowercased().split(separator: "_").map {
            $0 == "etm" ? "etm+" : String($0)
        }
        facts.properties.set("platform", String(craft.lowercased().map { $0 == "_" ? "-" : $0 }))
        facts.properties["constellation"] = "landsat"
        if !sensors.isEmpty { facts.properties["instruments"] = .array(sensors.map { .string($0) }) }
        facts.properties["gsd"] = 30
        facts.properties.set(
            "created", (mtl.text("DATE_PRODUCT_GENERATED")).flatMap { Timestamp(lenient: $0)?.rfc3339 })
        facts.properties.set("processing:level", mtl.contents["PROCESSING_LEVEL"]?.string.map { String($0.prefix(2)) })
        facts.properties.set("eo:cloud_cover", mtl.percentage("CLOUD_COVER"))
        facts.properties.set("view:sun_azimuth", mtl.image.number("SUN_AZIMUTH").map { $0 < 0 ? $0 + 360 : $0 })
        facts.properties.set("view:sun_elevation", mtl.image.number("SUN_ELEVATION"))
        let isNadir = mtl.image["NADIR_OFFNADIR"]?.string != "OFFNADIR"
        facts.properties.set("view:off_nadir", isNadir ? 0 : mtl.image.number("ROLL_ANGLE").map { abs($0) })
        facts.properties.set("proj:code", mtl.projectionCode)
        facts.properties.set(
            "sci:doi", mtl.contents["DIGITAL_OBJECT_IDENTIFIER"]?.string?.replacingPrefix("https://doi.org/", with: ""))
        facts.properties.set("landsat:scene_id", mtl.text("LANDSAT_SCENE_ID"))
        facts.properties.set("landsat:cloud_cover_land", mtl.percentage("CLOUD_COVER_LAND"))
        facts.properties.set("landsat:correction", mtl.contents["PROCESSING_LEVEL"]?.string)
        facts.properties.set("landsat:collection_category", mtl.contents["COLLECTION_CATEGORY"]?.string)
        facts.properties.set("landsat:collection_number", mtl.contents["COLLECTION_NUMBER"]?.string)
        let type = mtl.image.number("WRS_TYPE").flatMap { Int(exactly: $0) }
        facts.properties.set("landsat:wrs_type", type.map { String($0) })
        if let path = mtl.threeDigits("WRS_PATH"), let row = mtl.threeDigits("WRS_ROW") {
            facts.properties.set("landsat:wrs_path", path)
            facts.properties.set("landsat:wrs_row", row)
            if type == 1 || type == 2 { facts.properties.set("grid:code", "WRS\(type ?? 2)-\(path)\(row)") }
        }
        let instrument = LandsatBand.Instrument(sensors: sensors)
        for entry in mtl.fileEntries {
            facts.files[entry.name] = LandsatBand.describe(
                key: entry.key, name: entry.name, productID: mtl.productID, instrument: instrument)
        }
        facts.declareExtensions()
        return facts
    }
}

extension LandsatMTL {
    /// USGS writes -1 where a cloud cover is not known.
    func percentage(_ name: String) -> Double? {
        image.number(name).flatMap { (0...100).contains($0) ? $0 : nil }
    }

    func threeDigits(_ name: String) -> String? {
        guard let number = image.number(name).flatMap({ Int(exactly: $0) }), (1...999).contains(number) else {
            return nil
        }
        let digits = String(number)
        return String(repeating: "0", count: 3 - digits.count) + digits
    }
}
