import BLAKE3
package import Catalogue
import Journal
import Logging
package import Objects
import ProductMetadata
package import Rasters
import Wire

/// Turns arriving products into Items of the catalogue.
///
/// A product is complete, and is described, as soon as every file that its own list names is there (the manifest of a
/// SAFE product, the MTL file of a Landsat scene, the assets of a STAC item file), and otherwise when nothing in it has
/// changed for the settling time. One that changes later is described anew.
package struct Cataloguer: Worker {
    package let name = "cataloguer"
    private let objects: Objects
    private let products: Products
    private let catalogue: Catalogue
    private let describer: Describer
    private let follower: Follower
    private let settleSeconds: Int64
    private let logger = Logger(label: "martlet.cataloguer")

    /// Products described between two looks at the journal.
    private static let batch = 20

    /// - Parameters:
    ///   - programs: what the operator has for files that the node cannot read.
    ///   - s3URL: by which items name objects: assets' addresses begin with it.
    ///   - settleSeconds: quiet time after which a product without a list of its files counts as complete.
    package init(
        objects: Objects, products: Products, catalogue: Catalogue, rasters: RasterReader,
        programs: [DescribeProgram] = [], s3URL: String, settleSeconds: Int64
    ) {
        self.objects = objects
        self.products = products
        self.catalogue = catalogue
        self.settleSeconds = settleSeconds
        describer = Describer(objects: objects, rasters: rasters, programs: programs, s3URL: s3URL)
        follower = Follower(name: name, journal: objects.journal)
    }

    package func run() async throws {
        try await follower.run(handle: note) { try await describeDue() }
    }

    private struct ProductKey: Hashable {
        var collection: Int64
        var path: ProductPath
    }

    /// What makes a product another one. One with a file that nobody may read is a product without that file.
    private static let kinds: Set<EventKind> = [.objectPut, .objectDeleted, .objectQuarantined, .objectReleased]

    /// Notes which products changed, and describes at once those that became complete by it.
    private func note(_ events: [Event]) async throws {
        var changes: [ProductKey: (tid: Int64, time: Timestamp)] = [:]
        for event in events where Self.kinds.contains(event.kind) {
            guard let collection = event.collection, let slash = event.subject.firstIndex(of: "/"),
                let path = ProductPath(key: String(event.subject[event.subject.index(after: slash)...]))
            else { continue }
            changes[ProductKey(collection: collection, path: path)] = (event.tid, event.time)
        }
        guard !changes.isEmpty else { return }
        try await products.note(changes.map { ($0.collection, $0.path, $1.tid, $1.time) })
        for product in changes.keys.prefix(Self.batch) where product.path.isFolder {
            guard let collection = try await objects.collection(id: product.collection),
                try await hasList(product.path, in: collection),
                try await isCompleteByList(product.path, in: collection),
                let pending = try await products.pending(collection: product.collection, path: product.path)
            else { continue }
            try await describe(pending)
        }
    }

    /// Whether the list of a product's files is there under the name that it usually has. Only then is it worth to look
    /// at all of them; a list of another name is found when the product has settled.
    private func hasList(_ path: ProductPath, in collection: Collection) async throws -> Bool {
        for name in ["manifest.safe", "xfdumanifest.xml", path.name + "_MTL.txt", path.name + "_MTL.json"]
        where try await objects.exists(collection: collection.id, key: path.prefix + name) {
            return true
        }
        return false
    }

    /// False where the list cannot be read for want of a key.
    private func isCompleteByList(_ path: ProductPath, in collection: Collection) async throws -> Bool {
        do {
            return try await describer.isCompleteByList(ProductFiles(of: path, in: collection, objects))
        } catch let error as ObjectsError where error.isForWantOfKey {
            return false
        }
    }

    private func describeDue() async throws -> Bool {
        let due = try await products.pending(
            changedBefore: Timestamp.now.adding(seconds: -settleSeconds), limit: Self.batch)
        for product in due { try await describe(product) }
        return due.count == Self.batch
    }

    private func describe(_ product: PendingProduct) async throws {
        guard let collection = try await objects.collection(id: product.collection) else {
            // The collection is gone, and its items with it.
            try await products.complete(product, collection: "", by: ActorName.cataloguer, isRemoved: true)
            return
        }
        let files = try await ProductFiles(of: product.path, in: collection, objects)
        if files.all.isEmpty {
            try await catalogue.remove(
                collection: collection.name, product: product.path.text, by: ActorName.cataloguer)
            try await products.complete(product, collection: collection.name, by: ActorName.cataloguer, isRemoved: true)
            return
        }
        do {
            try await putItem(of: files)
        } catch let error as ObjectsError where error.isForWantOfKey {
            // The files cannot be read any more: what was known of them stays.
            logger.warning("\(collection.name)/\(files.path.text): \(error)")
        }
        try await products.complete(
            product, collection: collection.name, by: ActorName.cataloguer, isRemoved: false)
    }

    private func putItem(of files: ProductFiles) async throws {
        let name = "\(files.collection.name)/\(files.path.text)"
        if let given = try await describer.givenItem(files) {
            do {
                return try await put(given, files)
            } catch let error as CatalogueError {
                // What lies beside the data is no valid Item after all: the product gets one of what is known instead.
                logger.warning("\(name): its own STAC item is not taken: \(error)")
            }
        }
        var description = try await describer.describe(files)
        do {
            try await put(description, files)
        } catch let error as CatalogueError where description.facts != ItemFacts() {
            // What its metadata, or a program, say makes no valid Item: it gets one without that.
            logger.warning("\(name): what is said of it is not taken: \(error)")
            description.facts = ItemFacts()
            try await put(description, files)
        }
    }

    private func put(_ description: ItemBuilder, _ files: ProductFiles) async throws {
        do {
            try await put(description.document(id: ItemID.plain(files.path)), files)
        } catch let error as CatalogueError where error.code == .idTaken {
            // Another product was first, for example `a/b_c` before `a_b/c`.
            try await put(description.document(id: ItemID.distinct(files.path)), files)
        }
    }

    private func put(_ document: [UInt8], _ files: ProductFiles) async throws {
        _ = try await catalogue.put(
            item: document, collection: files.collection.name, product: files.path.text, by: ActorName.cataloguer)
    }
}

/// Ids for Items that bring none.
enum ItemID {
    /// Longest id made; an Item's may have 256 bytes.
    private static let bytesMax = 200

    static func plain(_ path: ProductPath) -> String {
        let id = path.itemID
        let isFine = id.utf8.count <= bytesMax && id.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        return isFine ? id : distinct(path)
    }

    /// With a digest of the path behind it, so that no two products have the same.
    static func distinct(_ path: ProductPath) -> String {
        let readable = String(
            path.itemID.prefix(60).filter { $0.isASCII && ($0.asciiValue ?? 0) >= 0x20 && $0 != "\u{7F}" })
        return readable + "-" + Hex.encode(BLAKE3.hash(Array(path.text.utf8)).prefix(8))
    }
}

enum ActorName {
    static let cataloguer = "system:cataloguer"
    static let tracer = "system:tracer"
    static let scanner = "system:scanner"
}
