internal import CGDAL
internal import Glibc

/// A picture of a raster, at most 512 × 512, as PNG.
struct Preview {
    struct Missing: Error {
        let message: String
    }

    static let edgeMax = 512
    /// Pixels that are read where the raster has no smaller copy of itself, all bands together.
    private static let pixelsMax = 150_000_000.0
    /// Processor seconds of the process after which reading stops, so that the description is still delivered.
    static let processorSecondsMax = 12.0

    private let raster: Raster
    private let width: Int
    private let height: Int

    init(of raster: Raster) {
        self.raster = raster
        let (w, h) = (Double(raster.width), Double(raster.height))
        let scale = min(1, Double(Self.edgeMax) / max(w, h))
        width = max(1, Int((w * scale).rounded()))
        height = max(1, Int((h * scale).rounded()))
    }

    func render() -> Result<[UInt8], Missing> {
        let numbers = bandsToShow()
        let bands = numbers.compactMap { raster.band($0) }
        guard bands.count == numbers.count, let first = bands.first else {
            return .failure(Missing(message: "a band cannot be opened"))
        }
        if GDALGetOverviewCount(first) == 0,
            Double(raster.width) * Double(raster.height) * Double(bands.count) > Self.pixelsMax
        {
            return .failure(Missing(message: "the raster is large and has no overviews"))
        }
        let isPalette = bands.count == 1 && GDALGetRasterColorTable(first) != nil
        var planes: [[Float]] = []
        var opacity = [UInt8](repeating: 0, count: width * height)
        for band in bands {
            var values = [Float](repeating: 0, count: width * height)
            let resampling = isPalette ? GRIORA_NearestNeighbour : GRIORA_Average
            guard read(band, into: &values, type: GDT_Float32, resampling) else { return .failure(readFailure) }
            guard let valid = validity(of: band, values) else { return .failure(readFailure) }
            for index in opacity.indices where valid[index] { opacity[index] = 255 }
            planes.append(values)
        }
        var channels: [[UInt8]]
        if isPalette, let table = GDALGetRasterColorTable(first) {
            channels = Self.colours(planes[0], table, &opacity)
        } else {
            channels = zip(bands, planes).map {
                Self.stretch($1, opacity, isByte: GDALGetRasterDataType($0) == GDT_Byte)
            }
        }
        if opacity.contains(where: { $0 != 255 }) { channels.append(opacity) }
        if isSouthFirst { channels = channels.map(upsideDown) }
        return Self.encode(channels, width: width, height: height)
    }

    private var readFailure: Missing {
        Missing(message: GDALEnvironment.lastError ?? "the raster takes too long to read")
    }

    /// Whether the rows go from south to north, as those of many arrays do.
    private var isSouthFirst: Bool {
        var transform = [Double](repeating: 0, count: 6)
        return GDALGetGeoTransform(raster.dataset, &transform) == CE_None && transform[5] > 0
    }

    private func upsideDown(_ channel: [UInt8]) -> [UInt8] {
        (0..<height).reversed().flatMap { channel[$0 * width..<($0 + 1) * width] }
    }

    // MARK: Choosing

    /// Three bands as red, green, blue, or one as grey.
    func bandsToShow() -> [Int32] {
        let count = min(raster.bandCount, Raster.bandsDescribed)
        guard count >= 3 else { return [1] }
        let colours = [GCI_RedBand, GCI_GreenBand, GCI_BlueBand]
        let byColour = colours.compactMap { colour in
            (1...count).first { raster.band($0).map { GDALGetRasterColorInterpretation($0) } == colour }
        }
        if byColour.count == 3 { return byColour }
        // Sentinel-2's names count as words too.
        let words = [["red", "b04"], ["green", "b03"], ["blue", "b02"]]
        let byWord = words.compactMap { words in
            (1...count).first { number in
                guard let text = raster.band(number).flatMap({ GDALGetDescription($0) }) else { return false }
                return String(cString: text).lowercased().split { !$0.isLetter && !$0.isNumber }.contains {
                    words.contains(String($0))
                }
            }
        }
        if byWord.count == 3 { return byWord }
        // Multispectral scenes come by wavelength: blue, green, red, near infrared.
        return count >= 4 ? [3, 2, 1] : [1, 2, 3]
    }

    // MARK: Reading

    private func read(
        _ band: GDALRasterBandH, into plane: inout [Float], type: GDALDataType, _ resampling: GDALRIOResampleAlg
    ) -> Bool {
        plane.withUnsafeMutableBytes { read(band, into: $0.baseAddress, type: type, resampling) }
    }

    private func read(
        _ band: GDALRasterBandH, into target: UnsafeMutableRawPointer?, type: GDALDataType,
        _ resampling: GDALRIOResampleAlg
    ) -> Bool {
        var extra = GDALRasterIOExtraArg()
        extra.nVersion = 1
        extra.eResampleAlg = resampling
        extra.pfnProgress = { _, _, _ in Preview.processorSeconds < Preview.processorSecondsMax ? 1 : 0 }
        return GDALRasterIOEx(
            band, GF_Read, 0, 0, raster.width, raster.height, target, Int32(width), Int32(height), type, 0, 0, &extra)
            == CE_None
    }

    static var processorSeconds: Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    /// Which pixels count: those of the mask whose value is a number and not the nodata value.
    private func validity(of band: GDALRasterBandH, _ values: [Float]) -> [Bool]? {
        var mask = [UInt8](repeating: 255, count: width * height)
        if GDALGetMaskFlags(band) & GMF_ALL_VALID == 0, let maskBand = GDALGetMaskBand(band) {
            guard
                mask.withUnsafeMutableBytes({
                    read(maskBand, into: $0.baseAddress, type: GDT_Byte, GRIORA_NearestNeighbour)
                })
            else {
                return nil
            }
        }
        let nodata = Raster.nodata(of: band).map { Float($0) }
        return values.indices.map { mask[$0] != 0 && values[$0].isFinite && values[$0] != nodata }
    }

    // MARK: Colours

    /// Maps the values to 0…255. Bytes with enough contrast stay as they are; others are stretched from their 2nd to
    /// their 98th percentile.
    private static func stretch(_ values: [Float], _ opacity: [UInt8], isByte: Bool) -> [UInt8] {
        let sorted = values.indices.filter { opacity[$0] != 0 && values[$0].isFinite }.map { values[$0] }.sorted()
        guard !sorted.isEmpty else { return [UInt8](repeating: 0, count: values.count) }
        var low = sorted[sorted.count * 2 / 100]
        var high = sorted[(sorted.count - 1) * 98 / 100]
        if isByte, high - low >= 64 || high == low { (low, high) = (0, 255) }
        guard high > low else { return [UInt8](repeating: 128, count: values.count) }
        return values.map { value in
            guard value.isFinite else { return 0 }
            return UInt8(min(max((value - low) / (high - low) * 255, 0), 255).rounded())
        }
    }

    /// Looks values up in a colour table.
    static func colours(_ values: [Float], _ table: GDALColorTableH, _ opacity: inout [UInt8]) -> [[UInt8]] {
        let count = min(GDALGetColorEntryCount(table), 65_536)
        var channels = [[UInt8]](repeating: [UInt8](repeating: 0, count: values.count), count: 3)
        for index in values.indices {
            guard let number = Int32(exactly: values[index]), number >= 0, number < count,
                let entry = GDALGetColorEntry(table, number)?.pointee
            else {
                opacity[index] = 0
                continue
            }
            channels[0][index] = UInt8(clamping: entry.c1)
            channels[1][index] = UInt8(clamping: entry.c2)
            channels[2][index] = UInt8(clamping: entry.c3)
            opacity[index] = min(opacity[index], UInt8(clamping: entry.c4))
        }
        return channels
    }

    // MARK: Encoding

    /// Two or four channels have the opacity as their last.
    static func encode(
        _ channels: [[UInt8]], width: Int, height: Int, driver name: String = "PNG"
    ) -> Result<[UInt8], Missing> {
        let failure = Missing(message: "the preview cannot be encoded")
        guard let memory = GDALGetDriverByName("MEM"), let driver = GDALGetDriverByName(name),
            let picture = GDALCreate(memory, "", Int32(width), Int32(height), Int32(channels.count), GDT_Byte, nil)
        else { return .failure(failure) }
        defer { GDALClose(picture) }
        for (index, var channel) in channels.enumerated() {
            guard let band = GDALGetRasterBand(picture, Int32(index + 1)) else { return .failure(failure) }
            if index == channels.count - 1, channels.count.isMultiple(of: 2) {
                GDALSetRasterColorInterpretation(band, GCI_AlphaBand)
            }
            guard
                GDALRasterIO(
                    band, GF_Write, 0, 0, Int32(width), Int32(height), &channel, Int32(width), Int32(height), GDT_Byte,
                    0, 0) == CE_None
            else { return .failure(failure) }
        }
        let path = "/vsimem/preview"
        guard let copy = GDALCreateCopy(driver, path, picture, 0, nil, nil, nil) else { return .failure(failure) }
        GDALClose(copy)
        var length: vsi_l_offset = 0
        guard let bytes = VSIGetMemFileBuffer(path, &length, 1) else { return .failure(failure) }
        defer { VSIFree(bytes) }
        return .success(Array(UnsafeBufferPointer(start: bytes, count: Int(length))))
    }
}
