internal import ProductMetadata

/// A store of Zarr arrays as GDAL reads it, which knows version 2 only: each `zarr.json` of version 3 becomes the files
/// of version 2, and its array's chunks get the names that they have there. A store of version 2 stays as it is.
struct ZarrStore {
    let sources: [(String, VirtualFiles.Source)]

    private static let metadataName = "zarr.json"
    /// Arrays and groups that are translated.
    private static let nodesMax = 512
    private static let metadataBytesMax: UInt64 = 4 << 20

    static func isOne(_ files: [RasterProtocol.File]) -> Bool {
        files.contains { $0.name == metadataName || $0.name.hasSuffix("/" + metadataName) }
    }

    init(_ files: [RasterProtocol.File], _ channel: ParentChannel) {
        var nodes: [String: ZarrMetadata] = [:]
        for (index, file) in files.enumerated() where nodes.count < Self.nodesMax {
            let (folder, name) = Self.split(file.name)
            guard name == Self.metadataName, file.size <= Self.metadataBytesMax else { continue }
            var bytes = [UInt8](repeating: 0, count: Int(file.size))
            bytes.withUnsafeMutableBytes { channel.fetch(file: index, offset: 0, into: $0) }
            nodes[folder] = ZarrMetadata(zarrJSON: bytes)
        }
        var sources: [(String, VirtualFiles.Source)] = []
        for (folder, node) in nodes {
            for file in node.files { sources.append((Self.join(folder, file.name), .memory(file.bytes))) }
        }
        for (index, file) in files.enumerated() {
            sources.append((Self.name(file.name, nodes), .node(index: index, size: file.size)))
        }
        self.sources = sources
    }

    /// The name in version 2: a chunk's array is the nearest folder above that has metadata.
    private static func name(_ name: String, _ nodes: [String: ZarrMetadata]) -> String {
        var (folder, rest) = split(name)
        while true {
            if let node = nodes[folder] { return node.chunkName(rest).map { join(folder, $0) } ?? name }
            guard !folder.isEmpty else { return name }
            let (above, last) = split(folder)
            (folder, rest) = (above, join(last, rest))
        }
    }

    private static func split(_ name: String) -> (folder: String, name: String) {
        guard let slash = name.lastIndex(of: "/") else { return ("", name) }
        return (String(name[..<slash]), String(name[name.index(after: slash)...]))
    }

    private static func join(_ folder: String, _ name: String) -> String { folder.isEmpty ? name : folder + "/" + name }
}
