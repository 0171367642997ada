package import Catalogue
import Journal
package import Ledger
import Logging
package import Objects
import TraceFormat
import Wire

/// Says in the log what happens to the node's own products, signed by the node.
///
/// * CREATE: a product was completed whose name and digest nobody who is trusted has traced before; with the BLAKE3 of
///   every file, and the products that its item says it was made from (links `derived_from`).
/// * COPY: one was completed that somebody has; this is a further place.
/// * DELETE: all files of one are gone.
/// * OBSOLETE: its item says `deprecated` (STAC version extension).
///
/// A product that changes and is completed again gets a further trace; one that is completed again as it was does not.
package struct Tracer: Worker {
    package let name = "tracer"
    private let objects: Objects
    private let catalogue: Catalogue
    private let ledger: Ledger
    private let follower: Follower
    private let origin: String
    private let webURL: String
    private let logger = Logger(label: "martlet.tracer")

    /// - Parameters:
    ///   - origin: the name under which this node signs: it stands in each trace.
    ///   - webURL: where items have their addresses: an input with such a one is the node's own.
    package init(objects: Objects, catalogue: Catalogue, ledger: Ledger, origin: String, webURL: String) {
        self.objects = objects
        self.catalogue = catalogue
        self.ledger = ledger
        self.origin = origin
        self.webURL = webURL
        follower = Follower(name: name, journal: objects.journal)
    }

    package func run() async throws {
        try await follower.run(handle: { events in
            var drafts: [TraceDraft] = []
            func register() async throws {
                if !drafts.isEmpty { _ = try await ledger.register(drafts, by: ActorName.tracer) }
                drafts = []
            }
            for event in events {
                guard let place = try Self.place(of: event) else { continue }
                // What is said of a product depends on what was said before.
                if drafts.contains(where: { $0.collection == place.collection && $0.product == place.product }) {
                    try await register()
                }
                do {
                    guard let draft = try await draft(event, place) else { continue }
                    try draft.check()
                    drafts.append(draft)
                    guard event.kind == .productCompleted else { continue }
                    if let item = try await item(place), Self.isDeprecated(item) {
                        try await register()
                        if let further = try await obsolescence(place, item, event) { drafts.append(further) }
                    }
                } catch let error as ObjectsError where error.isUnreadable || error.isForWantOfKey {
                    logger.warning("\(event.subject) gets no trace: \(error)")
                } catch let error as LedgerError where error.code == .invalidDraft {
                    // A name that no trace can bear, which a key may have; the next product is not to wait for it.
                    logger.warning("\(error)")
                }
            }
            try await register()
        })
    }

    private struct Place: Hashable {
        var collection: Int64
        var product: String
    }

    private static func place(of event: Event) throws -> Place? {
        guard [.productCompleted, .productRemoved, .itemPut].contains(event.kind), let collection = event.collection,
            // Of those that the Cataloguer puts the completion tells.
            event.kind != .itemPut || event.actor != ActorName.cataloguer,
            let product = try JSONValue(parsing: event.detail)["product"]?.string
        else { return nil }
        return Place(collection: collection, product: product)
    }

    private func draft(_ event: Event, _ place: Place) async throws -> TraceDraft? {
        switch event.kind {
        case .productCompleted: try await completion(place, event)
        case .productRemoved: try await removal(place, event)
        default:
            if let item = try await item(place) { try await obsolescence(place, item, event) } else { nil }
        }
    }

    // MARK: Products

    private func completion(_ place: Place, _ event: Event) async throws -> TraceDraft? {
        guard let collection = try await objects.collection(id: place.collection) else { return nil }
        let files = try await ProductFiles(of: ProductPath(stored: place.product), in: collection, objects)
        // It may have gone since; then there is nothing to be traced.
        guard !files.all.isEmpty else { return nil }
        guard !files.isCut else {
            logger.warning("\(event.subject): more than \(ProductFiles.countMax) files: it gets no trace")
            return nil
        }
        var contents: [Trace.Content] = []
        for file in files.all {
            contents.append(
                Trace.Content(path: file.path, hash: Hex.encode(try await objects.digest(of: file.version))))
        }
        let size = files.all.reduce(0) { $0 + $1.version.size }
        // A product that is one file has that file's digest, so that whoever holds the file finds the trace.
        let isOneFile = !files.path.isFolder && contents.count == 1
        let traced = TracedProduct(
            name: isOneFile ? contents[0].path : files.path.name, size: size,
            hash: isOneFile ? contents[0].hash : ProductDigest.folder(contents), isObsolete: false)
        let before = try await ledger.tracedProduct(collection: place.collection, product: place.product)
        if let before, before.hash == traced.hash, before.name == traced.name { return nil }
        guard try await !ledger.isCreated(name: traced.name, hash: traced.hash) else {
            return draft(.copy, of: traced, place, event)
        }
        var draft = draft(.create, of: traced, place, event)
        draft.contents = isOneFile ? nil : contents
        if let item = try await item(place) { draft.inputs = try await inputs(of: item) }
        return draft
    }

    private func removal(_ place: Place, _ event: Event) async throws -> TraceDraft? {
        try await ledger.tracedProduct(collection: place.collection, product: place.product).map {
            draft(.delete, of: $0, place, event)
        }
    }

    private func draft(_ kind: TraceEvent, of traced: TracedProduct, _ place: Place, _ event: Event) -> TraceDraft {
        TraceDraft(
            name: traced.name, size: traced.size, hash: traced.hash, contents: nil, event: kind, origin: origin,
            collection: place.collection, product: place.product,
            // A product may be made once; copies and removals of it can come again.
            occasion: kind == .create ? nil : event.tid)
    }

    // MARK: Items

    private func item(_ place: Place) async throws -> JSONValue? {
        guard let collection = try await objects.collection(id: place.collection) else { return nil }
        return try await catalogue.item(collection: collection.name, product: place.product).map {
            try JSONValue(parsing: $0.document)
        }
    }

    private static func isDeprecated(_ item: JSONValue) -> Bool { item["properties"]?["deprecated"] == true }

    private func obsolescence(_ place: Place, _ item: JSONValue, _ event: Event) async throws -> TraceDraft? {
        guard Self.isDeprecated(item),
            let traced = try await ledger.tracedProduct(collection: place.collection, product: place.product),
            !traced.isObsolete
        else { return nil }
        var draft = draft(.obsolete, of: traced, place, event)
        let successor = Self.links(of: item, "successor-version").first.map {
            $0["title"]?.string ?? $0["href"]?.string
        }
        draft.obsolescence = (successor ?? nil).map { "superseded by \($0.prefix(1000))" } ?? "its item says deprecated"
        return draft
    }

    /// The most inputs of a product that are told.
    private static let inputsMax = 1000

    /// Nil where the item says nothing of them.
    private func inputs(of item: JSONValue) async throws -> [Trace.Input]? {
        var inputs: [Trace.Input] = []
        for link in Self.links(of: item, "derived_from").prefix(Self.inputsMax) {
            guard let href = link["href"]?.string else { continue }
            if let own = try await ownInput(href) {
                inputs.append(own)
                continue
            }
            let path = href.prefix { $0 != "?" && $0 != "#" }
            var name = PercentEncoding.decode(String(path.split(separator: "/").last ?? "")) ?? ""
            for ending in [".json", ".geojson"] where name.hasSuffix(ending) { name.removeLast(ending.count) }
            if name.isTraceName { inputs.append(Trace.Input(name: name, hash: "")) }
        }
        return inputs.isEmpty ? nil : inputs
    }

    /// An input whose address is that of an item of this node.
    private func ownInput(_ href: String) async throws -> Trace.Input? {
        let path = href.hasPrefix(webURL) ? href.dropFirst(webURL.count) : href[...]
        let parts = path.split(separator: "/").map { PercentEncoding.decode(String($0)) ?? "" }
        guard path.hasPrefix("/"), parts.count == 5, parts[0] == "stac", parts[1] == "collections", parts[3] == "items"
        else { return nil }
        let record: ItemRecord
        let collection: Int64
        do {
            record = try await catalogue.item(collection: parts[2], id: parts[4])
            collection = try await catalogue.collection(parts[2]).id
        } catch is CatalogueError {
            return nil
        }
        guard let product = record.product,
            let traced = try await ledger.tracedProduct(collection: collection, product: product)
        else { return Trace.Input(name: record.id, hash: "") }
        return Trace.Input(name: traced.name, hash: traced.hash)
    }

    private static func links(of item: JSONValue, _ relation: String) -> [JSONValue] {
        (item["links"]?.array ?? []).filter { $0["rel"]?.string == relation }
    }
}
