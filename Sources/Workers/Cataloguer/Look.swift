import Catalogue
import Objects
import ProductMetadata
import Rasters
import Wire

/// Files of a product that GDAL looks into together.
struct Look {
    /// What the result is said of: a file's path, or nothing for the whole product.
    let path: String
    /// Under the names that the reader sees.
    let files: [RasterProtocol.File]
    let versions: [ObjectVersion]
    /// Whether it is a picture, of which one is enough for a preview.
    let isRaster: Bool

    /// The first object's, for messages.
    var key: String { versions.first?.key ?? path }

    private static let rasters: Set = ["tif", "tiff", "jp2"]
    private static let pictures: Set = ["png", "jpg", "jpeg"]
    private static let others: Set = ["nc", "nc4", "cdf", "h5", "hdf5", "he5", "gpkg", "csv", "geojson", "fgb", "shp"]
    /// What belongs to a shapefile.
    private static let companions = ["shp", "shx", "dbf", "prj", "cpg"]

    /// What there is to look into, in the order of the paths. Pictures count where there is nothing else: beside other
    /// data they only show them.
    static func all(in files: ProductFiles) -> [Look] {
        if isStore(files.path) {
            let readable = files.all.filter(\.version.isReadableByNode)
            let first = readable.firstIndex { !$0.path.contains("/") } ?? readable.startIndex
            guard !readable.isEmpty else { return [] }
            // The first one must be no empty file; those at the top are metadata.
            let ordered = [readable[first]] + readable[..<first] + readable[(first + 1)...]
            return [
                Look(
                    path: "", files: ordered.map { file("object.zarr/\($0.path)", $0.version) },
                    versions: ordered.map(\.version), isRaster: false)
            ]
        }
        let data = looks(in: files, of: rasters.union(others))
        return data.isEmpty ? looks(in: files, of: pictures) : data
    }

    private static func looks(in files: ProductFiles, of kinds: Set<String>) -> [Look] {
        files.all.compactMap { path, version in
            let kind = suffix(path)
            guard kinds.contains(kind), version.size > 0, version.isReadableByNode else { return nil }
            var parts = [(kind, version)]
            if kind == "shp" {
                for other in companions.dropFirst() {
                    let stem = path.dropLast(kind.utf8.count)
                    if let found = files.version(stem + other) ?? files.version(stem + other.uppercased()),
                        found.isReadableByNode
                    {
                        parts.append((other, found))
                    }
                }
            }
            return Look(
                path: path, files: parts.map { file("object.\($0)", $1) }, versions: parts.map(\.1),
                isRaster: !others.contains(kind))
        }
    }

    /// Whether a product is one store of arrays: its files are chunks, which mean nothing alone.
    static func isStore(_ path: ProductPath) -> Bool { path.isFolder && suffix(path.name) == "zarr" }

    /// Whether a file of such a store describes what is in it (Zarr 2 and 3).
    static func isStoreMetadata(_ path: String) -> Bool {
        storeMetadata.contains(path.split(separator: "/").last.map(String.init) ?? "")
    }

    private static let storeMetadata: Set = [".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"]

    static func suffix(_ path: String) -> String {
        path.lastIndex(of: ".").map { path[path.index(after: $0)...].lowercased() } ?? ""
    }

    private static func file(_ name: String, _ version: ObjectVersion) -> RasterProtocol.File {
        RasterProtocol.File(name: name, size: UInt64(max(0, version.size)))
    }
}
