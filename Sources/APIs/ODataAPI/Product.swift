import Catalogue
import Geometry
import Wire

/// An item as a product: what is told of it, read once from its document.
struct Product {
    let item: ItemRecord
    private let document: JSONValue

    init(_ item: ItemRecord, document: JSONValue) { (self.item, self.document) = (item, document) }

    var id: String { ProductID(item).text }
    var properties: JSONValue { document["properties"] ?? .null }

    /// That of its folder, which has the ending that the item's id leaves out; without a folder the item's id.
    var name: String { Self.name(of: item) }

    static func name(of item: ItemRecord) -> String {
        guard let path = item.product.map(ProductPath.init(stored:)), path.isFolder, path.name.hasPrefix(item.id) else {
            return item.id
        }
        return path.name
    }

    /// Bytes of all its files, as far as the item says.
    var length: Int64 { assets.reduce(0) { $0 + ($1.value["file:size"]?.integer ?? 0) } }

    /// Where it is over S3.
    var path: String { "/\(item.collection)/\(item.product.map { ProductPath(stored: $0).prefix } ?? "")" }

    var published: String { properties["created"]?.string ?? item.updated.rfc3339 }
    var modified: String { properties["updated"]?.string ?? item.updated.rfc3339 }
    var start: String { properties["start_datetime"]?.string ?? properties["datetime"]?.string ?? "" }
    var end: String { properties["end_datetime"]?.string ?? properties["datetime"]?.string ?? "" }

    var geometry: JSONValue { document["geometry"] ?? .null }

    var footprint: JSONValue {
        guard let geometry = try? Geometry(parsing: geometry) else { return .null }
        return .string("geography'SRID=4326;\(geometry.wellKnownText)'")
    }

    private var assets: [JSONObject.Member] { document["assets"]?.object?.members ?? [] }

    /// Pictures of it, by their places among the assets.
    var quicklooks: [(index: Int, href: String)] {
        assets.prefix(ProductID.assetsMax).enumerated().compactMap { index, asset in
            let roles = asset.value["roles"]?.array?.compactMap(\.string) ?? []
            guard roles.contains("thumbnail") || roles.contains("overview"), let href = asset.value["href"]?.string
            else { return nil }
            return (index, href)
        }
    }

    /// The address of an asset by its place.
    func href(ofAsset index: Int) -> String? {
        assets.indices.contains(index) ? assets[index].value["href"]?.string : nil
    }

    /// All addresses of its assets.
    var hrefs: [String] { assets.compactMap { $0.value["href"]?.string } }

    /// Of a product of one file: its digest, from the multihash that the item has. A folder has one in its trace.
    var checksums: JSONValue {
        let data = assets.filter { $0.value["roles"]?.array?.contains("thumbnail") != true }
        guard data.count == 1, let hash = data[0].value["file:checksum"]?.string else { return .array([]) }
        for (mark, algorithm) in [("1e20", "BLAKE3"), ("d50110", "MD5")] where hash.hasPrefix(mark) {
            return [
                [
                    "Value": .string(String(hash.dropFirst(mark.count))), "Algorithm": .string(algorithm),
                    "ChecksumDate": .string(modified),
                ]
            ]
        }
        return .array([])
    }
}
