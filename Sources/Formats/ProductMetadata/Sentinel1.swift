internal import Wire

/// What the manifest of a Sentinel-1 product says beyond other manifests (Sentinel-1 Product Specification,
/// `standAloneProductInformation`).
enum Sentinel1 {
    static func describe(_ metadata: XMLElement, _ facts: inout ItemFacts) {
        guard let product = metadata.descendant("standAloneProductInformation") else { return }
        let polarizations = product.all("transmitterReceiverPolarisation").map(\.text)
        facts.properties["constellation"] = "sentinel-1"
        let type = product["productType"]?.text
        // The SAR extension has all of these or none.
        if let mode = metadata.descendant("instrumentMode")?["mode"]?.text, let type, !polarizations.isEmpty {
            facts.properties["sar:instrument_mode"] = .string(mode)
            facts.properties["sar:frequency_band"] = "C"
            facts.properties["sar:center_frequency"] = 5.405
            facts.properties["sar:polarizations"] = .array(polarizations.map { .string($0) })
            facts.properties["sar:product_type"] = .string(type)
        }
        facts.properties.set("s1:product_timeliness", product["productTimelinessCategory"]?.text)
        facts.properties.set("s1:datatake_id", product["missionDataTakeID"]?.text)
        facts.properties.set("s1:slice_number", product["sliceNumber"]?.text)
        facts.properties.set("s1:total_slices", product["totalSlices"]?.text)
        facts.properties["processing:level"] = type == "RAW" ? "L0" : type == "OCN" ? "L2" : "L1"
        let processing = metadata.descendant("processing")
        facts.properties.set("processing:facility", processing?.descendant("facility")?.attributes["site"])
        for (path, file) in facts.files where path.hasPrefix("measurement/") {
            // s1a-iw-grd-vv-20210401t…-001.tiff
            let name = path.split(separator: "/").last?.split(separator: "-") ?? []
            guard name.count > 3, let polarization = polarizations.first(where: { $0.lowercased() == name[3] }) else {
                continue
            }
            facts.files[path] = file.with(
                title: polarization, roles: ["data"],
                bands: [["name": .string(polarization), "description": .string("\(polarization) polarization")]])
        }
    }
}

/// What the manifest of a Sentinel-3 product says beyond other manifests (Sentinel-3 PDGS File Naming and Product Data
/// Format Specification, `generalProductInformation`).
enum Sentinel3 {
    static func describe(_ metadata: XMLElement, _ facts: inout ItemFacts) {
        guard let product = metadata.descendant("generalProductInformation"), let name = product["productName"]?.text
        else { return }
        facts.properties["constellation"] = "sentinel-3"
        facts.title = name.hasSuffix(".SEN3") ? String(name.dropLast(5)) : name
        let type = product["productType"]?.text
        facts.properties.set("s3:product_type", type)
        facts.properties.set("s3:product_timeliness", product["timeliness"]?.text)
        facts.properties.set("s3:baseline_collection", product["baselineCollection"]?.text)
        facts.properties.set("created", product["creationTime"].flatMap { Timestamp(lenient: $0.text)?.rfc3339 })
        // OL_1_EFR___
        if let level = type?.split(separator: "_").dropFirst().first, level.count == 1 {
            facts.properties["processing:level"] = .string("L\(level)")
        }
        let clouds = metadata.descendant("cloudyPixels")?.attributes["percentage"].flatMap { Double($0) }
        if let clouds, (0...100).contains(clouds) { facts.properties["eo:cloud_cover"] = .double(clouds) }
    }
}
