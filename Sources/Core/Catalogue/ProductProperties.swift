import Database
import Journal
import Policy
import Wire

/// What policies may ask of a product: the properties of its item.
extension Catalogue: ProductSource {
    /// Items put by hand that may name one object.
    private static let itemsMax = 10

    package func properties(ofObject key: String, in collection: String) async throws -> [String: [String]] {
        for path in ProductPath.candidates(key: key) {
            let name = collection + "/" + path
            if let known = productProperties[name] {
                if known.isEmpty { continue }
                return known
            }
            let found = try await journal.find { reader in
                try reader.first(
                    """
                    SELECT d.document FROM items i JOIN item_documents d ON d.item = i.number
                    WHERE i.collection = (SELECT id FROM collections WHERE name = ?) AND i.product = ?
                    """, .init(collection), .init(path)
                ) { try ItemProperties.values(of: $0.blob(0)) }
            }
            productProperties[name] = found ?? [:]
            if let found { return found }
        }
        let documents = try await journal.find { reader in
            try reader.rows(
                """
                SELECT d.document FROM item_assets a JOIN item_documents d ON d.item = a.item
                WHERE a.collection = (SELECT id FROM collections WHERE name = ?) AND a.key = ? LIMIT ?
                """, .init(collection), .init(key), .init(Self.itemsMax)
            ) { $0.blob(0) }
        }
        var values: [String: [String]] = [:]
        for document in documents {
            for (name, list) in try ItemProperties.values(of: document) { values[name, default: []] += list }
        }
        return values
    }

    package func properties(ofItem id: String, in collection: String) async throws -> [String: [String]] {
        do {
            return try ItemProperties.values(of: try await item(collection: collection, id: id).document)
        } catch let error as CatalogueError where [.noSuchItem, .noSuchCollection].contains(error.code) {
            return [:]
        }
    }
}

/// The properties of an item, as values of condition keys.
enum ItemProperties {
    /// Values of one property, and bytes of one value, that count.
    private static let valuesMax = 100

    /// By their names in lower case. Numbers and truth values are text; of a list each element is a value, and what is
    /// an object counts for nothing.
    static func values(of document: [UInt8]) throws -> [String: [String]] {
        guard let start = document.firstIndex(of: UInt8(ascii: "{")) else { return [:] }
        for member in JSONSpans.members(document, at: start)
        where document[member.name].elementsEqual("properties".utf8) {
            return values(of: try JSONValue(parsing: Array(document[member.value])))
        }
        return [:]
    }

    static func values(of properties: JSONValue) -> [String: [String]] {
        var out: [String: [String]] = [:]
        var seen = Set<String>()
        // Of members with one name the last counts.
        for member in (properties.object?.members ?? []).reversed() where seen.insert(member.name).inserted {
            let values = (member.value.array ?? [member.value]).prefix(valuesMax).compactMap(text)
            if !values.isEmpty { out[member.name.lowercased(), default: []] += values }
        }
        return out
    }

    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .integer, .double, .bool: value.text
        case .null, .array, .object: nil
        }
    }
}

extension ProductPath {
    private static let previews = ".martlet/previews/"

    /// The paths of products that an object may belong to: its own, or for a preview those of what it shows.
    static func candidates(key: String) -> [String] {
        if key.hasPrefix(previews) {
            guard key.hasSuffix(".png") else { return [] }
            let name = key.dropFirst(previews.count).dropLast(4)
            return ["\(name)/", "\(name)*"]
        }
        return ProductPath(key: key).map { [$0.text] } ?? []
    }
}

extension ItemDocument {
    /// Assets that are looked at.
    private static let assetsMax = 1000

    /// The keys of a collection's objects among addresses of assets, whatever name the node has in them:
    /// `s3://COLLECTION/KEY`, `https://HOST/COLLECTION/KEY` and `https://COLLECTION.HOST/KEY`.
    ///
    /// - Parameter addresses: where they stand in `text`, in quotes.
    static func assetKeys(
        _ text: [UInt8], _ addresses: [Range<Int>], collection: String
    ) throws -> Set<String> {
        let collection = Array(collection.utf8)
        var keys: Set<String> = []
        for quoted in addresses.prefix(assetsMax) {
            var address = text[quoted].dropFirst().dropLast()
            if address.contains(UInt8(ascii: "\\")) {
                address = Array((try JSONValue(parsing: Array(text[quoted])).string ?? "").utf8)[...]
            }
            if let key = key(of: address, collection: collection) { keys.insert(key) }
        }
        return keys
    }

    // Byte by byte: an item has dozens of assets, and by characters they take as long as all else.
    private static func key(of address: ArraySlice<UInt8>, collection: [UInt8]) -> String? {
        guard let colon = address.firstIndex(of: UInt8(ascii: ":")), address[colon...].starts(with: "://".utf8) else {
            return nil
        }
        let rest = address[colon...].dropFirst(3).prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
        let (host, path) = (rest[..<slash], rest[slash...].dropFirst())
        let isOfBucket = host.starts(with: collection)
        if address[..<colon].elementsEqual("s3".utf8) {
            return isOfBucket && host.count == collection.count ? String(decoding: path, as: UTF8.self) : nil
        }
        if isOfBucket, host.dropFirst(collection.count).first == UInt8(ascii: ".") { return decoded(path) }
        guard path.starts(with: collection), path.dropFirst(collection.count).first == UInt8(ascii: "/") else {
            return nil
        }
        return decoded(path.dropFirst(collection.count + 1))
    }

    private static func decoded(_ path: ArraySlice<UInt8>) -> String? {
        PercentEncoding.decode(String(decoding: path, as: UTF8.self)[...])
    }
}
