import CQL2
package import Catalogue
import Geometry
package import HTTPSupport
import IAMPolicy
import Logging
import NIOHTTP1
package import Objects
package import Policy
import ProductMetadata
import Rasters
import Wire

/// Pictures of the catalogue's rasters below `/raster`: tiles (XYZ, WMTS), previews and boxes, of an item or of the
/// newest items of a collection side by side. Paths and parameters are those of titiler, tile matrix sets those of OGC
/// API - Tiles.
package struct TilesService: Sendable {
    let catalogue: Catalogue
    let objects: Objects
    let gate: Gate
    private let visibility: Visibility
    let authenticator: Authenticator
    let addresses: ObjectAddresses
    let painter: Painter
    private let logger = Logger(label: "martlet.tiles")

    static let base = "/raster"
    /// Items that one tile of a collection is made of.
    private static let itemsMax = 8
    /// Files of a picture: each is a look-up and a question to the gate.
    private static let filesMax = 64

    package init(
        catalogue: Catalogue, objects: Objects, gate: Gate, authenticator: Authenticator, addresses: ObjectAddresses,
        painter: Painter
    ) {
        self.catalogue = catalogue
        self.objects = objects
        self.gate = gate
        visibility = Visibility(catalogue, gate)
        self.authenticator = authenticator
        self.addresses = addresses
        self.painter = painter
    }

    /// Whose pictures: an item's, or those of all items of a collection that the query means.
    struct Place: Sendable {
        var collection: String
        var item: String?

        var path: String {
            let base = "\(TilesService.base)/collections/\(PercentEncoding.encode(collection))"
            return item.map { base + "/items/" + PercentEncoding.encode($0) } ?? base
        }
    }

    /// A request with what was found out about it.
    struct Call: Sendable {
        var request: Request
        var query: QueryItems
        var caller: Caller
        var place: Place
        var style: Style
    }

    /// Answers whatever is below ``base``.
    package func respond(to request: Request, path: [String]) async -> Response {
        var response = await Problem.catching(request, log: { logger.error("\($0)") }) {
            do {
                return try await answer(request, path)
            } catch let error as RasterError {
                throw Self.problem(error)
            }
        }
        // Maps and notebooks of other origins may read; a browser gives them no cookie of ours with it.
        response.headers.replaceOrAdd(name: "Access-Control-Allow-Origin", value: "*")
        return response
    }

    private static func problem(_ error: RasterError) -> Problem {
        switch error.code {
        case .unavailable: Problem(.serviceUnavailable, "unavailable", error.message, headers: ["Retry-After": "5"])
        case .notARaster, .tooLarge, .timedOut: Problem(.unprocessableEntity, "no-picture", error.message)
        case .crashed, .misbehaved: Problem(.unprocessableEntity, "no-picture", "the raster cannot be read")
        }
    }

    private func answer(_ request: Request, _ path: [String]) async throws -> Response {
        if request.method == .OPTIONS {
            return Response(
                .noContent,
                headers: [
                    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
                    "Access-Control-Allow-Headers": "authorization, if-none-match", "Access-Control-Max-Age": "86400",
                ])
        }
        guard request.method == .GET || request.method == .HEAD else { throw Problem.methodNotAllowed("GET, HEAD") }
        guard let query = request.query else { throw Problem.badRequest("the query is not valid percent-encoding") }
        // What the face is made of is no secret.
        switch path {
        case []: return Self.landing(request)
        case ["tileMatrixSets"]: return Self.tileMatrixSets(request)
        case _ where path.count == 2 && path[0] == "tileMatrixSets": return Self.json(try Self.matrixSet(path[1]).write)
        case ["colormaps"]: return Self.json { $0.member("colormaps", ColorMap.names) }
        default: break
        }
        guard path.count >= 2, path[0] == "collections" else { throw Self.nothing(request) }
        let isItem = path.count >= 4 && path[2] == "items"
        let place = Place(collection: path[1], item: isItem ? path[3] : nil)
        let call = Call(
            request: request, query: query,
            caller: try await authenticator.caller(
                of: request, cookies: true, passwords: true, shared: (bucket: place.collection, key: "")),
            place: place, style: try Style(query))
        return try await answer(call, Array(path.dropFirst(isItem ? 4 : 2)))
    }

    private static func nothing(_ request: Request) -> Problem {
        Problem.notFound("there is nothing at \(request.rawPath.prefix(200))")
    }

    private static func matrixSet(_ id: String) throws -> TileMatrixSet {
        guard let set = TileMatrixSet.named(id) else {
            let known = TileMatrixSet.all.map(\.id).joined(separator: " and ")
            throw Problem.notFound("there is no tile matrix set '\(id.prefix(60))': there are \(known)")
        }
        return set
    }

    private func answer(_ call: Call, _ path: [String]) async throws -> Response {
        switch path.count {
        case 0: return try await info(call)
        case 1 where path[0] == "info": return try await info(call)
        case 1 where path[0] == "tilejson.json": return try await tileJSON(call, .webMercatorQuad)
        case 1 where path[0] == "WMTSCapabilities.xml": return try await capabilities(call)
        case 1 where path[0] == "preview" || path[0].hasPrefix("preview."):
            return try await preview(call, try Ending(path[0].split(separator: ".").dropFirst().first))
        case 2 where path[1] == "tilejson.json": return try await tileJSON(call, try Self.matrixSet(path[0]))
        case 2, 3: if path[0] == "bbox" { return try await box(call, Array(path.dropFirst())) }
        case 5 where path[0] == "tiles": return try await tile(call, Array(path.dropFirst()))
        default: break
        }
        throw Self.nothing(call.request)
    }

    static func json(_ body: (inout JSONWriter) -> Void) -> Response {
        var json = JSONWriter()
        json.object { body(&$0) }
        return Response(.ok, type: "application/json", bytes: json.bytes)
    }

    // MARK: Pictures

    /// The form of a picture, as its address ends, and how many pixels stand for one (`@2x`).
    struct Ending {
        var format = PictureRequest.Format.png
        var scale = 1

        init(_ text: (some StringProtocol)?) throws {
            guard let text else { return }
            switch text.lowercased() {
            case "png": break
            case "jpg", "jpeg": format = .jpeg
            default: throw Problem.badRequest("pictures are .png or .jpg, not .\(text.prefix(20))")
            }
        }

        var type: String { format == .png ? "image/png" : "image/jpeg" }
    }

    private func tile(_ call: Call, _ parts: [String]) async throws -> Response {
        let set = try Self.matrixSet(parts[0])
        let name = parts[3].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        var ending = try Ending(name.dropFirst().first)
        var row = name[0]
        if row.hasSuffix("@2x") {
            row = row.dropLast(3)
            ending.scale = 2
        }
        guard let zoom = Int(parts[1]), let column = Int(parts[2]), let row = Int(row) else {
            throw Problem.badRequest("a tile is named by zoom, column and row: /tiles/\(set.id)/{z}/{x}/{y}")
        }
        let tile = TileMatrixSet.Tile(zoom: zoom, column: column, row: row)
        guard set.contains(tile), let box = set.box(of: tile) else {
            throw Problem.notFound("\(set.id) has no tile \(zoom)/\(column)/\(row)")
        }
        let edge = TileMatrixSet.tileEdge * ending.scale
        return try await picture(
            call, PictureRequest(crs: set.crs, bounds: set.bounds(of: tile), width: edge, height: edge, sources: []),
            box, ending)
    }

    /// The whole of an item, at most `max_size` pixels wide and high.
    private func preview(_ call: Call, _ ending: Ending) async throws -> Response {
        let edge = Int(call.query["max_size"] ?? "512") ?? 0
        guard (16...PictureRequest.edgeMax).contains(edge) else {
            throw Problem.badRequest("max_size is 16 to \(PictureRequest.edgeMax)")
        }
        guard let item = try await items(call, in: nil).first, call.place.item != nil else {
            throw Problem.notFound("a preview is one of an item: /collections/\(call.place.collection)/items/…/preview")
        }
        guard let box = item.box, !box.crossesAntimeridian else {
            throw Problem(.unprocessableEntity, "no-picture", "the item has no box on one side of the antimeridian")
        }
        let bounds = TileMatrixSet.webMercatorQuad.bounds(of: box)
        let (width, height) = (bounds[2] - bounds[0], bounds[3] - bounds[1])
        guard width > 0, height > 0 else {
            throw Problem(.unprocessableEntity, "no-picture", "the item has no area")
        }
        let scale = Double(edge) / max(width, height)
        return try await picture(
            call,
            PictureRequest(
                crs: TileMatrixSet.webMercatorQuad.crs, bounds: bounds, width: max(1, Int((width * scale).rounded())),
                height: max(1, Int((height * scale).rounded())), sources: []), box, ending)
    }

    /// `/bbox/{west},{south},{east},{north}[/{width}x{height}].png`, in degrees.
    private func box(_ call: Call, _ parts: [String]) async throws -> Response {
        let cut = parts[parts.count - 1].lastIndex(of: ".")
        let last = cut.map { parts[parts.count - 1][..<$0] } ?? parts[parts.count - 1][...]
        let ending = try Ending(cut.map { parts[parts.count - 1][$0...].dropFirst() })
        let numbers = (parts.count == 2 ? parts[0][...] : last).split(separator: ",").compactMap { Double($0) }
        guard numbers.count == 4, numbers[0] < numbers[2], numbers[1] < numbers[3],
            let box = try? BoundingBox(
                west: max(numbers[0], -180), south: max(numbers[1], -90), east: min(numbers[2], 180),
                north: min(numbers[3], 90))
        else { throw Problem.badRequest("a box is west,south,east,north in degrees, with the west before the east") }
        var size = [PictureRequest.edgeMax / 4, PictureRequest.edgeMax / 4]
        if parts.count == 2 {
            size = last.split(separator: "x").compactMap { Int($0) }
            guard size.count == 2, size.allSatisfy({ (1...PictureRequest.edgeMax).contains($0) }) else {
                throw Problem.badRequest("a size is WIDTHxHEIGHT, each 1 to \(PictureRequest.edgeMax)")
            }
        }
        return try await picture(
            call,
            PictureRequest(crs: "EPSG:4326", bounds: numbers, width: size[0], height: size[1], sources: []), box, ending
        )
    }

    /// Draws what lies in a box.
    private func picture(
        _ call: Call, _ wanted: PictureRequest, _ box: BoundingBox, _ ending: Ending
    ) async throws -> Response {
        var request = wanted
        request.format = ending.format
        var files: [OpenObject] = []
        var suffixes: [String] = []
        var count = 0
        var problem: Problem?
        for item in try await items(call, in: box) {
            let chosen: [(name: String, asset: ItemRasters.Asset)]
            do {
                chosen = try call.style.chosen(of: item)
            } catch let error as Problem where call.place.item == nil {
                // Of a collection, those that have what is asked for.
                problem = problem ?? error
                continue
            }
            guard !chosen.isEmpty, count == 0 || chosen.count == count, files.count + chosen.count <= Self.filesMax
            else {
                continue
            }
            guard let opened = try await open(chosen.map(\.asset.object), call) else { continue }
            count = chosen.count
            request.sources.append(
                zip(chosen, opened.indices).map { one, index in
                    PictureRequest.Raster(name: one.name, file: files.count + index, nodata: one.asset.nodata)
                })
            files += opened
            suffixes += chosen.map(\.asset.suffix)
        }
        if files.isEmpty, let problem { throw problem }
        guard call.place.item == nil || !files.isEmpty else {
            throw Problem(.unprocessableEntity, "no-picture", "the item has no raster on this node")
        }
        call.style.apply(to: &request, assetCount: count)
        let tag = Painter.tag(request, files)
        let headers: HTTPHeaders = ["ETag": "\"\(tag)\"", "Cache-Control": "private, max-age=60"]
        if case .notModified = Preconditions(call.request.headers).evaluate(etag: tag, modified: nil, isRead: true) {
            return Response(.notModified, headers: headers)
        }
        let painted = try await painter.paint(
            call.place.path, request, files, suffixes: suffixes, tag: tag,
            rangeKey: call.style.needsRescale ? rangeKey(call, files) : nil)
        if let problem = painted.problem {
            guard call.place.item == nil else { throw Problem(.unprocessableEntity, "no-picture", problem) }
            logger.debug("\(call.place.path): \(problem)")
        }
        return Response(.ok, type: ending.type, bytes: painted.bytes, headers: headers)
    }

    /// All tiles of an item have one range of values, and all of a collection that show the same.
    private func rangeKey(_ call: Call, _ files: [OpenObject]) -> String {
        let what = call.place.item == nil ? "" : files.map { String($0.version.number) }.joined(separator: " ")
        return "\(call.place.path) \(what) \(call.style.query.encoded)"
    }

    // MARK: What is drawn

    /// The item, or the newest items of the collection in a box that the query means.
    func items(_ call: Call, in box: BoundingBox?) async throws -> [ItemRasters] {
        let (collection, caller) = (call.place.collection, call.caller)
        if let id = call.place.item {
            try await gate.require(
                caller.principal, "stac:GetItem", on: ResourceName.item(collection, id), caller.context)
            return [try ItemRasters(try await catalogue.item(collection: collection, id: id), addresses)]
        }
        let visible = try await visibility.items(of: collection, for: caller.principal, caller.context)
        _ = try await catalogue.collection(collection)
        var search = SearchQuery(visible: visible)
        search.collections = [collection]
        search.limit = Self.itemsMax
        search.area = box.map { .box($0) }
        try Self.read(call.query, into: &search)
        return try await catalogue.search(search).items.map { try ItemRasters($0, addresses) }
    }

    /// `datetime`, `filter` (CQL2 text) and `ids`, as in a search.
    private static func read(_ query: QueryItems, into search: inout SearchQuery) throws {
        if let text = query["filter"], !text.isEmpty { search.filter = try CQL2(parsing: text) }
        if let text = query["ids"], !text.isEmpty { search.ids = text.split(separator: ",").map(String.init) }
        guard let text = query["datetime"], !text.isEmpty else { return }
        let ends = text.split(separator: "/", omittingEmptySubsequences: false).map { end -> Timestamp?? in
            end.isEmpty || end == ".." ? .some(nil) : Timestamp(rfc3339: end).map { .some($0) }
        }
        guard (1...2).contains(ends.count), let from = ends[0], let to = ends[ends.count - 1] else {
            throw Problem.badRequest("datetime: a time such as 2026-11-22T10:00:00Z, or two with a slash between them")
        }
        search.interval = SearchInterval(from: from, to: to)
    }

    /// Opens files for reading; nil where the caller may not read one of those of a collection, or it is not there.
    private func open(_ names: [ObjectName], _ call: Call) async throws -> [OpenObject]? {
        let caller = call.caller
        var out: [OpenObject] = []
        for name in names {
            let resource = ResourceName.object(name.collection, name.key)
            if call.place.item != nil {
                try await gate.require(caller.principal, "s3:GetObject", on: resource, caller.context)
            } else if try await !gate.permits(caller.principal, "s3:GetObject", on: resource, caller.context) {
                return nil
            }
            do {
                var object = try await objects.open(collection: name.collection, key: name.key)
                object.unlock = try await gate.unlock(object.version.encryption, of: objects, caller)
                try object.version.check(object.unlock)
                out.append(object)
            } catch let error as ObjectsError where call.place.item == nil && error.code != .damaged {
                return nil
            }
        }
        return out
    }
}
