package import Wire

/// The manifest of a product in ESA's SAFE form (`manifest.safe`, for Sentinel-3 `xfdumanifest.xml`): an XFDU package
/// (CCSDS 661.0-B-1) that lists every file of the product with its size and checksum.
package struct SAFEManifest: Sendable {
    package struct File: Sendable, Hashable {
        /// Relative to the product's folder.
        package var path: String
        /// Bytes.
        package var size: Int64?
        package var checksum: FileFacts.Checksum?
    }

    /// What makes the product complete, beside the manifest itself.
    package let files: [File]
    /// `sentinel-2a`.
    package let platform: String?
    /// `sentinel-2`.
    package let constellation: String?
    /// `msi`, `sar`, `olci`, …
    package let instruments: [String]
    package let start: Timestamp?
    package let end: Timestamp?
    package let footprint: Footprint?
    package let relativeOrbit: Int64?
    package let absoluteOrbit: Int64?
    /// `ascending` or `descending`.
    package let orbitState: String?
    /// What each mission says in its own words.
    let metadata: XMLElement

    /// Bytes of a metadata file that are read.
    package static let bytesMax = 16 << 20
    package static let filesMax = 20_000

    /// Reads a manifest.
    ///
    /// - Throws: `tooLarge` beyond `bytesMax` and `filesMax`; `malformed` for what is not XML, and for a file path that
    ///   leaves the product's folder; `missing` where no file is listed.
    package init(parsing bytes: [UInt8]) throws(ProductMetadataError) {
        let root = try XMLElement(metadata: bytes, called: "the SAFE manifest")
        guard root.name == "XFDU" else {
            throw ProductMetadataError(
                .malformed, "the SAFE manifest's root element is '\(root.name)'; it must be XFDU")
        }
        files = try Self.files(of: root)
        metadata = root["metadataSection"] ?? XMLElement(name: "metadataSection")

        let craft = metadata.descendant("platform")
        (constellation, platform) = Self.names(family: craft?["familyName"]?.text, number: craft?["number"]?.text)
        instruments = (craft?.all("instrument") ?? []).compactMap { instrument in
            guard let family = instrument["familyName"] else { return nil }
            let name = family.attributes["abbreviation"] ?? family.text
            return name.isEmpty ? nil : name.lowercased()
        }

        let period = metadata.descendant("acquisitionPeriod")
        start = period?["startTime"].flatMap { Timestamp(lenient: $0.text) }
        end = period?["stopTime"].flatMap { Timestamp(lenient: $0.text) }
        footprint = try Self.footprint(of: metadata)

        let orbit = metadata.descendant("orbitReference")
        relativeOrbit = orbit?.first("relativeOrbitNumber").flatMap { Int64($0.text) }
        absoluteOrbit = orbit?.first("orbitNumber").flatMap { Int64($0.text) }
        let direction =
            orbit?.first("orbitNumber")?.attributes["groundTrackDirection"] ?? orbit?.descendant("pass")?.text ?? ""
        orbitState = ["ascending", "descending"].first { $0 == direction.lowercased() }
    }

    private static func files(of root: XMLElement) throws(ProductMetadataError) -> [File] {
        var files: [File] = []
        var known: Set<String> = []
        for object in root["dataObjectSection"]?.all("dataObject") ?? [] {
            for stream in object.all("byteStream") {
                guard let href = stream["fileLocation"]?.attributes["href"] else { continue }
                let path = try relativePath(href)
                guard known.insert(path).inserted else { continue }
                guard files.count < filesMax else {
                    throw ProductMetadataError(.tooLarge, "the SAFE manifest lists more than \(filesMax) files")
                }
                let checksum = stream["checksum"].flatMap { element -> FileFacts.Checksum? in
                    guard let name = element.attributes["checksumName"], !element.text.isEmpty else { return nil }
                    return FileFacts.Checksum(algorithm: name.uppercased(), hex: element.text.lowercased())
                }
                let size = stream.attributes["size"].flatMap { Int64($0) }.flatMap { $0 >= 0 ? $0 : nil }
                files.append(File(path: path, size: size, checksum: checksum))
            }
        }
        guard !files.isEmpty else {
            throw ProductMetadataError(
                .missing, "the SAFE manifest lists no file (dataObjectSection/dataObject/byteStream/fileLocation)")
        }
        return files
    }

    /// `./GRANULE/x.jp2` as `GRANULE/x.jp2`. What leaves the folder is refused: a manifest must not name other data.
    private static func relativePath(_ href: String) throws(ProductMetadataError) -> String {
        let parts = href.split(separator: "/", omittingEmptySubsequences: false).filter { $0 != "." }
        guard !parts.isEmpty, href.utf8.count <= 1024,
            parts.allSatisfy({ !$0.isEmpty && $0 != ".." && !$0.contains("\\") && !$0.utf8.contains(0) }),
            !parts[0].contains(":")
        else {
            throw ProductMetadataError(
                .malformed,
                "the SAFE manifest names the file '\(href.prefix(200))'; it must be a path inside the product's folder")
        }
        return parts.joined(separator: "/")
    }

    /// `SENTINEL` and `2A`, `SENTINEL-1` and `A`, `Sentinel-3` and `B`: each generation writes it its own way.
    private static func names(family: String?, number: String?) -> (constellation: String?, platform: String?) {
        guard let family, let number, let letter = number.last else { return (nil, nil) }
        let digits = number.dropLast()
        let constellation = family.lowercased() + (digits.isEmpty ? "" : "-\(digits)")
        return (constellation, constellation + letter.lowercased())
    }

    private static func footprint(of metadata: XMLElement) throws(ProductMetadataError) -> Footprint? {
        guard let frame = metadata.descendant("footPrint"),
            let list = frame.descendant("coordinates") ?? frame.descendant("posList")
        else { return nil }
        return try Footprint(latitudeFirst: list.text, called: "the SAFE manifest's footprint")
    }
}

extension XMLElement {
    /// Parses a metadata file.
    init(metadata bytes: [UInt8], called name: String) throws(ProductMetadataError) {
        guard bytes.count <= SAFEManifest.bytesMax else {
            throw ProductMetadataError(
                .tooLarge, "\(name) has \(bytes.count) bytes; at most \(SAFEManifest.bytesMax) are read")
        }
        do {
            try self.init(parsing: bytes)
        } catch {
            throw ProductMetadataError(.malformed, "\(name) is not XML", cause: error)
        }
    }

    /// The child that tells of the start of the acquisition, where there is one for its start and one for its end.
    func first(_ name: String) -> XMLElement? {
        all(name).first { $0.attributes["type"] == "start" } ?? self[name]
    }
}

extension Footprint {
    /// Reads GML's list of latitudes and longitudes, separated by spaces, commas or both.
    init(latitudeFirst text: String, called name: String) throws(ProductMetadataError) {
        let fields = text.split(maxSplits: 2 * Self.positionsMax, omittingEmptySubsequences: true) {
            $0 == " " || $0 == "," || $0.isNewline || $0 == "\t"
        }
        let numbers = fields.compactMap { Double($0) }
        guard numbers.count == fields.count, numbers.count.isMultiple(of: 2) else {
            throw ProductMetadataError(.malformed, "\(name) is not a list of pairs of numbers")
        }
        try self.init(
            ring: stride(from: 0, to: numbers.count, by: 2).map {
                Position(longitude: numbers[$0 + 1], latitude: numbers[$0])
            })
    }
}

extension Timestamp {
    /// An RFC 3339 time, or one without an offset, which in product metadata is UTC.
    init?(lenient text: String) {
        if let time = Timestamp(rfc3339: text) { self = time } else { self.init(rfc3339: text + "Z") }
    }
}
