import Glibc

/// A grid of tiles at each of some zoom levels (OGC 17-083r4, Two Dimensional Tile Matrix Set).
package struct TileMatrixSet: Sendable {
    package let id: String
    package let title: String
    /// The coordinate reference system, as `EPSG:3857`. The first axis here is the one to the east.
    package let crs: String
    /// As standards name it.
    package let crsURI: String
    /// West, south, east, north of the whole grid, in units of the system.
    package let extent: [Double]
    /// Tiles of the coarsest level.
    package let columns: Int
    package let rows: Int
    /// Metres in a unit of the system, on the equator.
    private let metresPerUnit: Double

    /// Pixels of a tile's edge.
    package static let tileEdge = 256
    package static let zoomMax = 24

    /// Web Mercator, as maps in browsers have it.
    package static let webMercatorQuad = TileMatrixSet(
        id: "WebMercatorQuad", title: "Web Mercator", crs: "EPSG:3857",
        crsURI: "http://www.opengis.net/def/crs/EPSG/0/3857",
        extent: [-mercatorEdge, -mercatorEdge, mercatorEdge, mercatorEdge], columns: 1, rows: 1, metresPerUnit: 1)

    /// Longitude and latitude.
    package static let worldCRS84Quad = TileMatrixSet(
        id: "WorldCRS84Quad", title: "Longitude and latitude", crs: "EPSG:4326",
        crsURI: "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        extent: [-180, -90, 180, 90], columns: 2, rows: 1, metresPerUnit: 6_378_137 * Double.pi / 180)

    package static let all = [webMercatorQuad, worldCRS84Quad]

    package static func named(_ id: String) -> TileMatrixSet? { all.first { $0.id == id } }

    private static let mercatorEdge = 6_378_137 * Double.pi
    /// Beyond it Web Mercator shows nothing.
    private static let mercatorLatitude = 85.0511287798066

    /// One tile; the row counts from the north.
    package struct Tile: Sendable, Hashable {
        package var zoom: Int
        package var column: Int
        package var row: Int

        package init(zoom: Int, column: Int, row: Int) {
            (self.zoom, self.column, self.row) = (zoom, column, row)
        }
    }

    package func width(ofZoom zoom: Int) -> Int { columns << zoom }
    package func height(ofZoom zoom: Int) -> Int { rows << zoom }

    package func contains(_ tile: Tile) -> Bool {
        (0...Self.zoomMax).contains(tile.zoom) && (0..<width(ofZoom: tile.zoom)).contains(tile.column)
            && (0..<height(ofZoom: tile.zoom)).contains(tile.row)
    }

    /// Units of the system in a pixel.
    package func cellSize(ofZoom zoom: Int) -> Double {
        (extent[2] - extent[0]) / Double(width(ofZoom: zoom) * Self.tileEdge)
    }

    /// The scale where a pixel is 0.28 mm, as the standards say it.
    package func scaleDenominator(ofZoom zoom: Int) -> Double { cellSize(ofZoom: zoom) * metresPerUnit / 0.00028 }

    /// West, south, east, north of a tile, in units of the system.
    package func bounds(of tile: Tile) -> [Double] {
        let size = cellSize(ofZoom: tile.zoom) * Double(Self.tileEdge)
        let west = extent[0] + Double(tile.column) * size
        let north = extent[3] - Double(tile.row) * size
        return [west, north - size, west + size, north]
    }

    /// The same in degrees.
    package func box(of tile: Tile) -> BoundingBox? {
        let bounds = bounds(of: tile)
        let (lower, upper) = (position(bounds[0], bounds[1]), position(bounds[2], bounds[3]))
        return try? BoundingBox(west: lower.0, south: lower.1, east: upper.0, north: upper.1)
    }

    /// A box in units of the system, as far as it lies within the grid.
    package func bounds(of box: BoundingBox) -> [Double] {
        let (lower, upper) = (place(box.west, box.south), place(box.east, box.north))
        return [lower.0, lower.1, upper.0, upper.1]
    }

    private func position(_ x: Double, _ y: Double) -> (Double, Double) {
        guard crs == "EPSG:3857" else { return (min(max(x, -180), 180), min(max(y, -90), 90)) }
        let longitude = x / Self.mercatorEdge * 180
        let latitude = atan(sinh(y / Self.mercatorEdge * .pi)) * 180 / .pi
        return (min(max(longitude, -180), 180), latitude)
    }

    private func place(_ longitude: Double, _ latitude: Double) -> (Double, Double) {
        guard crs == "EPSG:3857" else { return (longitude, latitude) }
        let bounded = min(max(latitude, -Self.mercatorLatitude), Self.mercatorLatitude)
        let y = asinh(tan(bounded * .pi / 180)) / .pi * Self.mercatorEdge
        return (longitude / 180 * Self.mercatorEdge, y)
    }

    /// The level whose tiles are about as large as a box: where a picture of it begins to be worth looking at.
    package func zoom(for box: BoundingBox) -> Int {
        let width = max(box.crossesAntimeridian ? box.east - box.west + 360 : box.east - box.west, 1e-6)
        return min(max(Int(log2(360 / width).rounded(.down)), 0), Self.zoomMax)
    }
}
