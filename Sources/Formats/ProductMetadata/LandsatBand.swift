internal import Wire

/// The bands of Landsat's instruments, by the number in `FILE_NAME_BAND_…` (USGS, "What are the band designations").
struct LandsatBand {
    enum Instrument {
        /// Landsat 8 and 9.
        case operationalLandImager
        /// Landsat 4, 5 and 7.
        case thematicMapper
        case other

        init(sensors: [String]) {
            if sensors.contains("oli") || sensors.contains("tirs") {
                self = .operationalLandImager
            } else if sensors.contains("tm") || sensors.contains("etm+") {
                self = .thematicMapper
            } else {
                self = .other
            }
        }
    }

    let number: String
    let commonName: String
    /// Micrometres.
    let centre: Double
    /// Metres, on the ground; the thermal bands are delivered at 30.
    let resolution: Int64

    static func bands(of instrument: Instrument) -> [LandsatBand] {
        switch instrument {
        case .operationalLandImager:
            [
                LandsatBand(number: "1", commonName: "coastal", centre: 0.44, resolution: 30),
                LandsatBand(number: "2", commonName: "blue", centre: 0.48, resolution: 30),
                LandsatBand(number: "3", commonName: "green", centre: 0.56, resolution: 30),
                LandsatBand(number: "4", commonName: "red", centre: 0.65, resolution: 30),
                LandsatBand(number: "5", commonName: "nir08", centre: 0.86, resolution: 30),
                LandsatBand(number: "6", commonName: "swir16", centre: 1.6, resolution: 30),
                LandsatBand(number: "7", commonName: "swir22", centre: 2.2, resolution: 30),
                LandsatBand(number: "8", commonName: "pan", centre: 0.59, resolution: 15),
                LandsatBand(number: "9", commonName: "cirrus", centre: 1.37, resolution: 30),
                LandsatBand(number: "10", commonName: "lwir11", centre: 10.9, resolution: 100),
                LandsatBand(number: "11", commonName: "lwir12", centre: 12, resolution: 100),
            ]
        case .thematicMapper:
            [
                LandsatBand(number: "1", commonName: "blue", centre: 0.49, resolution: 30),
                LandsatBand(number: "2", commonName: "green", centre: 0.56, resolution: 30),
                LandsatBand(number: "3", commonName: "red", centre: 0.66, resolution: 30),
                LandsatBand(number: "4", commonName: "nir08", centre: 0.83, resolution: 30),
                LandsatBand(number: "5", commonName: "swir16", centre: 1.65, resolution: 30),
                LandsatBand(number: "6", commonName: "lwir", centre: 11.45, resolution: 60),
                LandsatBand(number: "7", commonName: "swir22", centre: 2.21, resolution: 30),
                LandsatBand(number: "8", commonName: "pan", centre: 0.71, resolution: 15),
            ]
        case .other: []
        }
    }

    /// Describes a file of a scene by its entry in the list.
    static func describe(key: String, name: String, productID: String, instrument: Instrument) -> FileFacts {
        let entry = key.dropFirst("FILE_NAME_".count)
        let type = MediaType.of(path: name)
        if entry.hasPrefix("BAND_") {
            // `SR_B4` of `LC08_…_T1_SR_B4.TIF`.
            let stem = name.split(separator: ".").first.map(String.init) ?? name
            let code = stem.replacingPrefix(productID + "_", with: "")
            // `BAND_4`, `BAND_ST_B10`, `BAND_6_VCID_1`.
            let number =
                entry.dropFirst(5).split(separator: "_").map { $0.drop { $0 == "B" } }.first { Int($0) != nil } ?? ""
            var band: JSONObject = JSONObject([.init(name: "name", value: .string(code))])
            var title = "Band \(code)"
            if let known = bands(of: instrument).first(where: { $0.number == number }) {
                band["eo:common_name"] = .string(known.commonName)
                band["eo:center_wavelength"] = .double(known.centre)
                band["gsd"] = .integer(known.resolution)
                title += " (\(known.commonName))"
            }
            return FileFacts(title: title, mediaType: type, roles: ["data"], bands: .array([.object(band)]))
        }
        let title = entry.split(separator: "_").map { $0.lowercased() }.joined(separator: " ")
        let role = type != MediaType.geoTIFF ? "metadata" : entry.hasPrefix("QUALITY") ? "quality" : "data"
        return FileFacts(title: title.prefix(1).uppercased() + title.dropFirst(), mediaType: type, roles: [role])
    }
}
