internal import CGDAL
internal import Wire

/// What the node's file turned out to be.
enum Content {
    case raster(Raster)
    case arrays(ArrayFile)
    case features(FeatureFile)

    /// Which drivers are tried is decided by the name: each reads its own kind best.
    ///
    /// Nil where no driver opens the file, or what opens is empty. Nothing is closed: the process ends with its one
    /// look.
    init?(_ files: VirtualFiles) {
        let path = files.path
        let dot = path.lastIndex(of: ".") ?? path.startIndex
        switch path[dot...].lowercased() {
        case ".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5", ".zarr":
            guard let arrays = ArrayFile(files) else { return nil }
            self = .arrays(arrays)
        case ".shp", ".gpkg", ".csv", ".geojson", ".fgb":
            guard let features = FeatureFile(path: path) else { return nil }
            self = .features(features)
        default:
            guard let raster = Raster(path: path) else { return nil }
            self = .raster(raster)
        }
    }

    func describe(_ json: inout JSONWriter) {
        switch self {
        case .raster(let raster): raster.describe(&json)
        case .arrays(let arrays): arrays.describe(&json)
        case .features(let features): features.describe(&json)
        }
    }

    func preview() -> Result<[UInt8], Preview.Missing> {
        switch self {
        case .raster(let raster): Preview(of: raster).render()
        case .arrays(let arrays):
            arrays.grid.map { Preview(of: $0).render() } ?? .failure(Preview.Missing(message: "no array is a picture"))
        case .features(let features): features.preview()
        }
    }
}

/// GDAL's name of the driver that opened a dataset.
func driverName(_ dataset: GDALDatasetH) -> String? {
    GDALGetDatasetDriver(dataset).flatMap { GDALGetDriverShortName($0) }.map { String(cString: $0) }
}

/// A list of strings as GDAL has it, which is given back to it.
func strings(_ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> [String] {
    defer { CSLDestroy(list) }
    return (0..<CSLCount(list)).compactMap { CSLGetField(list, $0).map { String(cString: $0) } }
}
