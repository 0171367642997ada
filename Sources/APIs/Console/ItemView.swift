import Catalogue
import Geometry
package import HTTPSupport
import Wire

/// What the pages show of an item, read once from its stored document.
struct ItemView: Sendable {
    let collection: String
    let id: String
    /// The folder or key that the item stands for, as the catalogue has it.
    let product: String?
    let updated: Timestamp
    let footprint: Geometry?
    /// Around the footprint.
    let box: BoundingBox?
    let properties: JSONObject
    let assets: [AssetView]

    /// Files that a page lists; of a product with more it says how many there are.
    static let assetsMax = 1000

    init(_ record: ItemRecord, addresses: NodeAddresses) throws {
        let document = try JSONValue(parsing: record.document)
        collection = record.collection
        id = record.id
        product = record.product
        updated = record.updated
        footprint = document["geometry"].flatMap { $0.isNull ? nil : try? Geometry(parsing: $0) }
        // The item's own box says whether a footprint in two parts crosses the antimeridian; the parts alone do not.
        box = footprint.map { footprint in
            document["bbox"].flatMap { try? BoundingBox(parsing: $0) } ?? footprint.boundingBox
        }
        properties = document["properties"]?.object ?? JSONObject()
        assets = (document["assets"]?.object?.members ?? []).prefix(Self.assetsMax).map {
            AssetView($0, addresses: addresses)
        }
    }

    var link: String { Link.item(collection, id) }
    var cloudCover: Double? { properties["eo:cloud_cover"]?.number }

    /// Whether one of its files may be a raster of which pictures can be made.
    var hasRaster: Bool {
        let endings = [".tif", ".tiff", ".jp2", ".nc", ".nc4", ".h5", ".hdf5", ".he5"]
        return assets.contains { asset in
            asset.isLocal && endings.contains { asset.href.lowercased().hasSuffix($0) }
        }
    }

    /// When the data were taken: a moment, or from when to when.
    var times: ClosedRange<Timestamp>? {
        func time(_ name: String) -> Timestamp? { properties[name]?.string.flatMap { Timestamp(rfc3339: $0) } }
        if let moment = time("datetime") { return moment...moment }
        guard let start = time("start_datetime"), let end = time("end_datetime"), start <= end else { return nil }
        return start...end
    }

    /// The picture of the product that a browser can show, if it is on this node: the pages load nothing from
    /// elsewhere.
    var picture: AssetView? {
        let shown = assets.filter { $0.isPicture && $0.isLocal }
        return shown.first { $0.roles.contains("thumbnail") } ?? shown.first { $0.roles.contains("overview") }
    }
}

/// A file of an item.
struct AssetView: Sendable {
    let name: String
    let title: String
    let href: String
    let type: String
    let roles: [String]
    let size: Int64?
    /// The multihash of the content in hexadecimal digits, as the file extension of STAC has it.
    let checksum: String?
    /// Whether this node has the file, so that it can sign its address.
    let isLocal: Bool

    init(_ member: JSONObject.Member, addresses: NodeAddresses) {
        let asset = member.value
        name = member.name
        href = asset["href"]?.string ?? ""
        title = asset["title"]?.string ?? member.name
        type = asset["type"]?.string ?? ""
        roles = (asset["roles"]?.array ?? []).compactMap(\.string)
        size = asset["file:size"]?.integer
        checksum = asset["file:checksum"]?.string
        isLocal = addresses.isLocal(href)
    }

    /// Whether browsers show it.
    var isPicture: Bool {
        ["image/png", "image/jpeg", "image/webp", "image/gif"].contains(String(type.prefix { $0 != ";" }).lowercased())
    }

    /// The digest and the name of its algorithm. The first two bytes of a multihash say which it is and its length.
    var digest: (algorithm: String, hex: String)? {
        guard let checksum, checksum.utf8.count > 4, let bytes = Hex.decode(checksum), bytes.count == Int(bytes[1]) + 2
        else {
            return nil
        }
        let names: [UInt8: String] = [
            0x11: "SHA-1", 0x12: "SHA-256", 0x13: "SHA-512", 0x16: "SHA3-256", 0x1E: "BLAKE3", 0xD5: "MD5",
        ]
        return names[bytes[0]].map { ($0, Hex.encode(bytes.dropFirst(2))) }
    }
}

/// Under which addresses clients reach this node.
package struct NodeAddresses: Sendable {
    package let web: String
    package let objects: ObjectAddresses

    /// Where clients reach the S3 port.
    package var s3: String { objects.s3 }

    package init(web: String, objects: ObjectAddresses) {
        self.web = web
        self.objects = objects
    }

    /// Whether an address is one of this node's files. An address `s3://…` does not say whose bucket it means.
    func isLocal(_ href: String) -> Bool { !href.hasPrefix("s3://") && objects.object(href) != nil }
}
