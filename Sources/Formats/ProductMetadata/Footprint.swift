package import Wire

/// A ring of WGS84 positions as GeoJSON: closed, counterclockwise, cut at the antimeridian (RFC 7946 §3.1.6, §3.1.9).
package struct Footprint: Sendable, Equatable {
    package struct Position: Sendable, Hashable {
        /// Degrees.
        package var longitude: Double
        package var latitude: Double

        package init(longitude: Double, latitude: Double) {
            self.longitude = longitude
            self.latitude = latitude
        }
    }

    /// A Polygon, or a MultiPolygon where the antimeridian is crossed.
    package let geometry: JSONValue
    /// West, south, east, north; west is greater than east where the antimeridian is crossed.
    package let bbox: [Double]

    package static let positionsMax = 10_000

    /// Makes a footprint of a box without area: a Point, or the line between two.
    ///
    /// - Parameter box: west, south, east, north. Nil where that is not on the globe.
    package init?(box: [Double]) {
        guard box.count == 4, box.allSatisfy(\.isFinite), abs(box[0]) <= 180, abs(box[2]) <= 180, abs(box[1]) <= 90,
            abs(box[3]) <= 90
        else { return nil }
        let ends: [JSONValue] = [[.double(box[0]), .double(box[1])], [.double(box[2]), .double(box[3])]]
        geometry =
            ends[0] == ends[1]
            ? ["type": "Point", "coordinates": ends[0]] : ["type": "LineString", "coordinates": .array(ends)]
        bbox = box
    }

    /// Makes a footprint of a ring, which may be open or closed and turn either way.
    ///
    /// Neighbouring positions are taken to be joined the short way round the globe. A ring that goes once round it
    /// encloses the pole of its hemisphere.
    ///
    /// - Throws: `malformed` for fewer than three positions, for one off the globe, and for a ring that goes round the
    ///   globe more than once; `tooLarge` beyond `positionsMax`.
    package init(ring: [Position]) throws(ProductMetadataError) {
        guard ring.count <= Self.positionsMax else {
            throw ProductMetadataError(
                .tooLarge, "a footprint has \(ring.count) positions; at most \(Self.positionsMax) are read")
        }
        var open = try Self.unwrapped(ring)
        guard open.count >= 3, let first = open.first, let last = open.last else {
            throw ProductMetadataError(.malformed, "a footprint needs at least three different positions")
        }
        var closing = first.longitude - last.longitude
        while closing > 180 { closing -= 360 }
        while closing < -180 { closing += 360 }
        let turn = last.longitude + closing - first.longitude
        let enclosesPole = abs(turn) > 180
        if enclosesPole {
            let pole = open.reduce(0) { $0 + $1.latitude } < 0 ? -90.0 : 90.0
            open.append(Position(longitude: first.longitude + turn, latitude: first.latitude))
            open.append(Position(longitude: first.longitude + turn, latitude: pole))
            open.append(Position(longitude: first.longitude, latitude: pole))
        }
        var west = open.reduce(Double.infinity) { min($0, $1.longitude) }
        let shift = ((west + 180) / 360).rounded(.down) * 360
        for index in open.indices { open[index].longitude -= shift }
        west -= shift
        let east = open.reduce(-Double.infinity) { max($0, $1.longitude) }
        guard east - west <= 360.000001 else {
            throw ProductMetadataError(.malformed, "a footprint goes round the globe more than once")
        }
        let south = open.reduce(Double.infinity) { min($0, $1.latitude) }
        let north = open.reduce(-Double.infinity) { max($0, $1.latitude) }
        guard east > 180 else {
            geometry = ["type": "Polygon", "coordinates": .array([Self.coordinates(open)])]
            bbox = [west, south, east, north]
            return
        }
        let parts = [
            Self.clip(open, keeping: { $0 <= 180 }),
            Self.clip(open, keeping: { $0 >= 180 }).map {
                Position(longitude: max($0.longitude - 360, -180), latitude: $0.latitude)
            },
        ]
        geometry = [
            "type": "MultiPolygon",
            "coordinates": .array(parts.filter { $0.count >= 3 }.map { .array([Self.coordinates($0)]) }),
        ]
        let goesRound = enclosesPole || east - west >= 359.999999
        bbox = goesRound ? [-180, south, 180, north] : [west, south, east - 360, north]
    }

    /// The ring without its closing and repeated positions, its longitudes running on beyond ±180.
    private static func unwrapped(_ ring: [Position]) throws(ProductMetadataError) -> [Position] {
        var open: [Position] = []
        for position in ring {
            guard abs(position.longitude) <= 360, abs(position.latitude) <= 90 else {
                throw ProductMetadataError(
                    .malformed,
                    "a footprint's (\(position.longitude), \(position.latitude)) is not a longitude and a latitude"
                )
            }
            var next = position
            if let last = open.last {
                while next.longitude - last.longitude > 180 { next.longitude -= 360 }
                while next.longitude - last.longitude < -180 { next.longitude += 360 }
                if next == last { continue }
            }
            open.append(next)
        }
        while open.count > 1, let first = open.first, let last = open.last, first == last { open.removeLast() }
        return open
    }

    /// Clips a ring at longitude 180 (Sutherland and Hodgman, one edge).
    private static func clip(_ ring: [Position], keeping isInside: (Double) -> Bool) -> [Position] {
        var out: [Position] = []
        guard var previous = ring.last else { return out }
        for current in ring {
            let (was, stays) = (isInside(previous.longitude), isInside(current.longitude))
            if was != stays {
                let part = (180 - previous.longitude) / (current.longitude - previous.longitude)
                let latitude = previous.latitude + part * (current.latitude - previous.latitude)
                out.append(Position(longitude: 180, latitude: latitude))
            }
            if stays { out.append(current) }
            previous = current
        }
        return out.enumerated().filter { $0.offset == 0 || out[$0.offset - 1] != $0.element }.map(\.element)
    }

    private static func coordinates(_ open: [Position]) -> JSONValue {
        var area = 0.0
        var previous = open[open.count - 1]
        for current in open {
            area += previous.longitude * current.latitude - current.longitude * previous.latitude
            previous = current
        }
        var ring = area < 0 ? open.reversed() : open
        ring.append(ring[0])
        return .array(ring.map { [.double($0.longitude), .double($0.latitude)] })
    }
}
