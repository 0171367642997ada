import Catalogue
import Logging
import NIOCore
import Objects
import ProductMetadata
import Rasters
import Wire

/// Finds out what a product is, and writes its Item.
struct Describer: Sendable {
    private let objects: Objects
    private let rasters: RasterReader
    private let programs: [DescribeProgram]
    private let s3URL: String
    private let logger = Logger(label: "martlet.cataloguer")

    /// Files that are looked into for one product.
    private static let looksMax = 64
    /// JSON files that may turn out to be the product's own Item.
    private static let candidatesMax = 8
    /// Files of one product that programs are asked about.
    private static let triesMax = 8

    init(objects: Objects, rasters: RasterReader, programs: [DescribeProgram], s3URL: String) {
        self.objects = objects
        self.rasters = rasters
        self.programs = programs
        self.s3URL = s3URL
    }

    // MARK: Completeness

    /// Whether every file is there that the product's own list names. False for a product without such a list.
    func isCompleteByList(_ files: ProductFiles) async throws -> Bool {
        guard !files.isCut, let anchor = anchor(of: files), let bytes = try await files.bytes(anchor.path) else {
            return false
        }
        do {
            switch anchor.kind {
            case .safe: return try SAFEManifest(parsing: bytes).files.allSatisfy { files.has($0.path) }
            case .landsat: return try LandsatMTL(parsing: bytes).files.allSatisfy { files.has($0) }
            }
        } catch {
            return false
        }
    }

    private func anchor(of files: ProductFiles) -> (path: String, kind: ProductMetadata.Anchor)? {
        for file in files.all where !file.path.contains("/") {
            if let kind = ProductMetadata.anchor(path: file.path) { return (file.path, kind) }
        }
        return nil
    }

    // MARK: Items

    /// What is known of a product, from its metadata files and its rasters.
    func describe(_ files: ProductFiles) async throws -> ItemBuilder {
        var facts = ItemFacts()
        if let anchor = anchor(of: files), let known = try await self.facts(files, anchor) {
            facts = known
        } else if let told = try await factsByProgram(files) {
            facts = told
        }
        let looks = try await look(into: files, facts)
        var builder = ItemBuilder(files: files, facts: facts, looks: looks, s3URL: s3URL)
        builder.preview = try await keepPreview(files, facts, looks)
        return builder
    }

    /// A STAC item file at the top of the product, its relative addresses made absolute; nil if there is none.
    func givenItem(_ files: ProductFiles) async throws -> [UInt8]? {
        let candidates = files.all.map(\.path)
            .filter {
                !$0.contains("/") && ($0.lowercased().hasSuffix(".json") || $0.lowercased().hasSuffix(".geojson"))
            }
            .sorted {
                ($0.lowercased().contains("stac") ? 0 : 1, $0.utf8.count) < (
                    $1.lowercased().contains("stac") ? 0 : 1, $1.utf8.count
                )
            }
        for path in candidates.prefix(Self.candidatesMax) {
            guard let bytes = try await files.bytes(path), let json = try? JSONValue(parsing: bytes),
                json["type"]?.string == "Feature", json["stac_version"]?.string != nil
            else { continue }
            let key = files.version(path)?.key ?? path
            return AssetAddresses.absolute(json, bytes, base: address(files, key))
        }
        return nil
    }

    private func address(_ files: ProductFiles, _ key: String) -> String {
        AssetAddresses.object(key, in: files.collection.name, s3URL: s3URL)
    }

    /// What the product's metadata files say; nil where they cannot be read, which is then logged.
    private func facts(
        _ files: ProductFiles, _ anchor: (path: String, kind: ProductMetadata.Anchor)
    ) async throws -> ItemFacts? {
        guard let bytes = try await files.bytes(anchor.path) else { return nil }
        do {
            switch anchor.kind {
            case .landsat: return try ProductMetadata.landsat(try LandsatMTL(parsing: bytes))
            case .safe:
                let manifest = try SAFEManifest(parsing: bytes)
                if let paths = ProductMetadata.sentinel2Paths(manifest),
                    let product = try await files.bytes(paths.product)
                {
                    var tile: [UInt8]?
                    if let path = paths.tile { tile = try await files.bytes(path) }
                    return try ProductMetadata.sentinel2(manifest: manifest, product: product, tile: tile)
                }
                return ProductMetadata.safe(manifest, manifestPath: anchor.path)
            }
        } catch let error as ProductMetadataError {
            logger.warning("\(files.collection.name)/\(files.path.text)\(anchor.path): \(error)")
            return nil
        }
    }

    /// What a program of the operator says of the first file that it is for and knows; what it says of others is not
    /// asked.
    private func factsByProgram(_ files: ProductFiles) async throws -> ItemFacts? {
        var tries = 0
        for program in programs {
            for (path, version) in files.all
            where program.suffixes.contains(Look.suffix(path)) && version.isReadableByNode && tries < Self.triesMax {
                tries += 1
                do {
                    let read = try await files.read([version])
                    let json = try await program.describe(name: path, size: version.size) { try await read(0, $0) }
                    return ItemFacts(item: json)
                } catch let error as RasterError {
                    logger.notice("\(files.collection.name)/\(version.key): \(error)")
                } catch let error as ObjectsError where error.isUnreadable {
                    logger.notice("\(files.collection.name)/\(version.key): \(error)")
                }
            }
        }
        return nil
    }

    // MARK: Looks

    /// Looks into the product's data; only into one raster, for a preview, where metadata say the rest. What is found
    /// is under the paths that it is said of.
    private func look(into files: ProductFiles, _ facts: ItemFacts) async throws -> [String: RasterDescription] {
        var found: [String: RasterDescription] = [:]
        let isKnown = facts.geometry != nil
        var needsPreview = ItemBuilder.thumbnail(files, facts) == nil
        if isKnown, !needsPreview { return found }
        let candidates = isKnown ? Array(Look.all(in: files).filter(\.isRaster).prefix(1)) : Look.all(in: files)
        for look in candidates.prefix(Self.looksMax) {
            do {
                let description = try await rasters.inspect(
                    name: look.path.isEmpty ? files.path.name : look.path, files: look.files,
                    preview: needsPreview && !files.isCut,
                    read: try await files.read(look.versions))
                found[look.path] = description
                if description.preview != nil { needsPreview = false }
            } catch let error as RasterError {
                logger.notice("\(files.collection.name)/\(look.key): \(error.message)")
            } catch let error as ObjectsError where error.isUnreadable {
                logger.notice("\(files.collection.name)/\(look.key): \(error)")
            }
        }
        return found
    }

    /// Stores the picture that was made, if the product brought none, and returns its address.
    private func keepPreview(
        _ files: ProductFiles, _ facts: ItemFacts, _ looks: [String: RasterDescription]
    ) async throws -> String? {
        let found = looks.sorted { $0.key < $1.key }.lazy
            .compactMap { look in look.value.preview.map { (look.key, $0) } }.first
        guard let (path, png) = found else { return nil }
        let key = "\(Objects.systemPrefix)previews/\(files.path.text.dropLast()).png"
        var description = ObjectDescription()
        description.contentType = "image/png"
        // A picture of what a named key protects is protected by it, too.
        if case .kms(let use) = (files.version(path) ?? files.all.first?.version)?.encryption {
            description.encryption = try await objects.encryptionPlan(
                .kms(key: use.key, context: nil, usesBucketKey: use.usesBucketKey), in: files.collection.name)
        }
        _ = try await objects.put(
            collection: files.collection.name, key: key, description: description, expecting: BodyExpectations(),
            by: ActorName.cataloguer, isSystem: true, body: OneBuffer(ByteBuffer(bytes: png)))
        return address(files, key)
    }
}
