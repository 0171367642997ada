internal import CGDAL
internal import Wire

/// Where on Earth a raster lies: its coordinate reference system, its geotransform and its outline.
struct Georeference {
    private let raster: Raster
    private let system: OGRSpatialReferenceH?
    /// x = t0 + t1·column + t2·row, y = t3 + t4·column + t5·row; nil without georeference.
    private let transform: [Double]?

    /// - Parameter isDegrees: whether coordinates without a system are longitudes and latitudes.
    init(_ raster: Raster, isDegrees: Bool = false) {
        self.raster = raster
        system = GDALGetSpatialRef(raster.dataset) ?? (isDegrees ? Self.wgs84 : nil)
        var numbers = [Double](repeating: 0, count: 6)
        let found = GDALGetGeoTransform(raster.dataset, &numbers) == CE_None
        transform = found && numbers.allSatisfy(\.isFinite) ? numbers : nil
    }

    /// WGS84, the longitude first; nil where PROJ has no database.
    static var wgs84: OGRSpatialReferenceH? {
        guard let system = OSRNewSpatialReference(nil), OSRImportFromEPSG(system, 4326) == OGRERR_NONE else {
            return nil
        }
        // x is the longitude, whatever order the registry gives the axes.
        OSRSetAxisMappingStrategy(system, OAMS_TRADITIONAL_GIS_ORDER)
        return system
    }

    /// Writes what is known, and why there is no outline if there is none.
    func describe(_ json: inout JSONWriter) {
        if describeOutline(&json) { return }
        let points = GDALGetGCPCount(raster.dataset)
        let reason =
            if transform == nil {
                points > 0
                    ? "the raster has \(points) ground control points and no geotransform"
                    : "the raster is not georeferenced"
            } else if system == nil {
                "the raster names no coordinate reference system"
            } else {
                "the raster's outline cannot be transformed to WGS84"
            }
        json.member("no_geometry", reason)
    }

    /// Writes what is known; false where that is no outline.
    func describeOutline(_ json: inout JSONWriter) -> Bool {
        if let system { Self.describe(system, &json) }
        guard let transform else { return false }
        // Row-major, as proj:transform and the affine matrices of other tools have it.
        json.key("transform")
        json.array { json in for index in [1, 2, 0, 4, 5, 3] { json.number(transform[index]) } }
        let corners = outline(steps: 1)
        let (x, y) = (corners.map(\.x), corners.map(\.y))
        if let west = x.min(), let south = y.min(), let east = x.max(), let north = y.max() {
            json.key("proj_bbox")
            json.array { json in for number in [west, south, east, north] { json.number(number) } }
        }
        guard let system else { return false }
        if OSRIsProjected(system) != 0 {
            let metres = OSRGetLinearUnits(system, nil)
            let column = (transform[1] * transform[1] + transform[4] * transform[4]).squareRoot()
            let row = (transform[2] * transform[2] + transform[5] * transform[5]).squareRoot()
            let gsd = max(column, row) * metres
            if gsd.isFinite, gsd > 0 { json.member("gsd", gsd) }
        }
        guard let ring = Self.geographic(outline(steps: 8), from: system) else { return false }
        Self.write(ring: ring, &json)
        return true
    }

    static func write(ring: [(x: Double, y: Double)], _ json: inout JSONWriter) {
        json.key("footprint")
        json.array { json in
            for point in ring {
                json.array { json in
                    json.number(point.x)
                    json.number(point.y)
                }
            }
        }
    }

    static func describe(_ system: OGRSpatialReferenceH, _ json: inout JSONWriter) {
        var code = authorityCode(of: system)
        if code == nil, let copy = OSRClone(system) {
            if OSRAutoIdentifyEPSG(copy) == OGRERR_NONE {
                code = authorityCode(of: copy)
            } else {
                code = bestMatch(of: copy)
            }
            OSRDestroySpatialReference(copy)
        }
        if let code {
            json.member("crs_code", code)
            return
        }
        let options: [String] = ["FORMAT=WKT2_2019"]
        var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        for option in options { list = CSLAddString(list, option) }
        defer { CSLDestroy(list) }
        var text: UnsafeMutablePointer<CChar>?
        let arguments = UnsafeRawPointer(list)?.assumingMemoryBound(to: UnsafePointer<CChar>?.self)
        if OSRExportToWktEx(system, &text, arguments) == OGRERR_NONE, let text {
            json.member("crs_wkt2", String(cString: text).prefix(100_000))
        }
        VSIFree(text)
    }

    private static func authorityCode(of system: OGRSpatialReferenceH) -> String? {
        guard let name = OSRGetAuthorityName(system, nil), let code = OSRGetAuthorityCode(system, nil) else {
            return nil
        }
        let text = "\(String(cString: name)):\(String(cString: code))"
        return text.utf8.count <= 64 ? text : nil
    }

    /// The registered system that is the same but for its name, where there is just one.
    private static func bestMatch(of system: OGRSpatialReferenceH) -> String? {
        var count: Int32 = 0
        var confidences: UnsafeMutablePointer<Int32>?
        guard let matches = OSRFindMatches(system, nil, &count, &confidences) else { return nil }
        defer {
            OSRFreeSRSArray(matches)
            VSIFree(confidences)
        }
        guard count > 0, let confidences, confidences[0] >= 90, count == 1 || confidences[1] < confidences[0],
            let best = matches[0]
        else { return nil }
        return authorityCode(of: best)
    }

    /// The corners, and points between them: edges that are straight in the raster are curves in longitude and
    /// latitude.
    private func outline(steps: Int) -> [(x: Double, y: Double)] {
        guard let transform else { return [] }
        return Self.outline(of: [0, 0, Double(raster.width), Double(raster.height)], steps: steps).map { place in
            (
                transform[0] + transform[1] * place.x + transform[2] * place.y,
                transform[3] + transform[4] * place.x + transform[5] * place.y
            )
        }
    }

    /// Around a box of minimum x, minimum y, maximum x, maximum y.
    static func outline(of box: [Double], steps: Int) -> [(x: Double, y: Double)] {
        let corners = [(box[0], box[1]), (box[0], box[3]), (box[2], box[3]), (box[2], box[1])]
        return corners.indices.flatMap { index -> [(x: Double, y: Double)] in
            let (from, to) = (corners[index], corners[(index + 1) % corners.count])
            return (0..<steps).map { step in
                let part = Double(step) / Double(steps)
                return (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1))
            }
        }
    }

    /// Points as longitudes and latitudes; nil where one of them cannot be transformed.
    static func geographic(
        _ points: [(x: Double, y: Double)], from system: OGRSpatialReferenceH
    ) -> [(x: Double, y: Double)]? {
        guard let source = OSRClone(system) else { return nil }
        defer { OSRDestroySpatialReference(source) }
        guard let target = wgs84 else { return nil }
        defer { OSRDestroySpatialReference(target) }
        OSRSetAxisMappingStrategy(source, OAMS_TRADITIONAL_GIS_ORDER)
        guard let transformation = OCTNewCoordinateTransformation(source, target) else { return nil }
        defer { OCTDestroyCoordinateTransformation(transformation) }
        var (x, y) = (points.map(\.x), points.map(\.y))
        guard OCTTransform(transformation, Int32(points.count), &x, &y, nil) != 0 else { return nil }
        // Half a pixel beyond a pole is common in global grids.
        let ring = zip(x, y).map { (x: $0, y: abs($1) <= 91 ? min(max($1, -90), 90) : .nan) }
        return ring.allSatisfy { abs($0.x) <= 360 && $0.y.isFinite } ? ring : nil
    }
}
