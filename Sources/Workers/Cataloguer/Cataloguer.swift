package import Catalogue
import Journal
import Logging
package import Objects
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
    ///   - s3URL: where clients reach objects: assets' addresses begin with it.
    ///   - settleSeconds: quiet time after which a product without a list of its files counts as complete.
    package init(
        objects: Objects, products: Products, catalogue: Catalogue, rasters: RasterReader, s3URL: String,
        settleSeconds: Int64
    ) {
        self.objects = objects
        self.products = products
        self.catalogue = catalogue
        self.settleSeconds = settleSeconds
        describer = Describer(objects: objects, rasters: rasters, s3URL: s3URL)
        follower = Follower(name: name, journal: objects.journal)
    }

    package func run() async throws {
        try await follower.run(handle: note) { try await describeDue() }
    }

    private struct ProductKey: Hashable {
        var collection: Int64
        var path: ProductPath
    }

    /// Notes which products changed, and describes at once those that became complete by it.
    private func note(_ events: [Event]) async throws {
        var changes: [ProductKey: (tid: Int64, time: Timestamp)] = [:]
        for event in events where event.kind == .objectPut || event.kind == .objectDeleted {
            guard let collection = event.collection, let slash = event.subject.firstIndex(of: "/"),
                let path = ProductPath(key: String(event.subject[event.subject.index(after: slash)...]))
            else { continue }
            changes[ProductKey(collection: collection, path: path)] = (event.tid, event.time)
        }
        guard !changes.isEmpty else { return }
        try await products.note(changes.map { ($0.collection, $0.path, $1.tid, $1.time) })
        for product in changes.keys.prefix(Self.batch) where product.path.isFolder {
            guard let collection = try await objects.collection(id: product.collection),
                try await describer.isCompleteByList(ProductFiles(of: product.path, in: collection, objects)),
                let pending = try await products.pending(collection: product.collection, path: product.path)
            else { continue }
            try await describe(pending)
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
            try await products.complete(product, collection: "", by: Principal.cataloguer, isRemoved: true)
            return
        }
        let files = try await ProductFiles(of: product.path, in: collection, objects)
        if files.all.isEmpty {
            try await catalogue.remove(
                collection: collection.name, product: product.path.text, by: Principal.cataloguer)
            try await products.complete(product, collection: collection.name, by: Principal.cataloguer, isRemoved: true)
            return
        }
        let item = try await describer.item(for: files)
        do {
            try await put(item.document, files)
        } catch let error as CatalogueError where item.isGiven {
            // What lies beside the data is no valid Item after all: the product gets one of what is known instead.
            logger.warning("\(collection.name)/\(product.path.text): its own STAC item is not taken: \(error)")
            try await put(try await describer.item(for: files, takesGiven: false).document, files)
        }
        try await products.complete(product, collection: collection.name, by: Principal.cataloguer, isRemoved: false)
    }

    private func put(_ document: [UInt8], _ files: ProductFiles) async throws {
        _ = try await catalogue.put(
            item: document, collection: files.collection.name, product: files.path.text, by: Principal.cataloguer)
    }
}

enum Principal {
    static let cataloguer = "system:cataloguer"
    static let tracer = "system:tracer"
}
