import Catalogue
import Geometry
import HTTPSupport
import Wire

/// An item as a product: what is told of it, read once from its document.
struct Product {
    /// Of the item.
    private let number: Int64
    private let collection: String
    private let updated: Timestamp
    /// The folder or key that it stands for; nil for an item put by hand.
    private let place: ProductPath?
    private let document: JSONValue
    /// That of its folder, which has the ending that the item's id leaves out; without a folder the item's id.
    let name: String

    init(_ item: ItemRecord, document: JSONValue) {
        (number, collection, updated) = (item.number, item.collection, item.updated)
        place = item.product.map(ProductPath.init(stored:))
        self.document = document
        name = Self.name(of: item)
    }

    /// What is known of an item without its document.
    ///
    /// - Throws: `JSONError`.
    init(_ facts: KnownItem) throws {
        (number, collection, updated) = (facts.number, facts.collection, facts.updated)
        place = facts.product.map(ProductPath.init(stored:))
        let members = [
            JSONObject.Member(name: "geometry", value: try facts.geometry.map { try JSONValue(parsing: $0) } ?? .null),
            JSONObject.Member(name: "properties", value: try JSONValue(parsing: facts.properties)),
        ]
        document = .object(JSONObject(members))
        name = Self.name(facts.id, place)
    }

    var id: String { ProductID(number: number).text }
    var properties: JSONValue { document["properties"] ?? .null }

    static func name(of item: ItemRecord) -> String { name(item.id, item.product.map(ProductPath.init(stored:))) }

    private static func name(_ id: String, _ place: ProductPath?) -> String {
        guard let place, place.isFolder, place.name.hasPrefix(id) else { return id }
        return place.name
    }

    /// Bytes of all its files, as far as the item says.
    ///
    /// Whoever puts an item says so, and says what they like: what is negative counts nothing, and there is a largest
    /// number.
    var length: Int64 {
        assets.reduce(0) { sum, asset in
            let (next, isTooLarge) = sum.addingReportingOverflow(max(0, asset.value["file:size"]?.integer ?? 0))
            return isTooLarge ? .max : next
        }
    }

    /// Where it is over S3.
    var path: String { "/\(collection)/\(place?.prefix ?? "")" }

    var published: String { properties["created"]?.string ?? updated.rfc3339 }
    var modified: String { properties["updated"]?.string ?? updated.rfc3339 }
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

    /// Writes what is also told of a product that was removed: when and where it is of, and its attributes.
    func writeDescription(_ options: ODataOptions, to json: inout JSONWriter) {
        if options.wants("ContentDate") {
            json.key("ContentDate")
            json.object {
                $0.member("Start", start)
                $0.member("End", end)
            }
        }
        if options.wants("Footprint") { json.member("Footprint", footprint) }
        if options.wants("GeoFootprint") { json.member("GeoFootprint", geometry) }
        if options.expands(.attributes) {
            json.key("Attributes")
            json.array { json in
                for attribute in ProductAttribute.all(of: properties) { attribute.write(to: &json) }
            }
        }
    }
}
