import Geometry
import Wire

/// A STAC Item that was checked, with what the catalogue searches by.
struct ItemDocument {
    /// Largest document taken.
    static let bytesMax = 10 << 20
    static let idBytesMax = 256

    let id: String
    /// As handed in, except that `collection` is right, `links` is there, and links that only the serving node can give
    /// are gone.
    let bytes: [UInt8]
    let linksAt: Int
    /// Where in `bytes` the geometry is; nil for null.
    let geometry: Range<Int>?
    /// Where in `bytes` the properties are.
    let properties: Range<Int>
    /// The properties with a value.
    let propertyTypes: [String: PropertyType]
    /// The box that the item is found by; see `Footprint.box`.
    let box: BoundingBox?
    let datetime: Timestamp
    let times: ClosedRange<Timestamp>
    /// The objects of its own collection that are its assets.
    let assetKeys: Set<String>
    /// What it is found by in texts: see `ItemWords`.
    let words: String

    /// - Throws: ``CatalogueError`` `.invalidItem` with the member, `.tooLarge`.
    init(parsing given: [UInt8], collection: String) throws {
        guard given.count <= Self.bytesMax else {
            throw CatalogueError(.tooLarge, "an item may have \(Self.bytesMax) bytes, this one has \(given.count)")
        }
        let json: JSONValue
        do {
            json = try JSONValue(parsing: given)
        } catch {
            throw Self.invalid("", "the item is \(error)")
        }
        guard json.object != nil else { throw Self.invalid("", "an item is a JSON object") }
        guard json["type"]?.string == "Feature" else { throw Self.invalid("type", "type must be \"Feature\"") }
        guard let version = json["stac_version"]?.string, version.hasPrefix("1.") else {
            throw Self.invalid("stac_version", "stac_version must be a version 1 of STAC, like \"1.1.0\"")
        }
        id = try Self.id(json["id"])
        (datetime, times) = try Self.times(json["properties"])
        box = try Self.box(json)
        propertyTypes = PropertyType.found(in: json["properties"])
        try Self.checkAssets(json["assets"])
        try Self.checkLinks(json["links"])
        assetKeys = Self.assetKeys(json["assets"], collection: collection)
        words = ItemWords.words(id: id, collection: collection, json["properties"])

        var text = Self.trimmed(given)
        try Self.normalise(&text, collection: collection)
        bytes = text
        var linksAt = 0
        var geometry: Range<Int>?
        var properties = 0..<0
        for member in JSONSpans.members(text, at: 0) {
            switch try Self.name(member, in: text) {
            case "links": linksAt = member.value.lowerBound + 1
            case "properties": properties = member.value
            case "geometry" where box != nil: geometry = member.value
            default: break
            }
        }
        self.linksAt = linksAt
        self.geometry = geometry
        self.properties = properties
    }

    static func invalid(_ member: String, _ message: String) -> CatalogueError {
        CatalogueError(.invalidItem, message, member: member)
    }

    // MARK: Members

    private static func id(_ value: JSONValue?) throws -> String {
        guard let id = value?.string, (1...idBytesMax).contains(id.utf8.count), id != ".", id != "..",
            !id.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F })
        else {
            throw invalid("id", "id must be a string of 1 to \(idBytesMax) bytes without '/' and control characters")
        }
        return id
    }

    private static func times(_ properties: JSONValue?) throws -> (Timestamp, ClosedRange<Timestamp>) {
        guard let properties, properties.object != nil else {
            throw invalid("properties", "properties must be an object")
        }
        func moment(_ name: String) throws -> Timestamp? {
            guard let value = properties[name], !value.isNull else { return nil }
            guard let text = value.string, let moment = Timestamp(rfc3339: text) else {
                throw invalid(
                    "properties.\(name)",
                    "properties.\(name) must be an RFC 3339 date and time, like 2026-11-21T03:56:00Z")
            }
            return moment
        }
        let start = try moment("start_datetime")
        let end = try moment("end_datetime")
        let datetime = try moment("datetime")
        guard (start == nil) == (end == nil) else {
            let missing = start == nil ? "start_datetime" : "end_datetime"
            throw invalid(
                "properties.\(missing)",
                "properties.start_datetime and end_datetime come together: \(missing) is missing")
        }
        guard let start, let end else {
            guard let datetime else {
                throw invalid(
                    "properties.datetime",
                    "properties.datetime must be an RFC 3339 date and time, or null beside start_datetime and end_datetime"
                )
            }
            return (datetime, datetime...datetime)
        }
        guard start <= end else {
            throw invalid("properties.end_datetime", "properties.end_datetime must not be before start_datetime")
        }
        return (datetime ?? start, start...end)
    }

    private static func box(_ json: JSONValue) throws -> BoundingBox? {
        guard let value = json["geometry"] else {
            throw invalid("geometry", "geometry must be there: a GeoJSON geometry or null")
        }
        do {
            let box = try json["bbox"].map { try BoundingBox(parsing: $0) }
            guard !value.isNull else { return nil }
            let geometry = try Geometry(parsing: value)
            guard let box else { throw invalid("bbox", "bbox must be there, since there is a geometry") }
            return Footprint.box(of: geometry, given: box)
        } catch let error as GeometryError {
            throw invalid(error.message.contains("bbox") ? "bbox" : "geometry", error.message)
        }
    }

    private static func checkAssets(_ value: JSONValue?) throws {
        guard let assets = value?.object else { throw invalid("assets", "assets must be an object") }
        for asset in assets.members where asset.value["href"]?.string == nil {
            let name = "assets.\(asset.name.prefix(80))"
            throw invalid(name, "\(name) must be an object with an href")
        }
    }

    private static func checkLinks(_ value: JSONValue?) throws {
        guard let value else { return }
        guard let links = value.array else { throw invalid("links", "links must be a list") }
        for (index, link) in links.enumerated() where link["rel"]?.string == nil || link["href"]?.string == nil {
            throw invalid("links[\(index)]", "links[\(index)] must be an object with rel and href")
        }
    }

    // MARK: Bytes

    /// Without a byte order mark and white space around the object.
    private static func trimmed(_ bytes: [UInt8]) -> [UInt8] {
        guard let first = bytes.firstIndex(of: UInt8(ascii: "{")), let last = bytes.lastIndex(of: UInt8(ascii: "}"))
        else {
            return bytes
        }
        return first == 0 && last == bytes.count - 1 ? bytes : Array(bytes[first...last])
    }

    private static func name(_ member: JSONSpans.Member, in text: [UInt8]) throws -> String {
        let name = text[member.name]
        guard name.contains(UInt8(ascii: "\\")) else { return String(decoding: name, as: UTF8.self) }
        return try JSONValue(parsing: Array(text[(member.name.lowerBound - 1)...member.name.upperBound])).string ?? ""
    }

    /// Links that hold for one node only; the one that serves the item gives its own.
    private static let ownRelations: Set<String> = ["self", "root", "parent", "collection"]

    private static func normalise(_ text: inout [UInt8], collection: String) throws {
        var seen = Set<String>()
        var edits: [(range: Range<Int>, bytes: [UInt8])] = []
        var quoted = JSONWriter()
        quoted.string(collection)
        for member in JSONSpans.members(text, at: 0) {
            let name = try name(member, in: text)
            guard seen.insert(name).inserted else {
                throw invalid(name, "the member '\(name.prefix(80))' stands there twice")
            }
            switch name {
            case "collection":
                let value = try JSONValue(parsing: Array(text[member.value]))
                if value.string != collection { edits.append((member.value, quoted.bytes)) }
            case "links":
                if let kept = try keptLinks(text, member.value) { edits.append((member.value, kept)) }
            default: break
            }
        }
        for edit in edits.reversed() { text.replaceSubrange(edit.range, with: edit.bytes) }
        if !seen.contains("collection") {
            text.insert(contentsOf: Array(",\"collection\":".utf8) + quoted.bytes, at: text.count - 1)
        }
        if !seen.contains("links") { text.insert(contentsOf: Array(",\"links\":[]".utf8), at: text.count - 1) }
    }

    /// The list of links without those of another node; nil where there are none of these.
    private static func keptLinks(_ text: [UInt8], _ list: Range<Int>) throws -> [UInt8]? {
        let links = JSONSpans.elements(text, at: list.lowerBound)
        let kept = try links.filter { link in
            let relation = try JSONValue(parsing: Array(text[link]))["rel"]?.string ?? ""
            return !ownRelations.contains(relation)
        }
        guard kept.count < links.count else { return nil }
        return Array("[".utf8) + kept.map { text[$0] }.joined(separator: Array(",".utf8)) + Array("]".utf8)
    }
}
