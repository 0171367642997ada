import Catalogue
import Objects
import ProductMetadata
import Rasters
import Wire

/// Writes a STAC 1.1.0 Item of what is known about a product.
struct ItemBuilder {
    /// Assets of one Item; of a product with more files the rest is counted in `martlet:files`.
    private static let assetsMax = 1000

    let files: ProductFiles
    var facts: ItemFacts
    /// What was found in the product's data, by the paths that it is said of.
    let looks: [String: RasterDescription]
    let s3URL: String
    /// The address of a picture that was made of the product.
    var preview: String?

    init(files: ProductFiles, facts: ItemFacts, looks: [String: RasterDescription], s3URL: String) {
        self.files = files
        self.facts = facts
        self.looks = looks
        self.s3URL = s3URL
    }

    private static let projection = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
    private static let file = "https://stac-extensions.github.io/file/v2.1.0/schema.json"

    func document(id: String) -> [UInt8] {
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("type", "Feature")
            json.member("stac_version", "1.1.0")
            json.member("stac_extensions", extensions)
            json.member("id", id)
            json.member("collection", files.collection.name)
            let place = place
            json.member("geometry", place?.geometry ?? .null)
            if let bbox = place?.bbox { json.member("bbox", .array(bbox.map { .double($0) })) }
            json.member("properties", .object(properties))
            json.key("assets")
            json.object { writeAssets(&$0) }
            json.key("links")
            json.array { _ in }
        }
        return json.bytes
    }

    private var extensions: [String] {
        var all = facts.extensions
        if looks.values.contains(where: { !$0.projection.members.isEmpty }) { all.append(Self.projection) }
        if looks.values.contains(where: { !$0.dimensions.isEmpty }) { all.append(DataCube.schema) }
        if looks.values.contains(where: { !$0.layers.isEmpty }) { all.append(TableFields.schema) }
        if looks.values.contains(where: { RasterFields.describe($0) }) { all.append(RasterFields.schema) }
        all.append(Self.file)
        return Array(Set(all)).sorted()
    }

    // MARK: Where and when

    /// What the metadata say, else where the rasters lie: their common footprint, or a box around all of them.
    private var place: (geometry: JSONValue, bbox: [Double]?)? {
        if let geometry = facts.geometry { return (geometry, facts.bbox) }
        let footprints = looks.sorted { $0.key < $1.key }.compactMap(\.value.footprint)
        guard let first = footprints.first else { return nil }
        guard footprints.contains(where: { $0.bbox != first.bbox }) else { return (first.geometry, first.bbox) }
        // Boxes that cross the antimeridian cannot simply be joined by their numbers: then the first one stands for
        // all.
        guard footprints.allSatisfy({ $0.bbox.count == 4 && $0.bbox[0] <= $0.bbox[2] }) else {
            return (first.geometry, first.bbox)
        }
        let west = footprints.map { $0.bbox[0] }.min() ?? 0
        let south = footprints.map { $0.bbox[1] }.min() ?? 0
        let east = footprints.map { $0.bbox[2] }.max() ?? 0
        let north = footprints.map { $0.bbox[3] }.max() ?? 0
        let ring: [JSONValue] = [(west, south), (east, south), (east, north), (west, north), (west, south)].map {
            [.double($0.0), .double($0.1)]
        }
        return (["type": "Polygon", "coordinates": [.array(ring)]], [west, south, east, north])
    }

    private var properties: JSONObject {
        var out = JSONObject()
        if let title = facts.title { out["title"] = .string(title) }
        let arrived = files.all.map(\.version.created).min() ?? .now
        let start = facts.start ?? looks.values.compactMap(\.begin).min()
        let end = facts.end ?? looks.values.compactMap(\.close).max() ?? start
        if let datetime = facts.datetime ?? looks.values.compactMap(\.datetime).min() {
            out["datetime"] = .string(datetime.rfc3339)
        } else if let start, let end {
            out["datetime"] = start == end ? .string(start.rfc3339) : .null
            out["start_datetime"] = .string(start.rfc3339)
            out["end_datetime"] = .string(end.rfc3339)
        } else {
            // Nothing tells when the data were taken: an Item must have a time, and the arrival is one that is known.
            out["datetime"] = .string(arrived.rfc3339)
            out["martlet:datetime_is_arrival"] = true
        }
        if facts.datetime != nil, let start = facts.start, let end = facts.end {
            out["start_datetime"] = .string(start.rfc3339)
            out["end_datetime"] = .string(end.rfc3339)
        }
        for member in facts.properties.members { out[member.name] = member.value }
        if let look = looks.values.first, looks.count == 1 { look.describe(&out) }
        if out["created"] == nil { out["created"] = .string(arrived.rfc3339) }
        out["updated"] = .string((files.all.map(\.version.created).max() ?? arrived).rfc3339)
        if let gsd = looks.values.compactMap(\.gsd).min(), out["gsd"] == nil { out["gsd"] = .double(gsd) }
        if out["proj:code"] == nil,
            let code = looks.sorted(by: { $0.key < $1.key }).lazy.compactMap({ $0.value.crsCode }).first
        {
            out["proj:code"] = .string(code)
        }
        if files.all.count > Self.assetsMax || files.isCut { out["martlet:files"] = .integer(Int64(files.all.count)) }
        return out
    }

    // MARK: Assets

    /// The file that is the product's own picture of itself.
    static func thumbnail(_ files: ProductFiles, _ facts: ItemFacts) -> String? {
        let named = facts.files.filter { $0.value.roles.contains("thumbnail") && files.has($0.key) }.keys.sorted().first
        return named
            ?? files.all.map(\.path).first { path in
                let lower = path.lowercased()
                let isPicture = lower.hasSuffix(".png") || lower.hasSuffix(".jpg") || lower.hasSuffix(".jpeg")
                return isPicture && ["thumb", "preview", "quicklook", "browse", "-ql"].contains { lower.contains($0) }
            }
    }

    private func writeAssets(_ json: inout JSONWriter) {
        let thumbnail = Self.thumbnail(files, facts)
        if Look.isStore(files.path) {
            writeStore(&json)
            writePreview(&json)
            return
        }
        // Files that the metadata know come first: they are the ones to keep if there are too many.
        let known = files.all.filter { facts.files[$0.path] != nil }
        let others = files.all.filter { facts.files[$0.path] == nil }
        for file in (known + others).prefix(Self.assetsMax) {
            json.key(file.path)
            json.object { write(file.path, file.version, isThumbnail: file.path == thumbnail, &$0) }
        }
        if thumbnail == nil { writePreview(&json) }
    }

    private func writePreview(_ json: inout JSONWriter) {
        guard let preview else { return }
        json.key("thumbnail")
        json.object {
            $0.member("href", preview)
            $0.member("type", "image/png")
            $0.member("title", "Preview made by this node")
            $0.member("roles", ["thumbnail"])
        }
    }

    /// A store of arrays is one asset, and so is each of the metadata files at its top.
    private func writeStore(_ json: inout JSONWriter) {
        json.key("data")
        json.object { json in
            json.member("href", address(files.path.prefix))
            json.member("type", "application/vnd.zarr")
            json.member("title", files.path.name)
            json.member("roles", ["data"])
            json.member("file:size", files.size)
        }
        for file in files.all where !file.path.contains("/") && Look.isStoreMetadata(file.path) {
            json.key(file.path)
            json.object { write(file.path, file.version, isThumbnail: false, &$0) }
        }
    }

    private func address(_ key: String) -> String {
        AssetAddresses.object(key, in: files.collection.name, s3URL: s3URL)
    }

    private func write(_ path: String, _ version: ObjectVersion, isThumbnail: Bool, _ json: inout JSONWriter) {
        let fact = facts.files[path]
        let look = looks[path]
        json.member("href", address(version.key))
        json.member("type", look?.mediaType ?? fact?.mediaType ?? MediaType.of(path: path))
        json.member("title", fact?.title ?? String(path.split(separator: "/").last ?? ""))
        json.member("roles", isThumbnail ? ["thumbnail"] : fact?.roles ?? roles(path, look))
        json.member("file:size", version.size)
        // Multihash: BLAKE3 is 0x1e, its length 0x20.
        if let digest = version.digest { json.member("file:checksum", "1e20" + Hex.encode(digest)) }
        if let bands = fact?.bands ?? look.flatMap(bands) { json.member("bands", bands) }
        if let look {
            for member in look.projection.members { json.member(member.name, member.value) }
            if let gsd = look.gsd { json.member("gsd", gsd) }
            for member in TableFields.members(of: look) { json.member(member.name, member.value) }
            if looks.count > 1, !look.dimensions.isEmpty {
                json.member("cube:dimensions", DataCube.dimensions(of: look))
                json.member("cube:variables", DataCube.variables(of: look))
            }
        }
    }

    private func roles(_ path: String, _ look: RasterDescription?) -> [String] {
        if look != nil { return ["data"] }
        let type = MediaType.of(path: path)
        let isText = type.hasPrefix("text/") || ["application/json", "application/xml"].contains(type)
        return [isText ? "metadata" : "data"]
    }

    private func bands(_ look: RasterDescription) -> JSONValue? {
        guard !look.bands.isEmpty else { return nil }
        return .array(
            look.bands.enumerated().map { index, band in
                var out = JSONObject()
                out["name"] = .string(band.description ?? "\(index + 1)")
                if let type = band.dataType { out["data_type"] = .string(type) }
                if let nodata = band.nodata { out["nodata"] = nodata }
                out.set("unit", band.unit)
                for member in RasterFields.members(of: band, in: look) { out[member.name] = member.value }
                return .object(out)
            })
    }
}
