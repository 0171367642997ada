import Catalogue
import Database
import Geometry
import Journal
import TestSupport
import Testing
import Wire

extension TestEngine {
    /// Runs `body` with the catalogue of a fresh database.
    func withCatalogue<T>(_ collections: [String] = ["eo"], _ body: (Catalogue) async throws -> T) async throws -> T {
        // What the catalogue needs of the module `objects`.
        let objects = Migration(
            module: "objects", number: 1,
            [
                """
                CREATE TABLE collections (
                    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, created INTEGER NOT NULL)
                """,
                "CREATE TABLE horizons (collection INTEGER PRIMARY KEY, tid INTEGER NOT NULL)",
            ])
        return try await withDatabase(Journal.migrations + [objects] + Catalogue.migrations) { database in
            let catalogue = Catalogue(journal: Journal(database: database, node: "test"))
            for name in collections { try await catalogue.make(name) }
            return try await body(catalogue)
        }
    }
}

extension Catalogue {
    /// Makes a collection as the module `objects` would.
    func make(_ name: String) async throws {
        try await journal.database.write { transaction in
            try transaction.run(
                "INSERT INTO collections (id, name, owner, created) VALUES (?, ?, 'ada', 0)", .init(transaction.tid),
                .init(name))
        }
    }

    func put(_ sketch: Sketch, product: String? = nil) async throws {
        try await put(item: sketch.json, collection: sketch.collection, product: product, by: "ada")
    }

    func put(all sketches: [Sketch]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, sketch) in sketches.enumerated() {
                if index >= 64 { try await group.next() }
                group.addTask { try await self.put(sketch) }
            }
            try await group.waitForAll()
        }
    }

    /// Puts items as one change for each collection.
    func put(together sketches: [Sketch]) async throws {
        for (collection, part) in Dictionary(grouping: sketches, by: \.collection) {
            _ = try await put(ItemBatch(part.map(\.json), collection: collection), by: "ada") { _, _ in }
        }
    }

    /// The ids that a search finds, page by page to its end.
    func ids(limit: Int = 10, _ change: (inout SearchQuery) throws -> Void = { _ in }) async throws -> [String] {
        var query = SearchQuery(visible: try await directory())
        query.limit = limit
        try change(&query)
        var out: [String] = []
        while true {
            let page = try await search(query)
            #expect(page.items.count <= query.limit)
            out += page.items.map(\.id)
            guard let next = page.next else { return out }
            query.token = next
        }
    }
}

/// The little that a test needs to say of an item.
struct Sketch: Sendable {
    var id: String
    var collection = "eo"
    var datetime: Int64?
    var start: Int64?
    var end: Int64?
    var geometry: Geometry?
    var bbox: [Double]?
    /// Further properties, and the addresses of assets.
    var properties: JSONValue = [:]
    var hrefs: [String] = []

    init(
        _ id: String, in collection: String = "eo", at datetime: Int64? = 0, from start: Int64? = nil,
        to end: Int64? = nil,
        geometry: Geometry? = nil, bbox: [Double]? = nil
    ) {
        (self.id, self.collection, self.datetime, self.start, self.end) = (id, collection, datetime, start, end)
        self.geometry = geometry
        self.bbox = bbox
    }

    /// An item whose geometry is a box; one across the antimeridian is cut into two.
    init(_ id: String, in collection: String = "eo", at datetime: Int64? = 0, box: BoundingBox) {
        let rings = box.splitAtAntimeridian.map { [ring($0)] }
        self.init(
            id, in: collection, at: datetime, geometry: rings.count == 1 ? .polygon(rings[0]) : .multiPolygon(rings),
            bbox: [box.west, box.south, box.east, box.north])
    }

    func with(_ properties: JSONValue) -> Sketch {
        var sketch = self
        sketch.properties = properties
        return sketch
    }

    var json: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("type", "Feature")
            json.member("stac_version", "1.1.0")
            json.member("id", id)
            json.member("collection", collection)
            json.key("geometry")
            if let geometry { geometry.write(to: &json) } else { json.null() }
            if let bbox {
                json.key("bbox")
                json.array { json in for number in bbox { json.number(number) } }
            }
            json.key("properties")
            json.object { json in
                json.key("datetime")
                if let datetime { json.string(Timestamp(seconds: datetime).rfc3339) } else { json.null() }
                if let start { json.member("start_datetime", Timestamp(seconds: start).rfc3339) }
                if let end { json.member("end_datetime", Timestamp(seconds: end).rfc3339) }
                for member in properties.object?.members ?? [] {
                    json.key(member.name)
                    json.raw(member.value.bytes)
                }
            }
            json.key("links")
            json.array { _ in }
            json.key("assets")
            json.object { json in
                for (index, href) in hrefs.enumerated() {
                    json.key("asset\(index)")
                    json.object { $0.member("href", href) }
                }
            }
        }
        return json.bytes
    }
}

func ring(_ box: BoundingBox) -> [Position] {
    [
        Position(box.west, box.south), Position(box.east, box.south), Position(box.east, box.north),
        Position(box.west, box.north), Position(box.west, box.south),
    ]
}

func box(_ west: Double, _ south: Double, _ east: Double, _ north: Double) throws -> BoundingBox {
    try BoundingBox(west: west, south: south, east: east, north: north)
}

/// The error `body` throws.
func failure(_ body: () async throws -> Void) async -> CatalogueError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? CatalogueError
    }
}
