import Catalogue
import Geometry
import HTTPSupport
import ProductMetadata
import Wire

/// The rasters among an item's assets, of those that lie on this node.
struct ItemRasters: Sendable {
    struct Asset: Sendable {
        var key: String
        /// What expressions call it: the key with `_` for all that no name has.
        var name: String
        /// The same without the ending of a file's name, where the key has one: `B04` of `B04.tif`.
        var stem: String
        var title: String
        var object: ObjectName
        /// The ending of its name, by which drivers go.
        var suffix: String
        var roles: [String]
        /// The common names of its bands, as far as they are said: red, green, nir …
        var bands: [String]
        var nodata: Double?
    }

    let id: String
    let box: BoundingBox?
    let assets: [Asset]

    fileprivate static let suffixes: Set = [
        "tif", "tiff", "jp2", "png", "jpg", "jpeg", "nc", "nc4", "cdf", "h5", "hdf5", "he5",
    ]
    private static let assetsMax = 1000

    init(_ record: ItemRecord, _ addresses: ObjectAddresses) throws {
        let document = try JSONValue(parsing: record.document)
        id = record.id
        box = document["bbox"].flatMap { try? BoundingBox(parsing: $0) }
        assets = (document["assets"]?.object?.members ?? []).prefix(Self.assetsMax).compactMap {
            Asset($0, addresses)
        }
    }

    /// An asset by its key, or by what expressions call it.
    func asset(_ name: String) -> Asset? {
        assets.first { $0.key == name } ?? assets.first { $0.name == name } ?? assets.first { $0.stem == name }
    }

    /// What shows the item best: its picture in natural colours, its red, green and blue band, or the first of its
    /// data.
    var shown: [Asset] {
        // Pictures that only show what is elsewhere are no data.
        let data = assets.filter { !$0.roles.contains("thumbnail") && !$0.roles.contains("overview") }
        if let visual = data.first(where: {
            $0.roles.contains("visual") || ["visual", "TCI", "TCI_10m"].contains($0.stem)
        }) {
            return [visual]
        }
        let colours = ["red", "green", "blue"].compactMap { colour in
            data.first { $0.bands == [colour] } ?? data.first { $0.stem.lowercased() == colour }
        }
        if colours.count == 3 { return colours }
        let letters = ["B04", "B03", "B02"].compactMap { band in data.first { $0.stem.hasPrefix(band) } }
        if letters.count == 3 { return letters }
        return (data.first { $0.roles.contains("data") } ?? data.first ?? assets.first).map { [$0] } ?? []
    }
}

extension ItemRasters.Asset {
    fileprivate init?(_ member: JSONObject.Member, _ addresses: ObjectAddresses) {
        let asset = member.value
        guard let href = asset["href"]?.string, let object = addresses.object(href),
            let dot = object.key.lastIndex(of: ".")
        else { return nil }
        suffix = object.key[object.key.index(after: dot)...].lowercased()
        guard ItemRasters.suffixes.contains(suffix) else { return nil }
        key = member.name
        name = Self.name(of: member.name)
        stem = Self.name(of: member.name.hasSuffix(".\(suffix)") ? String(member.name.dropLast(suffix.count + 1)) : key)
        title = asset["title"]?.string ?? member.name
        self.object = object
        roles = (asset["roles"]?.array ?? []).compactMap(\.string)
        let described = asset["bands"]?.array ?? asset["eo:bands"]?.array ?? []
        bands = described.compactMap { $0["eo:common_name"]?.string ?? $0["common_name"]?.string }
        nodata = asset["nodata"]?.number ?? (asset["raster:bands"]?.array ?? described).first?["nodata"]?.number
    }

    private static func name(of key: String) -> String {
        let text = String(key.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
        return text.first?.isNumber == true ? "_" + text : text
    }
}
