import Catalogue
import Geometry
import HTTPSupport
import Identity
import NIOHTTP1
import SigV4
import Wire

/// What clients are told of tiles: TileJSON, WMTS capabilities, tile matrix sets.
extension TilesService {
    /// How long the addresses in a description count, where they are signed and nothing else is asked for; the longest.
    private static let signedSeconds: Int64 = 3600
    private static let signedSecondsMax: Int64 = 604_800
    private static let zoomMax = 18

    static func landing(_ request: Request) -> Response {
        let base = request.origin + Self.base
        return json { json in
            json.member("title", "Pictures of the catalogue's rasters")
            json.key("links")
            json.array { json in
                for (path, title) in [
                    ("/tileMatrixSets", "Tile matrix sets"), ("/colormaps", "Names of colour maps"),
                    ("/collections/{collection}/items/{item}/info", "The rasters of an item"),
                    ("/collections/{collection}/items/{item}/preview.png", "A picture of an item"),
                    (
                        "/collections/{collection}/items/{item}/tiles/{tileMatrixSet}/{z}/{x}/{y}.png",
                        "Tiles of an item"
                    ),
                    (
                        "/collections/{collection}/tiles/{tileMatrixSet}/{z}/{x}/{y}.png",
                        "Tiles of the newest items of a collection"
                    ),
                    ("/collections/{collection}/WMTSCapabilities.xml", "WMTS of a collection, or of an item"),
                    ("/collections/{collection}/tilejson.json", "TileJSON of a collection, or of an item"),
                ] {
                    json.object { json in
                        json.member("href", base + path)
                        json.member("title", title)
                        if path.contains("{") { json.member("templated", true) }
                    }
                }
            }
        }
    }

    static func tileMatrixSets(_ request: Request) -> Response {
        json { json in
            json.key("tileMatrixSets")
            json.array { json in
                for set in TileMatrixSet.all {
                    json.object { json in
                        json.member("id", set.id)
                        json.member("title", set.title)
                        json.member("crs", set.crsURI)
                        json.key("links")
                        json.array { json in
                            json.object { json in
                                json.member("rel", "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme")
                                json.member("type", "application/json")
                                json.member("href", "\(request.origin)\(base)/tileMatrixSets/\(set.id)")
                            }
                        }
                    }
                }
            }
        }
    }

    // MARK: Of an item or a collection

    /// What can be drawn of an item.
    func info(_ call: Call) async throws -> Response {
        let items = try await items(call, in: nil)
        guard call.place.item != nil, let item = items.first else { return try await tileJSON(call, .webMercatorQuad) }
        let shown = Set(item.shown.map(\.key))
        return Self.json { json in
            json.member("id", item.id)
            json.key("assets")
            json.array { json in
                for asset in item.assets {
                    json.object { json in
                        json.member("key", asset.key)
                        json.member("name", asset.name)
                        json.member("title", asset.title)
                        if !asset.bands.isEmpty { json.member("bands", asset.bands) }
                        json.member("shown", shown.contains(asset.key))
                    }
                }
            }
        }
    }

    /// Where there are pictures, and from which zoom level on they are worth looking at.
    private func extent(_ call: Call) async throws -> (box: BoundingBox?, zoom: Int) {
        let items = try await items(call, in: nil)
        let zooms = items.compactMap(\.box).map { TileMatrixSet.webMercatorQuad.zoom(for: $0) }.sorted()
        let zoom = zooms.isEmpty ? 0 : max(0, zooms[zooms.count / 2] - 1)
        let box =
            call.place.item == nil
            ? try await catalogue.collection(call.place.collection).area : items.first?.box
        return (box, call.place.item == nil ? zoom : 0)
    }

    /// What stands behind the address of a tile: what is drawn, and a token where the caller has a name.
    private func query(_ call: Call) async throws -> String {
        var parts = [call.style.query.encoded].filter { !$0.isEmpty }
        // Who came with a token gets no longer one.
        let shared = QueryItems(call.query.items.filter { SharedAccessToken.parameters.contains($0.name) })
        if call.query["skoid"] != nil {
            parts.append(shared.encoded)
        } else if !call.caller.principal.isAnonymous {
            let seconds = Int64(call.query["duration_seconds"] ?? String(Self.signedSeconds)) ?? 0
            guard (1...Self.signedSecondsMax).contains(seconds) else {
                throw Problem.badRequest("duration_seconds is 1 to \(Self.signedSecondsMax)")
            }
            let key = try await authenticator.identity.signingKey(for: call.caller.principal)
            let now = Timestamp(seconds: Timestamp.now.seconds)
            parts.append(
                SharedAccessToken.make(
                    bucket: call.place.collection, folder: [],
                    credentials: Credentials(
                        accessKeyID: key.id, secret: String(decoding: key.secret, as: UTF8.self),
                        sessionToken: key.sessionToken),
                    starts: now, expires: now.adding(seconds: seconds)))
        }
        return parts.isEmpty ? "" : "?" + parts.joined(separator: "&")
    }

    /// TileJSON 3.0.0.
    func tileJSON(_ call: Call, _ set: TileMatrixSet) async throws -> Response {
        let (box, zoom) = try await extent(call)
        let address = "\(call.request.origin)\(call.place.path)/tiles/\(set.id)/{z}/{x}/{y}.png\(try await query(call))"
        return Self.json { json in
            json.member("tilejson", "3.0.0")
            json.member("name", call.place.item ?? call.place.collection)
            json.member("scheme", "xyz")
            json.member("tiles", [address])
            json.member("minzoom", zoom)
            json.member("maxzoom", Self.zoomMax)
            if let box {
                json.key("bounds")
                box.write(to: &json)
            }
        }
    }

    /// WMTS 1.0.0 (OGC 07-057r7), by addresses: what GDAL and QGIS read.
    func capabilities(_ call: Call) async throws -> Response {
        let (box, _) = try await extent(call)
        let place = call.request.origin + call.place.path
        let query = try await query(call)
        var xml = XMLWriter(capacity: 32 << 10)
        xml.open(
            "Capabilities",
            [
                ("xmlns", "http://www.opengis.net/wmts/1.0"), ("xmlns:ows", "http://www.opengis.net/ows/1.1"),
                ("xmlns:xlink", "http://www.w3.org/1999/xlink"), ("version", "1.0.0"),
            ])
        xml.element("ows:ServiceIdentification") { xml in
            xml.element("ows:Title", call.place.item ?? call.place.collection)
            xml.element("ows:ServiceType", "OGC WMTS")
            xml.element("ows:ServiceTypeVersion", "1.0.0")
        }
        xml.element("Contents") { xml in
            xml.element("Layer") { xml in
                xml.element("ows:Title", call.place.item ?? call.place.collection)
                xml.element("ows:WGS84BoundingBox") { xml in
                    let edges =
                        box.map { [$0.west, $0.south, $0.crossesAntimeridian ? 180 : $0.east, $0.north] }
                        ?? [-180, -90, 180, 90]
                    xml.element("ows:LowerCorner", "\(edges[0]) \(edges[1])")
                    xml.element("ows:UpperCorner", "\(edges[2]) \(edges[3])")
                }
                xml.element("ows:Identifier", call.place.item ?? call.place.collection)
                xml.open("Style", [("isDefault", "true")])
                xml.element("ows:Identifier", "default")
                xml.close("Style")
                xml.element("Format", "image/png")
                for set in TileMatrixSet.all {
                    xml.element("TileMatrixSetLink") { $0.element("TileMatrixSet", set.id) }
                }
                let template = "\(place)/tiles/{TileMatrixSet}/{TileMatrix}/{TileCol}/{TileRow}.png\(query)"
                xml.open(
                    "ResourceURL", [("format", "image/png"), ("resourceType", "tile"), ("template", template)])
                xml.close("ResourceURL")
            }
            for set in TileMatrixSet.all { Self.write(set, &xml) }
        }
        let own = "\(place)/WMTSCapabilities.xml\(query)"
        xml.open("ServiceMetadataURL", [("xlink:href", own)])
        xml.close("ServiceMetadataURL")
        xml.close("Capabilities")
        return Response(
            .ok, type: "application/xml", bytes: xml.bytes, headers: ["Cache-Control": "no-store"])
    }

    private static func write(_ set: TileMatrixSet, _ xml: inout XMLWriter) {
        xml.element("TileMatrixSet") { xml in
            xml.element("ows:Identifier", set.id)
            xml.element(
                "ows:SupportedCRS",
                set.crs == "EPSG:4326" ? "urn:ogc:def:crs:OGC:1.3:CRS84" : "urn:ogc:def:crs:EPSG::3857")
            for zoom in 0...zoomMax {
                xml.element("TileMatrix") { xml in
                    xml.element("ows:Identifier", zoom)
                    xml.element("ScaleDenominator", "\(set.scaleDenominator(ofZoom: zoom))")
                    xml.element("TopLeftCorner", "\(set.extent[0]) \(set.extent[3])")
                    xml.element("TileWidth", TileMatrixSet.tileEdge)
                    xml.element("TileHeight", TileMatrixSet.tileEdge)
                    xml.element("MatrixWidth", set.width(ofZoom: zoom))
                    xml.element("MatrixHeight", set.height(ofZoom: zoom))
                }
            }
        }
    }
}

extension TileMatrixSet {
    /// The members of its JSON encoding (OGC 17-083r4 §7.3).
    func write(_ json: inout JSONWriter) {
        json.member("id", id)
        json.member("title", title)
        json.member("crs", crsURI)
        json.key("tileMatrices")
        json.array { json in
            for zoom in 0...Self.zoomMax {
                json.object { json in
                    json.member("id", String(zoom))
                    json.member("scaleDenominator", scaleDenominator(ofZoom: zoom))
                    json.member("cellSize", cellSize(ofZoom: zoom))
                    json.key("pointOfOrigin")
                    json.array { json in for number in [extent[0], extent[3]] { json.number(number) } }
                    json.member("tileWidth", Self.tileEdge)
                    json.member("tileHeight", Self.tileEdge)
                    json.member("matrixWidth", width(ofZoom: zoom))
                    json.member("matrixHeight", height(ofZoom: zoom))
                }
            }
        }
    }
}
