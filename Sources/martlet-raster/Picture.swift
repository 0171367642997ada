internal import CGDAL
internal import ProductMetadata
internal import Wire

/// A part of one or several rasters, warped to where it is asked for, in the colours that are asked for.
struct Picture {
    private let request: PictureRequest
    private let offered: [RasterProtocol.File]
    private let files: VirtualFiles
    private let expressions: [BandExpression]
    private var count: Int { request.width * request.height }

    /// Pixels of one raster that are read for a picture, all bands together.
    private static let pixelsMax = 100_000_000.0
    /// Processor seconds after which no further raster is begun: what is there by then is delivered.
    private static let processorSecondsMax = 10.0
    /// The edge of the small copy of which the lowest and the highest value are found.
    private static let sampleEdge = 128

    /// - Parameter offered: what the node offers, in the order of its list.
    init(
        _ request: PictureRequest, _ offered: [RasterProtocol.File], _ files: VirtualFiles
    ) throws(BandExpression.Failure) {
        self.request = request
        self.offered = offered
        self.files = files
        var expressions: [BandExpression] = []
        for text in request.expressions { expressions.append(try BandExpression(text)) }
        self.expressions = expressions
    }

    /// A raster of a source, opened.
    private struct Opened {
        let name: String
        let raster: Raster
        /// Nil for a view of an array, which cannot be opened in a smaller size.
        let path: String?
        let nodata: Double?
    }

    /// A band of one of the opened rasters.
    private struct Band: Hashable {
        var raster: Int
        var number: Int32
    }

    /// What is drawn: values, and where there are any.
    private struct Layers {
        var planes: [[Float]]
        var isValid: [Bool]
        /// Colours of the values, where the raster says them itself.
        var table: GDALColorTableH?
        var isByte: Bool
    }

    /// Makes the picture. What was found out is written to `json`: `rescale`, and `problem` where a raster could not be
    /// drawn.
    func render(_ json: inout JSONWriter) -> Result<[UInt8], Preview.Missing> {
        guard let target = Target(request) else {
            return .failure(Preview.Missing(message: "there is no coordinate reference system \(request.crs)"))
        }
        var drawn: Layers?
        var rescale = request.rescale
        var problem: String?
        for source in request.sources {
            guard Preview.processorSeconds < Self.processorSecondsMax else {
                problem = "the picture takes too long: a closer look takes less"
                break
            }
            do throws(Preview.Missing) {
                let opened = try open(source)
                guard let bands = try bands(of: opened), let found = try draw(opened, bands, target) else { continue }
                if rescale.isEmpty, found.table == nil || request.colorMap != nil {
                    rescale = found.isByte ? [[0, 255]] : try stretch(opened, bands)
                }
                merge(found, into: &drawn)
            } catch {
                problem = error.message
            }
            if drawn?.isValid.allSatisfy(\.self) == true { break }
        }
        if let problem { json.member("problem", problem) }
        guard let drawn else {
            let empty = [UInt8](repeating: 0, count: count)
            return encode([empty, empty])
        }
        json.key("rescale")
        json.array { json in
            for pair in rescale { json.array { json in for number in pair { json.number(number) } } }
        }
        return encode(coloured(drawn, rescale))
    }

    private func merge(_ found: Layers, into drawn: inout Layers?) {
        guard var all = drawn, all.planes.count == found.planes.count else {
            if drawn == nil { drawn = found }
            return
        }
        for index in all.isValid.indices where !all.isValid[index] && found.isValid[index] {
            all.isValid[index] = true
            for plane in all.planes.indices { all.planes[plane][index] = found.planes[plane][index] }
        }
        drawn = all
    }

    // MARK: What is drawn

    private func open(_ source: [PictureRequest.Raster]) throws(Preview.Missing) -> [Opened] {
        var opened: [Opened] = []
        for raster in source {
            guard offered.indices.contains(raster.file) else {
                throw Preview.Missing(message: "there is no file \(raster.file)")
            }
            let path = VirtualFiles.prefix + offered[raster.file].name
            let suffix = path[(path.lastIndex(of: ".") ?? path.endIndex)...].lowercased()
            if [".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5"].contains(suffix), raster.file == 0 {
                guard let grid = ArrayFile(files)?.grid else { throw Self.unreadable }
                opened.append(Opened(name: raster.name, raster: grid, path: nil, nodata: raster.nodata))
            } else {
                guard let found = Raster(path: path) else { throw Self.unreadable }
                opened.append(Opened(name: raster.name, raster: found, path: path, nodata: raster.nodata))
            }
        }
        return opened
    }

    private static var unreadable: Preview.Missing {
        Preview.Missing(message: GDALEnvironment.lastError ?? "no driver knows the format")
    }

    /// The bands that expressions name, or those that the first raster is best shown by; nil where there is nothing.
    private func bands(of opened: [Opened]) throws(Preview.Missing) -> [[Band]]? {
        guard let first = opened.first else { return nil }
        guard !expressions.isEmpty else {
            return Preview(of: first.raster).bandsToShow().map { [Band(raster: 0, number: $0)] }
        }
        var out: [[Band]] = []
        for expression in expressions {
            var bands: [Band] = []
            for name in expression.names { bands.append(try band(name, of: opened)) }
            out.append(bands)
        }
        return out
    }

    private func band(_ name: String, of opened: [Opened]) throws(Preview.Missing) -> Band {
        var found = opened.firstIndex { $0.name == name }.map { Band(raster: $0, number: 1) }
        if found == nil, let mark = name.lastIndex(of: "b"), let number = Int32(name[name.index(after: mark)...]) {
            let before = name[..<mark]
            if before.isEmpty, opened.count == 1 {
                found = Band(raster: 0, number: number)
            } else if before.hasSuffix("_"), let index = opened.firstIndex(where: { $0.name == before.dropLast() }) {
                found = Band(raster: index, number: number)
            }
        }
        guard let found, (1...opened[found.raster].raster.bandCount).contains(found.number) else {
            throw Preview.Missing(message: "there is no band '\(name.prefix(100))'")
        }
        return found
    }

    /// Warps the bands to the target and evaluates the expressions; nil where the source lies elsewhere.
    private func draw(_ opened: [Opened], _ bands: [[Band]], _ target: Target) throws(Preview.Missing) -> Layers? {
        let wanted = Set(bands.joined())
        var planes: [Band: [Float]] = [:]
        var isValid = [Bool](repeating: true, count: count)
        let plain = bands.count == 1 && bands[0].count == 1 && (expressions.first?.isBand ?? true) ? bands[0][0] : nil
        let table = plain.flatMap { opened[$0.raster].raster.band($0.number) }.flatMap { GDALGetRasterColorTable($0) }
        for (index, one) in opened.enumerated() {
            let numbers = wanted.filter { $0.raster == index }.map(\.number).sorted()
            guard !numbers.isEmpty else { continue }
            let resampling = table == nil ? request.resampling : .nearest
            guard let warped = try warp(one, numbers, target, resampling) else { return nil }
            for (number, plane) in zip(numbers, warped.planes) { planes[Band(raster: index, number: number)] = plane }
            for pixel in isValid.indices where !warped.isValid[pixel] { isValid[pixel] = false }
        }
        let results = evaluate(bands, planes, count)
        for plane in results { for pixel in plane.indices where !plane[pixel].isFinite { isValid[pixel] = false } }
        let isByte =
            expressions.allSatisfy(\.isBand)
            && wanted.allSatisfy { band in
                opened[band.raster].raster.band(band.number).map { GDALGetRasterDataType($0) == GDT_Byte } ?? false
            }
        return Layers(planes: results, isValid: isValid, table: table, isByte: isByte)
    }

    private func evaluate(_ bands: [[Band]], _ planes: [Band: [Float]], _ count: Int) -> [[Float]] {
        bands.enumerated().map { index, bands in
            let values = bands.map { planes[$0] ?? [Float](repeating: .nan, count: count) }
            return index < expressions.count ? expressions[index].evaluate(values, count: count) : values[0]
        }
    }

    // MARK: Warping

    /// Where the picture is to lie.
    private struct Target {
        let system: OGRSpatialReferenceH
        let transform: [Double]
        let width: Int32
        let height: Int32

        /// Nil for a system that is not known, or bounds without an area.
        init?(_ request: PictureRequest) {
            guard request.crs.hasPrefix("EPSG:"), let code = Int32(request.crs.dropFirst(5)),
                let system = OSRNewSpatialReference(nil), OSRImportFromEPSG(system, code) == OGRERR_NONE
            else { return nil }
            OSRSetAxisMappingStrategy(system, OAMS_TRADITIONAL_GIS_ORDER)
            let (west, south, east, north) = (
                request.bounds[0], request.bounds[1], request.bounds[2], request.bounds[3]
            )
            guard west < east, south < north else { return nil }
            (width, height) = (Int32(request.width), Int32(request.height))
            transform = [west, (east - west) / Double(width), 0, north, 0, -(north - south) / Double(height)]
            self.system = system
        }

        /// A dataset in memory that is filled by warping: the bands and their opacity.
        func dataset(bandCount: Int) -> GDALDatasetH? {
            var transform = transform
            guard let driver = GDALGetDriverByName("MEM"),
                let dataset = GDALCreate(driver, "", width, height, Int32(bandCount + 1), GDT_Float32, nil),
                GDALSetGeoTransform(dataset, &transform) == CE_None, GDALSetSpatialRef(dataset, system) == CE_None
            else { return nil }
            return dataset
        }
    }

    private func warp(
        _ opened: Opened, _ numbers: [Int32], _ target: Target, _ resampling: PictureRequest.Resampling
    ) throws(Preview.Missing) -> (planes: [[Float]], isValid: [Bool])? {
        let failure = Preview.Missing(message: "the raster cannot be drawn here")
        guard let picture = target.dataset(bandCount: numbers.count) else { throw failure }
        defer { GDALClose(picture) }
        var source = opened.raster.dataset
        guard let scale = try scale(opened.raster, to: picture) else { return nil }
        if let path = opened.path, let level = overview(of: opened.raster, scale) {
            let options = CSLAddString(nil, "OVERVIEW_LEVEL=\(level)")
            defer { CSLDestroy(options) }
            let list = UnsafeRawPointer(options)?.assumingMemoryBound(to: UnsafePointer<CChar>?.self)
            let flags = UInt32(GDAL_OF_RASTER | GDAL_OF_READONLY)
            guard let smaller = GDALOpenEx(path, flags, nil, list, nil) else { throw Self.unreadable }
            source = smaller
        } else {
            let pixels = Double(count) * max(1, scale * scale) * Double(numbers.count)
            guard pixels <= Self.pixelsMax else {
                throw Preview.Missing(message: "the raster is large and has no overviews: a closer look takes less")
            }
        }
        defer { if source != opened.raster.dataset { GDALClose(source) } }
        guard let transformer = Self.transformer(source, picture) else { throw failure }
        defer { GDALDestroyGenImgProjTransformer(transformer) }
        guard let approximate = GDALCreateApproxTransformer(GDALGenImgProjTransform, transformer, 0.125),
            let options = GDALCreateWarpOptions()
        else { throw failure }
        defer {
            GDALDestroyWarpOptions(options)
            GDALDestroyApproxTransformer(approximate)
        }
        options.pointee.hSrcDS = source
        options.pointee.hDstDS = picture
        options.pointee.eResampleAlg =
            switch resampling {
            case .nearest: GRA_NearestNeighbour
            case .bilinear: GRA_Bilinear
            case .cubic: GRA_Cubic
            case .average: GRA_Average
            }
        options.pointee.eWorkingDataType = GDT_Float32
        options.pointee.dfWarpMemoryLimit = 64e6
        options.pointee.pTransformerArg = approximate
        options.pointee.pfnTransformer = GDALApproxTransform
        options.pointee.pfnProgress = { _, _, _ in Preview.processorSeconds < 15 ? 1 : 0 }
        options.pointee.papszWarpOptions = CSLAddString(options.pointee.papszWarpOptions, "INIT_DEST=0")
        options.pointee.papszWarpOptions = CSLAddString(options.pointee.papszWarpOptions, "UNIFIED_SRC_NODATA=YES")
        // GDAL frees these lists with the options.
        options.pointee.nBandCount = Int32(numbers.count)
        options.pointee.panSrcBands = Self.list(numbers)
        options.pointee.panDstBands = Self.list((1...Int32(numbers.count)).map { $0 })
        options.pointee.nDstAlphaBand = Int32(numbers.count + 1)
        let nodata = numbers.map { number in
            opened.nodata ?? opened.raster.band(number).flatMap { Raster.nodata(of: $0) }
        }
        if nodata.contains(where: { $0 != nil }) {
            // Where one band says nothing, no value of it means nothing.
            options.pointee.padfSrcNoDataReal = Self.list(nodata.map { $0 ?? -1.1e308 })
        }
        if let alpha = (1...opened.raster.bandCount).first(where: { number in
            opened.raster.band(number).map { GDALGetRasterColorInterpretation($0) == GCI_AlphaBand } ?? false
        }) {
            options.pointee.nSrcAlphaBand = alpha
        }
        guard let operation = GDALCreateWarpOperation(options) else { throw failure }
        defer { GDALDestroyWarpOperation(operation) }
        guard GDALChunkAndWarpImage(operation, 0, 0, target.width, target.height) == CE_None else {
            throw Preview.Missing(message: GDALEnvironment.lastError ?? "the raster takes too long to read")
        }
        var planes: [[Float]] = []
        for number in 1...Int32(numbers.count + 1) {
            var plane = [Float](repeating: 0, count: count)
            guard let band = GDALGetRasterBand(picture, number),
                GDALRasterIO(
                    band, GF_Read, 0, 0, target.width, target.height, &plane, target.width, target.height, GDT_Float32,
                    0, 0) == CE_None
            else { throw failure }
            planes.append(plane)
        }
        let opacity = planes.removeLast()
        return (planes, opacity.map { $0 > 0 })
    }

    private static func list<Element: BitwiseCopyable>(_ values: [Element]) -> UnsafeMutablePointer<Element>? {
        let bytes = values.count * MemoryLayout<Element>.stride
        guard let raw = CPLMalloc(bytes) else { return nil }
        values.withUnsafeBytes { raw.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(raw), byteCount: bytes) }
        return raw.bindMemory(to: Element.self, capacity: values.count)
    }

    private static func transformer(_ source: GDALDatasetH, _ picture: GDALDatasetH) -> UnsafeMutableRawPointer? {
        var options: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        // Arrays of longitudes and latitudes often name no system.
        if GDALGetSpatialRef(source) == nil, GDALGetGCPCount(source) == 0 {
            options = CSLAddString(options, "SRC_SRS=EPSG:4326")
        }
        defer { CSLDestroy(options) }
        return GDALCreateGenImgProjTransformer2(source, picture, options)
    }

    /// How many pixels of the raster lie along one of the picture; nil where the raster lies elsewhere.
    private func scale(_ raster: Raster, to picture: GDALDatasetH) throws(Preview.Missing) -> Double? {
        var numbers = [Double](repeating: 0, count: 6)
        guard GDALGetGeoTransform(raster.dataset, &numbers) == CE_None || GDALGetGCPCount(raster.dataset) > 0,
            let transformer = Self.transformer(raster.dataset, picture)
        else { throw Preview.Missing(message: "the raster is not georeferenced") }
        defer { GDALDestroyGenImgProjTransformer(transformer) }
        let steps = 8
        let (width, height) = (Double(raster.width), Double(raster.height))
        var (xs, ys): ([Double], [Double]) = ([], [])
        for row in 0...steps {
            for column in 0...steps {
                let (x, y) = (width * Double(column) / Double(steps), height * Double(row) / Double(steps))
                xs += [x, x + (column < steps ? 1 : -1)]
                ys += [y, y]
            }
        }
        var zs = [Double](repeating: 0, count: xs.count)
        var success = [Int32](repeating: 0, count: xs.count)
        GDALUseTransformer(transformer, 0, Int32(xs.count), &xs, &ys, &zs, &success)
        var distances: [Double] = []
        var (west, north, east, south) = (Double.infinity, Double.infinity, -Double.infinity, -Double.infinity)
        for index in stride(from: 0, to: xs.count, by: 2) where success[index] != 0 && success[index + 1] != 0 {
            let (dx, dy) = (xs[index + 1] - xs[index], ys[index + 1] - ys[index])
            distances.append((dx * dx + dy * dy).squareRoot())
            (west, east) = (min(west, xs[index]), max(east, xs[index]))
            (north, south) = (min(north, ys[index]), max(south, ys[index]))
        }
        guard !distances.isEmpty else { return nil }
        // Borders bend between the points.
        let (dx, dy) = ((east - west) * 0.1, (south - north) * 0.1)
        guard west - dx < Double(request.width), east + dx > 0, north - dy < Double(request.height), south + dy > 0
        else { return nil }
        let middle = distances.sorted()[distances.count / 2]
        return middle > 0 ? 1 / middle : .infinity
    }

    /// The smallest copy that is still as fine as the picture.
    private func overview(of raster: Raster, _ scale: Double) -> Int32? {
        guard let band = raster.band(1) else { return nil }
        var best: (level: Int32, width: Int32)?
        for level in 0..<GDALGetOverviewCount(band) {
            guard let smaller = GDALGetOverview(band, level) else { continue }
            let width = GDALGetRasterBandXSize(smaller)
            guard width > 0, Double(raster.width) / Double(width) <= scale * 1.2, width < best?.width ?? .max else {
                continue
            }
            best = (level, width)
        }
        return best?.level
    }

    // MARK: Colours

    /// From the 2nd to the 98th percentile of each expression, over a small copy of the whole.
    private func stretch(_ opened: [Opened], _ bands: [[Band]]) throws(Preview.Missing) -> [[Double]] {
        let edge = Self.sampleEdge
        var planes: [Band: [Float]] = [:]
        var isValid = [Bool](repeating: true, count: edge * edge)
        for band in Set(bands.joined()) {
            guard let handle = opened[band.raster].raster.band(band.number) else { throw Self.unreadable }
            let raster = opened[band.raster].raster
            if GDALGetOverviewCount(handle) == 0, Double(raster.width) * Double(raster.height) > Self.pixelsMax {
                throw Preview.Missing(message: "the raster is large and has no overviews: say 'rescale'")
            }
            var plane = [Float](repeating: 0, count: edge * edge)
            guard
                GDALRasterIO(
                    handle, GF_Read, 0, 0, raster.width, raster.height, &plane, Int32(edge), Int32(edge), GDT_Float32,
                    0, 0) == CE_None
            else { throw Self.unreadable }
            let nodata = (opened[band.raster].nodata ?? Raster.nodata(of: handle)).map { Float($0) }
            for index in plane.indices where plane[index] == nodata { isValid[index] = false }
            planes[band] = plane
        }
        return evaluate(bands, planes, edge * edge).map { plane in
            let sorted = plane.indices.filter { isValid[$0] && plane[$0].isFinite }.map { plane[$0] }.sorted()
            guard let low = sorted.isEmpty ? nil : sorted[sorted.count * 2 / 100] else { return [0, 255] }
            let high = sorted[(sorted.count - 1) * 98 / 100]
            return [Double(low), Double(high > low ? high : low + 1)]
        }
    }

    private func coloured(_ drawn: Layers, _ rescale: [[Double]]) -> [[UInt8]] {
        var opacity = drawn.isValid.map { $0 ? UInt8(255) : 0 }
        func range(_ index: Int) -> (low: Float, high: Float) {
            let pair = index < rescale.count ? rescale[index] : rescale.first ?? [0, 255]
            return (Float(pair[0]), Float(pair[1]))
        }
        var channels: [[UInt8]]
        if let map = request.colorMap, drawn.planes.count == 1 {
            let (low, high) = range(0)
            channels = [[UInt8]](repeating: [UInt8](repeating: 0, count: count), count: 3)
            for index in opacity.indices where opacity[index] != 0 {
                let value = drawn.planes[0][index]
                let color = map.color(of: value, share: (value - low) / max(high - low, .leastNormalMagnitude))
                (channels[0][index], channels[1][index], channels[2][index]) = (color.red, color.green, color.blue)
                opacity[index] = color.alpha
            }
        } else if let table = drawn.table {
            channels = Preview.colours(drawn.planes[0], table, &opacity)
        } else {
            channels = drawn.planes.prefix(3).enumerated().map { index, plane in
                let (low, high) = range(index)
                let factor = 255 / max(high - low, .leastNormalMagnitude)
                return plane.map { value in
                    let scaled = (value - low) * factor
                    return scaled.isFinite ? UInt8(min(max(scaled, 0), 255).rounded()) : 0
                }
            }
        }
        channels.append(opacity)
        return channels
    }

    /// - Parameter channels: the last is the opacity, which JPEG does not have.
    private func encode(_ channels: [[UInt8]]) -> Result<[UInt8], Preview.Missing> {
        var channels = channels
        let isJPEG = request.format == .jpeg
        if isJPEG {
            let opacity = channels.removeLast()
            for channel in channels.indices {
                for index in opacity.indices where opacity[index] == 0 { channels[channel][index] = 255 }
            }
        } else if channels.last?.allSatisfy({ $0 == 255 }) == true {
            channels.removeLast()
        }
        return Preview.encode(
            channels, width: request.width, height: request.height, driver: isJPEG ? "JPEG" : "PNG")
    }
}
