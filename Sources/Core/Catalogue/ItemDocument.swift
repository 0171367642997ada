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
        do {
            try JSONValue.check(given)
        } catch {
            throw Self.invalid("", "the item is \(error)")
        }
        guard let start = JSONSpans.object(given) else { throw Self.invalid("", "an item is a JSON object") }
        let source = Self.trimmed(given, from: start)
        let members = try Self.members(source)
        // Of a large document, which is mostly assets, only what is asked for becomes values.
        func value(_ name: String) throws -> JSONValue? {
            try members[name].map { try JSONValue(parsing: Array(source[$0])) }
        }
        guard try value("type")?.string == "Feature" else {
            throw Self.invalid("type", "type must be \"Feature\"")
        }
        guard let version = try value("stac_version")?.string, version.hasPrefix("1.") else {
            throw Self.invalid("stac_version", "stac_version must be a version 1 of STAC, like \"1.1.0\"")
        }
        id = try Self.id(value("id"))
        let known = try value("properties")
        (datetime, times) = try Self.times(known)
        box = try Self.box(geometry: value("geometry"), box: value("bbox"))
        propertyTypes = PropertyType.found(in: known)
        assetKeys = try Self.assetKeys(source, Self.addresses(source, members["assets"]), collection: collection)
        let relations = try Self.relations(value("links"))
        words = ItemWords.words(id: id, collection: collection, known)

        let edited = try Self.normalised(source, members, relations, collection: value("collection"), is: collection)
        bytes = edited ?? source
        let places = try edited.map(Self.members) ?? members
        linksAt = (places["links"]?.lowerBound ?? 0) + 1
        geometry = box == nil ? nil : places["geometry"]
        properties = places["properties"] ?? 0..<0
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

    private static func box(geometry value: JSONValue?, box: JSONValue?) throws -> BoundingBox? {
        guard let value else {
            throw invalid("geometry", "geometry must be there: a GeoJSON geometry or null")
        }
        do {
            let box = try box.map { try BoundingBox(parsing: $0) }
            guard !value.isNull else { return nil }
            let geometry = try Geometry(parsing: value)
            guard let box else { throw invalid("bbox", "bbox must be there, since there is a geometry") }
            return Footprint.box(of: geometry, given: box)
        } catch let error as GeometryError {
            throw invalid(error.message.contains("bbox") ? "bbox" : "geometry", error.message)
        }
    }

    /// Where it is said where the assets are, in quotes. The rest of them is not looked at.
    private static func addresses(_ text: [UInt8], _ assets: Range<Int>?) throws -> [Range<Int>] {
        guard let assets, text[assets.lowerBound] == UInt8(ascii: "{") else {
            throw invalid("assets", "assets must be an object")
        }
        return try JSONSpans.members(text, at: assets.lowerBound).map { asset in
            if text[asset.value.lowerBound] == UInt8(ascii: "{") {
                let parts = JSONSpans.members(text, at: asset.value.lowerBound)
                if let part = try parts.last(where: { try isName("href", $0, in: text) }),
                    text[part.value.lowerBound] == UInt8(ascii: "\"")
                {
                    return part.value
                }
            }
            let place = "assets.\(try name(asset, in: text).prefix(80))"
            throw invalid(place, "\(place) must be an object with an href")
        }
    }

    /// What the links lead to, one after the other.
    private static func relations(_ value: JSONValue?) throws -> [String] {
        guard let value else { return [] }
        guard let links = value.array else { throw invalid("links", "links must be a list") }
        return try links.enumerated().map { index, link in
            guard let relation = link["rel"]?.string, link["href"]?.string != nil else {
                throw invalid("links[\(index)]", "links[\(index)] must be an object with rel and href")
            }
            return relation
        }
    }

    // MARK: Bytes

    /// Without a byte order mark and white space around the object.
    private static func trimmed(_ bytes: [UInt8], from start: Int) -> [UInt8] {
        let end = (bytes.lastIndex(of: UInt8(ascii: "}")) ?? bytes.count - 1) + 1
        return start == 0 && end == bytes.count ? bytes : Array(bytes[start..<end])
    }

    /// Where the values of the members are, by their names.
    private static func members(_ text: [UInt8]) throws -> [String: Range<Int>] {
        var out: [String: Range<Int>] = [:]
        for member in JSONSpans.members(text, at: 0) {
            let name = try name(member, in: text)
            guard out.updateValue(member.value, forKey: name) == nil else {
                throw invalid(name, "the member '\(name.prefix(80))' stands there twice")
            }
        }
        return out
    }

    private static func isName(_ name: String, _ member: JSONSpans.Member, in text: [UInt8]) throws -> Bool {
        let written = text[member.name]
        return written.contains(UInt8(ascii: "\\"))
            ? try self.name(member, in: text) == name : written.elementsEqual(name.utf8)
    }

    private static func name(_ member: JSONSpans.Member, in text: [UInt8]) throws -> String {
        let name = text[member.name]
        guard name.contains(UInt8(ascii: "\\")) else { return String(decoding: name, as: UTF8.self) }
        return try JSONValue(parsing: Array(text[(member.name.lowerBound - 1)...member.name.upperBound])).string ?? ""
    }

    /// Links that hold for one node only; the one that serves the item gives its own.
    private static let ownRelations: Set<String> = ["self", "root", "parent", "collection"]

    /// The document as it is stored; nil where that is as it came.
    private static func normalised(
        _ source: [UInt8], _ members: [String: Range<Int>], _ relations: [String], collection given: JSONValue?,
        is collection: String
    ) throws -> [UInt8]? {
        var edits: [(range: Range<Int>, bytes: [UInt8])] = []
        // Of members that are not there: they are put behind the others.
        var missing: [UInt8] = []
        if given?.string != collection {
            var quoted = JSONWriter()
            quoted.string(collection)
            if let range = members["collection"] {
                edits.append((range, quoted.bytes))
            } else {
                missing += Array(",\"collection\":".utf8) + quoted.bytes
            }
        }
        if let list = members["links"] {
            if relations.contains(where: ownRelations.contains) {
                let kept = zip(JSONSpans.elements(source, at: list.lowerBound), relations)
                    .filter { !ownRelations.contains($0.1) }.map { source[$0.0] }
                edits.append((list, Array("[".utf8) + kept.joined(separator: Array(",".utf8)) + Array("]".utf8)))
            }
        } else {
            missing += ",\"links\":[]".utf8
        }
        guard !edits.isEmpty || !missing.isEmpty else { return nil }
        var text = source
        text.insert(contentsOf: missing, at: text.count - 1)
        for edit in edits.sorted(by: { $1.range.lowerBound < $0.range.lowerBound }) {
            text.replaceSubrange(edit.range, with: edit.bytes)
        }
        return text
    }
}
