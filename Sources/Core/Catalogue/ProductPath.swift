/// What belongs together as one product, found from an object's key alone.
///
/// The rules, in this order:
/// 1. A folder whose name ends in `.SAFE`, `.SEN3` or `.zarr` is a product with all that is below it, at whatever
///   depth.
/// 2. Otherwise the folder that an object lies in is a product: `2020/01/scene/B1.tif` belongs to `2020/01/scene`.
/// 3. An object at the top of a collection is a product of its own; a STAC item file beside it (`scene.json` beside
///    `scene.tif`) belongs to it.
package struct ProductPath: Sendable, Hashable {
    /// A folder's path with a `/` behind it, or the key of a single object without its extension and with a `*`.
    package let text: String

    /// A path that came from `text`.
    package init(stored text: String) { self.text = text }

    private static let packages = [".SAFE", ".SEN3", ".zarr"]

    /// The product that a key belongs to; nil for the node's own objects and for markers of empty folders at the top.
    package init?(key: String) {
        guard !key.hasPrefix(".martlet/") else { return nil }
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.dropLast().enumerated() where Self.packages.contains(where: { part.hasSuffix($0) }) {
            text = parts[...index].joined(separator: "/") + "/"
            return
        }
        if parts.count > 1 {
            text = parts.dropLast().joined(separator: "/") + "/"
        } else {
            text = Self.stem(key) + "*"
        }
        if text == "/" || text == "*" { return nil }
    }

    /// A name without the extensions that belong to companions of one file: `scene.tif`, `scene.tif.aux.xml`,
    /// `scene.json`.
    private static func stem(_ name: String) -> String {
        var stem = name[...]
        for ending in [
            ".aux.xml", ".shp.xml", ".json", ".geojson", ".tif", ".tiff", ".tfw", ".jp2", ".xml", ".nc", ".nc4", ".cdf",
            ".h5", ".hdf5", ".he5", ".png", ".jpg", ".jpeg", ".shp", ".shx", ".dbf", ".prj", ".cpg", ".qpj", ".qix",
            ".sbn", ".sbx", ".gpkg", ".fgb", ".csv", ".zip", ".md5",
        ]
        where stem.lowercased().hasSuffix(ending) && stem.count > ending.count {
            stem = stem.dropLast(ending.count)
        }
        return String(stem)
    }

    /// Whether it is a folder.
    package var isFolder: Bool { text.hasSuffix("/") }

    /// What its objects' keys begin with.
    package var prefix: String { isFolder ? text : String(text.dropLast()) }

    /// Whether a key that begins with `prefix` is one of its objects.
    package func contains(_ key: String) -> Bool { ProductPath(key: key) == self }

    /// The name that people call it by: the last part of its path.
    package var name: String {
        let path = text.dropLast()
        return String(path.split(separator: "/").last ?? path)
    }

    /// The id that its Item gets where none is given: the name of a package folder, which is unique by the mission's
    /// own rules; otherwise the whole path with `_` for `/`. Not always one that an Item can have, nor always unique:
    /// see the Cataloguer.
    package var itemID: String {
        let path = String(text.dropLast())
        for ending in Self.packages where path.hasSuffix(ending) { return String(name.dropLast(ending.count)) }
        return path.replacing("/", with: "_")
    }
}
