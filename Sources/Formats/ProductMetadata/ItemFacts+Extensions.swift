internal import Wire

extension ItemFacts {
    /// Lists the extensions whose fields the properties and the bands use. A field's prefix names its extension.
    mutating func declareExtensions() {
        var prefixes: Set<String> = []
        for member in properties.members { prefixes.formUnion(Self.prefix(of: member.name)) }
        for file in files.values {
            for band in file.bands?.array ?? [] {
                for member in band.object?.members ?? [] { prefixes.formUnion(Self.prefix(of: member.name)) }
            }
        }
        extensions = Self.schemas.filter { prefixes.contains($0.prefix) }.map {
            "https://stac-extensions.github.io/\($0.name)/\($0.version)/schema.json"
        }
    }

    private static func prefix(of field: String) -> [String] {
        field.firstIndex(of: ":").map { [String(field[..<$0])] } ?? []
    }

    private static let schemas: [(prefix: String, name: String, version: String)] = [
        ("eo", "eo", "v2.0.0"), ("grid", "grid", "v1.1.0"), ("landsat", "landsat", "v2.0.0"),
        ("processing", "processing", "v1.2.0"), ("proj", "projection", "v2.0.0"), ("s2", "sentinel-2", "v1.0.0"),
        ("sar", "sar", "v1.0.0"), ("sat", "sat", "v1.1.0"), ("sci", "scientific", "v1.0.0"),
        ("view", "view", "v1.1.0"),
    ]
}
