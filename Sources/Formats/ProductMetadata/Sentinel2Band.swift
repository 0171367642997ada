internal import Wire

/// The bands of the MultiSpectral Instrument, with the centres of Sentinel-2A's (ESA, Spectral Responses).
struct Sentinel2Band {
    let code: String
    /// The EO extension's name for bands that sensors have in common.
    let commonName: String
    /// Micrometres.
    let centre: Double
    /// Metres.
    let resolution: Int64

    static let all: [Sentinel2Band] = [
        Sentinel2Band(code: "B01", commonName: "coastal", centre: 0.443, resolution: 60),
        Sentinel2Band(code: "B02", commonName: "blue", centre: 0.49, resolution: 10),
        Sentinel2Band(code: "B03", commonName: "green", centre: 0.56, resolution: 10),
        Sentinel2Band(code: "B04", commonName: "red", centre: 0.665, resolution: 10),
        Sentinel2Band(code: "B05", commonName: "rededge071", centre: 0.704, resolution: 20),
        Sentinel2Band(code: "B06", commonName: "rededge075", centre: 0.741, resolution: 20),
        Sentinel2Band(code: "B07", commonName: "rededge078", centre: 0.783, resolution: 20),
        Sentinel2Band(code: "B08", commonName: "nir", centre: 0.842, resolution: 10),
        Sentinel2Band(code: "B8A", commonName: "nir08", centre: 0.865, resolution: 20),
        Sentinel2Band(code: "B09", commonName: "nir09", centre: 0.945, resolution: 60),
        Sentinel2Band(code: "B10", commonName: "cirrus", centre: 1.3735, resolution: 60),
        Sentinel2Band(code: "B11", commonName: "swir16", centre: 1.61, resolution: 20),
        Sentinel2Band(code: "B12", commonName: "swir22", centre: 2.19, resolution: 20),
    ]

    private func json(resolution: Int64) -> JSONValue {
        [
            "name": .string(code), "eo:common_name": .string(commonName), "eo:center_wavelength": .double(centre),
            "gsd": .integer(resolution),
        ]
    }

    /// Describes an image by the code in its name.
    ///
    /// - Parameter resolution: metres, where the name says so (Level-2A keeps each band at several).
    static func describe(_ file: FileFacts, code: String, resolution: Int64?) -> FileFacts {
        let suffix = resolution.map { ", \($0) m" } ?? ""
        if let band = all.first(where: { $0.code == code }) {
            let gsd = resolution ?? band.resolution
            return file.with(
                title: "\(code) (\(band.commonName)), \(gsd) m", roles: ["data"],
                bands: .array([band.json(resolution: gsd)]))
        }
        switch code {
        case "TCI":
            let bands = ["B04", "B03", "B02"].compactMap { code in
                all.first { $0.code == code }?.json(resolution: resolution ?? 10)
            }
            return file.with(title: "True colour image\(suffix)", roles: ["visual"], bands: .array(bands))
        case "AOT": return file.with(title: "Aerosol optical thickness\(suffix)", roles: ["data"], bands: nil)
        case "WVP": return file.with(title: "Water vapour\(suffix)", roles: ["data"], bands: nil)
        case "SCL": return file.with(title: "Scene classification\(suffix)", roles: ["data"], bands: nil)
        default: return file
        }
    }
}
