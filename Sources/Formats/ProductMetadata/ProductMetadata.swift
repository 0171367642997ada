internal import Wire

/// Reads the metadata files of Earth-observation products.
///
/// A product is told by one file: its `anchor`. What the anchor lists makes the product complete; then `safe`,
/// `sentinel2` or `landsat` makes the facts of its STAC Item.
package enum ProductMetadata {
    package enum Anchor: Sendable, Hashable {
        /// `manifest.safe` or `xfdumanifest.xml`: see `SAFEManifest`.
        case safe
        /// `…_MTL.txt` or `…_MTL.json` of Landsat Collection 2: see `LandsatMTL`.
        case landsat
    }

    /// Whether a file with this path is the anchor of a product, which is then the folder that it is in.
    package static func anchor(path: some StringProtocol) -> Anchor? {
        let name = path.split(separator: "/").last ?? ""
        if name == "manifest.safe" || name == "xfdumanifest.xml" { return .safe }
        if name.hasSuffix("_MTL.txt") || name.hasSuffix("_MTL.json") { return .landsat }
        return nil
    }

    /// The facts that every SAFE manifest gives: for Sentinel-1, Sentinel-3 and Sentinel-2 without its other files.
    ///
    /// - Parameter manifestPath: the manifest's name in the product's folder.
    package static func safe(_ manifest: SAFEManifest, manifestPath: String = "manifest.safe") -> ItemFacts {
        var facts = ItemFacts()
        facts.datetime = manifest.start
        if let start = manifest.start, let end = manifest.end, start < end { (facts.start, facts.end) = (start, end) }
        facts.geometry = manifest.footprint?.geometry
        facts.bbox = manifest.footprint?.bbox
        facts.properties.set("platform", manifest.platform)
        facts.properties.set("constellation", manifest.constellation)
        if !manifest.instruments.isEmpty {
            facts.properties["instruments"] = .array(manifest.instruments.map { .string($0) })
        }
        facts.properties.set("sat:orbit_state", manifest.orbitState)
        facts.properties.set("sat:relative_orbit", manifest.relativeOrbit.map { .integer($0) })
        facts.properties.set("sat:absolute_orbit", manifest.absoluteOrbit.map { .integer($0) })
        for file in manifest.files {
            facts.files[file.path] = describe(file)
        }
        facts.files[manifestPath] = FileFacts(title: manifestPath, mediaType: "application/xml", roles: ["metadata"])
        Sentinel1.describe(manifest.metadata, &facts)
        Sentinel3.describe(manifest.metadata, &facts)
        facts.declareExtensions()
        return facts
    }

    private static func describe(_ file: SAFEManifest.File) -> FileFacts {
        let name = file.path.split(separator: "/").last.map(String.init) ?? file.path
        let type = MediaType.of(path: name)
        let lower = file.path.lowercased()
        let role: String =
            switch type {
            case "image/jp2", "application/x-netcdf", MediaType.geoTIFF: "data"
            case "image/jpeg", "image/png": lower.contains("ql") || lower.contains("quick") ? "thumbnail" : "overview"
            default: "metadata"
            }
        return FileFacts(title: name, mediaType: type, roles: [role], checksum: file.checksum, size: file.size)
    }
}
