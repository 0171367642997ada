package import Geometry
import Glibc
import HTTPSupport
import Wire

/// A map of footprints: an outline of the world as SVG, which the script replaces with a map that moves.
///
/// Elements of the page say what is on the map by `data-footprint` (GeoJSON); the script finds them by that, so a row
/// and its footprint know each other without a second list.
package struct MapFigure {
    struct Shape {
        let geometry: Geometry
        /// Around the geometry; that of an item tells on which side of the antimeridian it lies.
        let box: BoundingBox
        /// What it is, for people and screen readers.
        let label: String
        /// Whether it is what a collection covers, and not a footprint.
        let isExtent: Bool

        init(_ geometry: Geometry, box: BoundingBox? = nil, label: String, isExtent: Bool = false) {
            self.geometry = geometry
            self.box = box ?? geometry.boundingBox
            self.label = label
            self.isExtent = isExtent
        }
    }

    /// Positions beyond which a footprint is drawn as its box: a page stays small, whatever geometry an item has.
    static let positionsMax = 400

    let shapes: [Shape]
    let label: String
    /// Whether the map begins with the whole world.
    var isWorld = false
    /// Where pictures of what lies here come from, box by box; nil where there are none. Shown from the start, or when
    /// they are asked for.
    var pictures: (address: String, areShown: Bool)?
    let hasLeaflet: Bool

    /// The GeoJSON of a footprint for `data-footprint`.
    static func json(_ geometry: Geometry) -> String {
        var json = JSONWriter()
        if geometry.positionCount <= positionsMax {
            geometry.write(to: &json)
        } else {
            outline(geometry.boundingBox).write(to: &json)
        }
        return json.text
    }

    /// A box as a geometry, in two parts if it crosses the antimeridian.
    static func outline(_ box: BoundingBox) -> Geometry {
        .multiPolygon(
            box.splitAtAntimeridian.map { part in
                [
                    [
                        Position(part.west, part.south), Position(part.east, part.south),
                        Position(part.east, part.north),
                        Position(part.west, part.north), Position(part.west, part.south),
                    ]
                ]
            })
    }

    func write(to html: inout HTML) {
        html.element(
            "div", .class(isWorld ? "map world" : "map"), .set("data-map", isWorld ? "world" : ""),
            .set("aria-label", label), .set("role", "region"), .set("data-pictures", pictures?.address),
            .set("data-shown", pictures?.areShown == true ? "" : nil)
        ) { html in
            writeSVG(to: &html)
            if !isWorld { writeLocator(to: &html) }
            if !hasLeaflet {
                html.element(
                    "p", .class("map-note"),
                    text:
                        "The moving map needs Debian's package libjs-leaflet on the node: apt-get install libjs-leaflet"
                )
            }
        }
    }

    private func writeSVG(to html: inout HTML) {
        let area = isWorld ? nil : Self.union(shapes.map(\.box))
        let frame = area.map(Self.padded) ?? (west: -180, south: -60, east: 180, north: 80)
        // Equirectangular, true to scale at the middle of what is shown.
        let middle = area == nil ? 0 : (frame.south + frame.north) / 2
        let stretch = max(0.1, cos(middle * .pi / 180))
        let box = [frame.west * stretch, -frame.north, (frame.east - frame.west) * stretch, frame.north - frame.south]
        html.element(
            "svg", .class("outline"), .set("viewBox", box.map { Self.number($0) }.joined(separator: " ")),
            .set("role", "img"),
            .set("aria-label", label), .set("preserveAspectRatio", "xMidYMid meet")
        ) { html in
            html.element("g", .set("transform", "scale(\(Self.number(stretch)) -1)")) { html in
                writeWorld(&html)
                // What lies across the antimeridian goes on in a second world beside the first.
                for (isSeen, shift) in [(frame.east > 180, "translate(360)"), (frame.west < -180, "translate(-360)")]
                where isSeen {
                    html.element("g", .set("transform", shift), body: writeWorld)
                }
            }
        }
    }

    private func writeWorld(_ html: inout HTML) {
        html.element("use", .set("href", StaticFiles.worldSVG.path + "#land"), .class("land")) { _ in }
        html.element("use", .set("href", StaticFiles.worldSVG.path + "#borders"), .class("borders")) { _ in }
        for shape in shapes {
            html.element(
                "path", .class(shape.isExtent ? "footprint extent" : "footprint"), .set("d", Self.path(shape.geometry))
            ) { $0.element("title", text: shape.label) }
        }
    }

    /// A small world with the place on it: a map of one scene has nothing else by which people know where they are.
    private func writeLocator(to html: inout HTML) {
        guard let area = Self.union(shapes.map(\.box)) else { return }
        let east = area.crossesAntimeridian ? area.east + 360 : area.east
        html.element("svg", .class("locator"), .set("viewBox", "-180 -90 360 180"), .set("aria-hidden", "true")) {
            html in
            html.element("g", .set("transform", "scale(1 -1)")) { html in
                html.element("use", .set("href", StaticFiles.worldSVG.path + "#land"), .class("land")) { _ in }
            }
            html.element(
                "circle", .set("cx", Self.number((area.west + east) / 2)),
                .set("cy", Self.number(-(area.south + area.north) / 2)),
                .set("r", "12")
            ) { _ in }
        }
    }

    /// At least two degrees and a margin around it, so that something of the world is to be seen.
    private static func padded(_ box: BoundingBox) -> (west: Double, south: Double, east: Double, north: Double) {
        let east = box.crossesAntimeridian ? box.east + 360 : box.east
        let width = max(2, (east - box.west) * 1.6)
        let height = max(2, (box.north - box.south) * 1.6)
        let (x, y) = ((box.west + east) / 2, (box.south + box.north) / 2)
        return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    }

    /// The narrowest box around all of them, across the antimeridian if that is narrower.
    package static func union(_ boxes: [BoundingBox]) -> BoundingBox? {
        guard let first = boxes.first else { return nil }
        let south = boxes.reduce(first.south) { min($0, $1.south) }
        let north = boxes.reduce(first.north) { max($0, $1.north) }
        var (west, east, from0, to360) = (180.0, -180.0, 360.0, 0.0)
        for box in boxes {
            west = min(west, box.crossesAntimeridian ? -180 : box.west)
            east = max(east, box.crossesAntimeridian ? 180 : box.east)
            // The same in longitudes from 0 to 360; a box across the prime meridian takes all of them.
            let isAcrossZero = !box.crossesAntimeridian && box.west < 0 && box.east > 0
            from0 = min(from0, isAcrossZero ? 0 : box.west < 0 ? box.west + 360 : box.west)
            to360 = max(to360, isAcrossZero ? 360 : box.east <= 0 ? box.east + 360 : box.east)
        }
        if to360 - from0 < east - west, from0 <= 180, to360 > 180 {
            return try? BoundingBox(west: from0, south: south, east: to360 - 360, north: north)
        }
        return try? BoundingBox(west: west, south: south, east: east, north: north)
    }

    private static func path(_ geometry: Geometry) -> String {
        if geometry.positionCount > positionsMax { return path(outline(geometry.boundingBox)) }
        func ring(_ positions: [Position], _ end: String) -> String {
            "M" + positions.map { "\(number($0.longitude)) \(number($0.latitude))" }.joined(separator: "L") + end
        }
        switch geometry {
        case .point(let position): return dot(position)
        case .multiPoint(let positions): return positions.map(dot).joined()
        case .lineString(let line): return ring(line, "")
        case .multiLineString(let lines): return lines.map { ring($0, "") }.joined()
        case .polygon(let rings): return rings.map { ring($0, "Z") }.joined()
        case .multiPolygon(let polygons): return polygons.flatMap { $0 }.map { ring($0, "Z") }.joined()
        case .collection(let parts): return parts.map(path).joined()
        }
    }

    /// A point as a small diamond: a path without length would not be drawn.
    private static func dot(_ at: Position) -> String {
        let (x, y, r) = (at.longitude, at.latitude, 0.15)
        let corners = [(x - r, y), (x, y + r), (x + r, y), (x, y - r)]
        return "M" + corners.map { "\(number($0.0)) \(number($0.1))" }.joined(separator: "L") + "Z"
    }

    private static func number(_ value: Double) -> String { Words.decimal(value, digits: 4).replacing(",", with: "") }
}
